"""The stand-in for Stripe on loopback, everything recorded that is asked of it and that it says."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import stripe
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import Message, Receive, Scope, Send
from stripe.params import (
    CustomerCreateParams,
    CustomerRetrieveParams,
    CustomerUpdateParams,
    DisputeListParams,
    DisputeRetrieveParams,
    EventListParams,
    InvoiceListParams,
    InvoiceRetrieveParams,
    RefundListParams,
    RefundRetrieveParams,
    billing_portal,
    checkout,
)
from stripe.params._customer_tax_id_create_params import CustomerTaxIdCreateParams
from stripe.params._customer_tax_id_list_params import CustomerTaxIdListParams

from app.integrations.stripe import Checkout, CheckoutOrder, Stripe
from app.sandbox.stripe import StripeStandIn
from app.sandbox.stripe.forms import read_form
from app.settings import Settings
from tests.integrations.serving import listening, serving
from tests.sandbox.stripe_types import as_wire, problems

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
PATH = "/sandbox/stripe"
SESSION = stripe.checkout.Session
# Every call of ours: what may be asked, and what comes back; "list" is a list of it.
OURS: dict[tuple[str, str], tuple[Any, Any]] = {
    ("POST", "customers"): (CustomerCreateParams, stripe.Customer),
    ("GET", "customers/ID"): (CustomerRetrieveParams, stripe.Customer),
    ("POST", "customers/ID"): (CustomerUpdateParams, stripe.Customer),
    ("POST", "customers/ID/tax_ids"): (CustomerTaxIdCreateParams, stripe.TaxId),
    ("GET", "customers/ID/tax_ids"): (CustomerTaxIdListParams, [stripe.TaxId]),
    ("DELETE", "customers/ID/tax_ids/ID"): (None, None),
    ("POST", "checkout/sessions"): (checkout.SessionCreateParams, SESSION),
    ("GET", "checkout/sessions"): (checkout.SessionListParams, [SESSION]),
    ("GET", "checkout/sessions/ID"): (checkout.SessionRetrieveParams, SESSION),
    ("POST", "checkout/sessions/ID/expire"): (checkout.SessionExpireParams, SESSION),
    ("GET", "refunds"): (RefundListParams, [stripe.Refund]),
    ("GET", "refunds/ID"): (RefundRetrieveParams, stripe.Refund),
    ("GET", "disputes"): (DisputeListParams, [stripe.Dispute]),
    ("GET", "disputes/ID"): (DisputeRetrieveParams, stripe.Dispute),
    ("GET", "invoices"): (InvoiceListParams, [stripe.Invoice]),
    ("GET", "invoices/ID"): (InvoiceRetrieveParams, stripe.Invoice),
    ("GET", "events"): (EventListParams, [stripe.Event]),
    ("POST", "billing_portal/sessions"): (
        billing_portal.SessionCreateParams,
        stripe.billing_portal.Session,
    ),
}


@dataclass(slots=True)
class Exchange:
    """One call of the API."""

    method: str
    path: str
    headers: dict[str, str]
    asked: str
    status: int = 0
    said: bytes = b""

    @property
    def operation(self) -> tuple[str, str]:
        """Name the call, its ids left out."""
        return self.method, re.sub(r"\b(cus|txi|cs_test|re|du|in)_\w+", "ID", self.path)

    def json(self) -> dict[str, Any]:
        """Read the answer."""
        return dict(json.loads(self.said))

    def problems(self) -> Iterator[str]:
        """Name what Stripe's description does not allow."""
        asked, said = OURS[self.operation]
        if asked is not None:
            yield from problems(as_wire(read_form(self.asked)), asked, f"{self.operation}")
        found = self.json()
        if isinstance(said, list):
            for one in found["data"]:
                yield from problems(one, said[0], one["object"])
        elif said is not None and self.status == 200:
            yield from problems(found, said, found["object"])


class Recorder:
    """Writes down each call of the API."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.seen: list[Exchange] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        _, found, path = scope["path"].partition("/v1/")
        if not found:
            await self.app(scope, receive, send)
            return
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        one = Exchange(scope["method"], path, headers, scope["query_string"].decode())
        self.seen.append(one)

        async def received() -> Message:
            message = await receive()
            one.asked += message.get("body", b"").decode()
            return message

        async def sent(message: Message) -> None:
            one.status = message.get("status", one.status)
            one.said += message.get("body", b"")
            await send(message)

        await self.app(scope, received, sent)


class Clock:
    """A time that stands until a test moves it."""

    def __init__(self) -> None:
        self.at = AT

    async def __call__(self) -> datetime:
        """Tell the time."""
        return self.at

    def pass_by(self, **given: float) -> None:
        """Let time pass."""
        self.at += timedelta(**given)


class Stage:
    """The stand-in, our client of it, and a person before its pages."""

    def __init__(self, settings: Settings, kept_at: Path | None = None) -> None:
        self.settings = settings
        self.clock = Clock()
        self.stand_in = StripeStandIn(settings, settings.stripe_address, kept_at)
        self.stand_in.tell_time_by(self.clock)
        self.world = self.stand_in.world
        self.recorder = Recorder(Starlette(routes=[Mount(PATH, routes=self.stand_in.routes())]))
        self.stripe = Stripe(settings)

    @property
    def calls(self) -> list[Exchange]:
        """List the calls of the API."""
        return self.recorder.seen

    def order(self, customer: str, **changes: Any) -> CheckoutOrder:
        """Say what is to be paid: 50 credits."""
        facts = {
            "account_id": "acc",
            "top_up_id": "top",
            "customer": customer,
            "credits_text": "50 credits",
            "amount": 5000,
            "currency": "usd",
            "success_url": "https://r9s.example/back?session={CHECKOUT_SESSION_ID}",
            "cancel_url": "https://r9s.example/cancelled",
            "idempotency_key": "click",
        }
        return CheckoutOrder(**facts | changes)

    async def customer(self, key: str = "customer") -> str:
        """Make a customer."""
        made = await self.stripe.create_customer(
            account_id="acc", name="Acme", email="a@example.com", idempotency_key=key
        )
        return made.id

    async def paid(self, outcome: str = "paid", key: str = "click", **fields: str) -> Checkout:
        """Order and pay; the session as it is then."""
        made = await self.stripe.create_checkout(
            self.order(await self.customer(), idempotency_key=key)
        )
        answer = await self.visit(made.url or "", outcome=outcome, **fields)
        assert answer.status_code == 303, answer.text
        return await self.stripe.checkout(made.id)

    async def visit(self, url: str, **fields: str) -> httpx2.Response:
        """See a page, or send its form."""
        async with httpx2.AsyncClient(timeout=30) as person:
            return await (person.post(url, data=fields) if fields else person.get(url))

    async def move(self, payment: str | None, what: str, **fields: str) -> httpx2.Response:
        """Let something become of a payment, on the desk."""
        url = f"{self.settings.stripe_address}/payments/{payment}"
        return await self.visit(url, what=what, **fields)

    def problems(self) -> list[str]:
        """Name all that Stripe's description does not allow, in calls, answers and events."""
        found = [said for one in self.calls for said in one.problems()]
        for event in self.world.store.newest_first("event"):
            about = event["data"]["object"]
            kind = {one.OBJECT_NAME: one for one in KINDS}[about["object"]]
            found += problems(event, stripe.Event, "event")
            found += problems(about, kind, event["type"])
        return found


KINDS: tuple[Any, ...] = (
    stripe.Customer,
    stripe.TaxId,
    stripe.checkout.Session,
    stripe.Refund,
    stripe.Dispute,
    stripe.Invoice,
)


@asynccontextmanager
async def stripe_stage(kept_at: Path | None = None, **given: Any) -> AsyncIterator[Stage]:
    """Serve the stand-in for a while."""
    port = listening()
    base_url = f"http://127.0.0.1:{port.getsockname()[1]}"
    stage = Stage(Settings(_env_file=None, base_url=base_url, **given), kept_at)
    assert urlsplit(stage.settings.stripe_address).path == PATH
    with serving(stage.recorder, port):
        async with aclosing(stage.stripe):
            yield stage
