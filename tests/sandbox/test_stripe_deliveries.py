"""How the stand-in's events arrive: signed, until they are taken, and twice or backwards where that is wanted."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.integrations.stripe import EVENT_TYPES, Event, Stripe
from app.sandbox.stripe import StripeStandIn, beside
from app.sandbox.stripe.objects import customer, refund
from app.settings import Settings
from tests.integrations.serving import listening, serving
from tests.sandbox.stripe_stage import AT, Clock


class Hook:
    """Our side of the webhook: reads what comes by our own rules, and answers as told."""

    def __init__(self) -> None:
        self.port = listening()
        base_url = f"http://127.0.0.1:{self.port.getsockname()[1]}"
        self.settings = Settings(_env_file=None, base_url=base_url)
        self.stripe = Stripe(self.settings)
        self.came: list[Event] = []
        self.status = 200

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one event."""
        request = Request(scope, receive)
        assert request.url.path == "/webhooks/stripe"
        body = await request.body()
        self.came.append(self.stripe.event_of(body, request.headers["stripe-signature"], AT))
        await Response(status_code=self.status)(scope, receive, send)

    @property
    def ids(self) -> list[str]:
        """List what the events were about."""
        return [event.object["id"] for event in self.came]


@asynccontextmanager
async def started(hook: Hook, kept_at: Path | None = None) -> AsyncIterator[StripeStandIn]:
    """Run a stand-in that sends there."""
    stand_in = StripeStandIn(hook.settings, "http://127.0.0.1/sandbox/stripe", kept_at)
    stand_in.tell_time_by(Clock())
    stand_in.start()
    try:
        yield stand_in
    finally:
        await stand_in.stop()


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    """Serve our side."""
    one = Hook()
    with serving(one, one.port):
        yield one
    await one.stripe.aclose()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something to be so."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - the server runs in another thread
            await asyncio.sleep(0)


def happens(stand_in: StripeStandIn, name: str) -> None:
    """Let something happen that is told."""
    payment = {"id": "pi_1", "charge": "ch_1", "currency": "usd", "customer": None}
    made = refund(AT, payment, 1, "succeeded") | {"id": name}
    stand_in.world.tell(AT, "refund.created", made)


async def test_events_come_signed_in_order_and_once(hook: Hook) -> None:
    async with started(hook) as stand_in:
        for name in ("re_1", "re_2", "re_3"):
            happens(stand_in, name)
        stand_in.world.tell(AT, "customer.created", customer(AT, {}))
        await until(lambda: stand_in.deliveries.waiting == 0)
    assert hook.ids == ["re_1", "re_2", "re_3"], "what the endpoint did not ask for stays away"
    assert {event.type for event in hook.came} <= set(EVENT_TYPES)


async def test_an_event_comes_again_until_it_is_taken(hook: Hook) -> None:
    async with started(hook) as stand_in:
        hook.status = 500
        happens(stand_in, "re_1")
        await until(lambda: len(hook.came) == 1)
        assert stand_in.deliveries.waiting == 1
        hook.status = 200
        stand_in.deliveries.change(copies=1, reverse=False, paused=False)
        await until(lambda: stand_in.deliveries.waiting == 0)
    first, again = hook.came
    assert first == again


async def test_events_come_twice_and_backwards_where_that_is_wanted(hook: Hook) -> None:
    async with started(hook) as stand_in:
        stand_in.deliveries.change(copies=3, reverse=True, paused=True)
        for name in ("re_1", "re_2"):
            happens(stand_in, name)
        assert stand_in.deliveries.waiting == 2
        stand_in.deliveries.change(copies=3, reverse=True, paused=False)
        await until(lambda: stand_in.deliveries.waiting == 0)
    assert hook.ids == ["re_2"] * 3 + ["re_1"] * 3
    assert len({event.id for event in hook.came}) == 2


async def test_a_restart_forgets_nothing_and_sends_what_was_left(
    hook: Hook, tmp_path: Path
) -> None:
    kept_at = beside(f"sqlite:///{tmp_path}/r9s.sqlite3")
    assert kept_at == tmp_path / "r9s.stripe.json"
    assert beside("postgresql://r9s@db/r9s") is None
    async with started(hook, kept_at) as stand_in:
        stand_in.deliveries.change(copies=1, reverse=False, paused=True)
        stand_in.world.store.put("customer", customer(AT, {"name": "Acme"}) | {"id": "cus_1"})
        happens(stand_in, "re_1")
        stand_in.world.store.save()
    assert hook.came == []
    async with started(hook, kept_at) as stand_in:
        await until(lambda: stand_in.deliveries.waiting == 0)
        assert stand_in.world.get("customer", "cus_1")["name"] == "Acme"
    assert hook.ids == ["re_1"]
    async with started(hook, kept_at) as stand_in:
        assert stand_in.deliveries.waiting == 0, "what was taken is not sent again"
