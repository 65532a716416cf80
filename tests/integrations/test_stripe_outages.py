"""Stripe down, slow, busy or talking nonsense: nothing is known to be done, and the same call may be repeated."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from app.integrations import stripe_http
from app.integrations.stripe import CheckoutOrder, Stripe, StripeAway, StripeRefused
from app.settings import Settings
from tests.integrations.serving import listening, serving
from tests.sandbox.stripe_stage import AT, stripe_stage

CHECKOUT = {
    "id": "cs_1",
    "object": "checkout.session",
    "status": "open",
    "payment_status": "unpaid",
    "amount_subtotal": 5000,
    "amount_total": 5000,
    "currency": "usd",
    "livemode": False,
    "created": 1,
    "expires_at": 2,
}
ORDER = CheckoutOrder("acc", "top", "cus_1", "50 credits", 5000, "usd", "s", "c", "click")


class Moody:
    """Answers with what a test puts in line, the last of it again and again."""

    def __init__(self) -> None:
        self.line: list[Response | None] = [JSONResponse(CHECKOUT)]
        self.keys: list[str | None] = []
        self.gate = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or never."""
        request = Request(scope, receive)
        self.keys.append(request.headers.get("idempotency-key"))
        answer = self.line.pop(0) if len(self.line) > 1 else self.line[0]
        if answer is None:  # never, until who asked has gone
            while (await receive())["type"] != "http.disconnect":
                pass
            return
        await answer(scope, receive, send)


@pytest.fixture
async def moody(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Moody, Stripe]]:
    """Serve one, with a client that repeats without waiting."""

    async def at_once(_self: object, _seconds: float) -> None:
        return None

    monkeypatch.setattr(stripe_http.Wire, "sleep_async", at_once)
    port, moody = listening(), Moody()
    base = f"http://127.0.0.1:{port.getsockname()[1]}"
    with serving(moody, port):
        client = Stripe(Settings(_env_file=None, stripe_api_base=base))
        yield moody, client
        await client.aclose()


BUSY = JSONResponse({"error": {"type": "invalid_request_error", "code": "rate_limit"}}, 429)
HTML = HTMLResponse("<h1>Service Unavailable</h1>", 503)


@pytest.mark.parametrize(
    ("answer", "times"),
    [
        (HTML, 3),
        (JSONResponse({"error": {"type": "api_error"}}, 500), 3),
        (BUSY, 1),
        (JSONResponse({"error": {"type": "invalid_request_error"}}, 401), 1),
        (JSONResponse({"error": {"type": "invalid_request_error"}}, 403), 1),
        (HTMLResponse("<h1>Welcome</h1>"), 1),
        (JSONResponse({}), 1),
        (JSONResponse(CHECKOUT | {"created": None}), 1),
        (RedirectResponse("http://127.0.0.1:9/elsewhere"), 1),
        (Response(status_code=404), 1),
    ],
)
async def test_an_answer_that_is_none_says_that_stripe_is_away(
    moody: tuple[Moody, Stripe], answer: Response, times: int
) -> None:
    server, client = moody
    server.line = [answer]
    with pytest.raises(StripeAway) as away:
        await client.create_checkout(ORDER)
    assert (away.value.status, away.value.retry_after > 0) == (503, True)
    assert server.keys == ["click"] * times, "the same key each time"
    server.line = [JSONResponse(CHECKOUT)]
    assert (await client.create_checkout(ORDER)).id == "cs_1"


async def test_a_short_outage_is_bridged_under_the_same_key(moody: tuple[Moody, Stripe]) -> None:
    server, client = moody
    server.line = [HTML, HTML, JSONResponse(CHECKOUT)]
    assert (await client.create_checkout(ORDER)).id == "cs_1"
    assert server.keys == ["click"] * 3


async def test_stripe_that_does_not_answer_is_waited_for_only_so_long(
    moody: tuple[Moody, Stripe], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, client = moody
    server.line = [None]
    monkeypatch.setattr(stripe_http, "SECONDS_IN_ALL", 0.2)
    with pytest.raises(StripeAway):
        await client.checkout("cs_1")
    with pytest.raises(StripeAway):
        [one async for one in client.events_since(AT)]


async def test_stripe_that_is_down_is_away() -> None:
    client = Stripe(Settings(_env_file=None, stripe_api_base="http://127.0.0.1:9"))
    client._wire.sleep_async = lambda _seconds: asyncio.sleep(0)  # type: ignore[method-assign]
    with pytest.raises(StripeAway):
        await client.create_checkout(ORDER)
    await client.aclose()


async def test_what_stripe_refuses_is_refused_with_its_reason(moody: tuple[Moody, Stripe]) -> None:
    server, client = moody
    error = {"type": "invalid_request_error", "code": "amount_too_small", "param": "line_items"}
    server.line = [JSONResponse({"error": error}, 400)]
    with pytest.raises(StripeRefused) as refused:
        await client.create_checkout(ORDER)
    assert (refused.value.status, refused.value.code) == (409, "stripe_refused")
    assert (refused.value.reason, refused.value.param) == ("amount_too_small", "line_items")
    assert len(server.keys) == 1, "a refusal is not repeated"


async def test_our_key_that_is_wrong_is_not_said_to_people() -> None:
    async with stripe_stage() as stage:
        other = Settings(
            _env_file=None,
            stripe_api_base=stage.settings.stripe_address,
            stripe_api_key="sk_test_another",
        )
        client = Stripe(other)
        with pytest.raises(StripeAway) as away:
            await client.checkout("cs_1")
        assert "key" not in away.value.detail.lower()
        await client.aclose()
