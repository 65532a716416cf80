"""Stripe: customers, Checkout, refunds, disputes, invoices and events. Nothing of the `stripe` package passes from here."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import suppress
from datetime import datetime
from typing import Any

import stripe

from app.errors import NotFound
from app.integrations.stripe_events import BadSignature, event_of
from app.integrations.stripe_http import StripeAway, StripeRefused, Wire, asking_stripe
from app.integrations.stripe_objects import (
    Address,
    Checkout,
    CheckoutOrder,
    Customer,
    Dispute,
    Event,
    Invoice,
    Refund,
    TaxIdOf,
)
from app.settings import Settings

__all__ = [
    "EVENT_TYPES",
    "Address",
    "BadSignature",
    "Checkout",
    "CheckoutOrder",
    "Customer",
    "Dispute",
    "Event",
    "Invoice",
    "Refund",
    "Stripe",
    "StripeAway",
    "StripeRefused",
    "TaxIdOf",
]

# What we speak, whatever the account's default is.
API_VERSION = "2026-10-28.endive"
RETRIES = 2
PAGE = 100
ID = re.compile(r"[A-Za-z0-9_]{1,255}", re.ASCII)
EVENT_TYPES = (
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "checkout.session.expired",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
    "invoice.paid",
    "invoice.voided",
    "invoice.marked_uncollectible",
)
"""What moves credits, or is shown of a payment. The webhook endpoint at Stripe is to be told these."""

Listing = Callable[[dict[str, Any]], Awaitable[Any]]


class Stripe:
    """One account at Stripe. One per process, closed with it.

    Every method raises `StripeAway` where nothing is known to be done, `StripeRefused` for what Stripe
    will not do, `NotFound` for what is not there. Keys make a repeated call the same call.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._wire = Wire()
        client = stripe.StripeClient(
            settings.stripe_api_key.get_secret_value(),
            base_addresses={"api": settings.stripe_address},
            stripe_version=API_VERSION,
            max_network_retries=RETRIES,
            http_client=self._wire,
        )
        # Its types are many small dictionaries; what matters is held by Stripe's own description in the tests.
        self._v1: Any = client.v1

    @property
    def livemode(self) -> bool:
        """Whether this is real money."""
        return self._settings.stripe_livemode

    async def aclose(self) -> None:
        """Close every connection."""
        await self._wire.close_async()

    async def create_customer(
        self, *, account_id: str, name: str, email: str, idempotency_key: str
    ) -> Customer:
        """Make the customer of an account."""
        wanted = {"name": name, "email": email, "metadata": {"account_id": account_id}}
        async with asking_stripe():
            made = await self._v1.customers.create_async(wanted, _once(idempotency_key))
            return Customer.of(made.to_dict())

    async def update_customer(
        self,
        customer: str,
        *,
        name: str | None = None,
        email: str | None = None,
        address: Address | None = None,
        idempotency_key: str,
    ) -> Customer:
        """Change a customer; what is None stays, what is empty is emptied. Tax ids are not told."""
        wanted: dict[str, Any] = {"name": name, "email": email}
        wanted["address"] = address.form() if address else None
        wanted = {key: value for key, value in wanted.items() if value is not None}
        async with asking_stripe():
            changed = await self._v1.customers.update_async(
                _id(customer), wanted, _once(idempotency_key)
            )
            return Customer.of(changed.to_dict())

    async def customer(self, customer: str) -> Customer:
        """Read a customer with its tax ids. One that was deleted at Stripe is `NotFound`."""
        async with asking_stripe():
            found = await self._v1.customers.retrieve_async(_id(customer), {"expand": ["tax_ids"]})
            plain = found.to_dict()
            if plain.get("deleted"):
                raise NotFound
            return Customer.of(plain)

    async def set_tax_ids(self, customer: str, tax_ids: Iterable[TaxIdOf]) -> None:
        """Leave a customer with these tax ids; where Stripe refuses one, with those that it had."""
        wanted, service = set(tax_ids), self._v1.customers.tax_ids
        listing = _listing(service.list_async, _id(customer))
        present = {TaxIdOf(one["type"], one["value"]): one["id"] async for one in _all(listing, {})}
        made = []
        try:
            for one in sorted(wanted - present.keys(), key=lambda one: (one.type, one.value)):
                async with asking_stripe():
                    new = await service.create_async(
                        _id(customer), {"type": one.type, "value": one.value}
                    )
                made.append(new.id)
        except StripeRefused:
            await self._delete_tax_ids(customer, made)
            raise
        gone = [tax_id for known, tax_id in present.items() if known not in wanted]
        await self._delete_tax_ids(customer, gone)

    async def _delete_tax_ids(self, customer: str, tax_ids: Iterable[str]) -> None:
        for tax_id in tax_ids:
            # What somebody else has just deleted is as it should be.
            with suppress(NotFound):
                async with asking_stripe():
                    await self._v1.customers.tax_ids.delete_async(customer, tax_id)

    async def create_checkout(self, order: CheckoutOrder) -> Checkout:
        """Open Stripe's page for one payment, with an invoice to the customer."""
        wanted = order.form(
            tax=self._settings.stripe_tax,
            promotion_codes=self._settings.stripe_promotion_codes,
        )
        async with asking_stripe():
            made = await self._v1.checkout.sessions.create_async(
                wanted, _once(order.idempotency_key)
            )
            return Checkout.of(made.to_dict())

    async def checkout(self, checkout: str) -> Checkout:
        """Read a Checkout Session as it is now."""
        async with asking_stripe():
            found = await self._v1.checkout.sessions.retrieve_async(_id(checkout))
            return Checkout.of(found.to_dict())

    async def expire_checkout(self, checkout: str) -> Checkout:
        """Close an open page. Raises `StripeRefused` where it is open no more."""
        async with asking_stripe():
            found = await self._v1.checkout.sessions.expire_async(_id(checkout))
            return Checkout.of(found.to_dict())

    async def checkout_of_payment(self, payment_intent: str) -> Checkout | None:
        """Find the Checkout Session that a payment was made by."""
        async with asking_stripe():
            found = await self._v1.checkout.sessions.list_async(
                {"payment_intent": _id(payment_intent), "limit": 1}
            )
            first = found.to_dict()["data"][:1]
            return Checkout.of(first[0]) if first else None

    async def refunds_of(self, payment_intent: str) -> list[Refund]:
        """List what was given back of a payment, newest first."""
        wanted = {"payment_intent": _id(payment_intent)}
        return [Refund.of(one) async for one in _all(self._v1.refunds.list_async, wanted)]

    async def disputes_of(self, payment_intent: str) -> list[Dispute]:
        """List a payment's disputes, newest first."""
        wanted = {"payment_intent": _id(payment_intent)}
        return [Dispute.of(one) async for one in _all(self._v1.disputes.list_async, wanted)]

    async def refunds_since(self, since: datetime) -> AsyncIterator[Refund]:
        """Read the refunds made since a moment, newest first."""
        wanted = {"created": {"gte": int(since.timestamp())}}
        async for one in _all(self._v1.refunds.list_async, wanted):
            yield Refund.of(one)

    async def disputes_since(self, since: datetime) -> AsyncIterator[Dispute]:
        """Read the disputes opened since a moment, newest first."""
        wanted = {"created": {"gte": int(since.timestamp())}}
        async for one in _all(self._v1.disputes.list_async, wanted):
            yield Dispute.of(one)

    async def refund(self, refund: str) -> Refund:
        """Read a refund as it is now."""
        async with asking_stripe():
            return Refund.of((await self._v1.refunds.retrieve_async(_id(refund))).to_dict())

    async def dispute(self, dispute: str) -> Dispute:
        """Read a dispute as it is now."""
        async with asking_stripe():
            return Dispute.of((await self._v1.disputes.retrieve_async(_id(dispute))).to_dict())

    async def invoice(self, invoice: str) -> Invoice:
        """Read an invoice as it is now."""
        async with asking_stripe():
            found = await self._v1.invoices.retrieve_async(_id(invoice), {"expand": ["payments"]})
            return Invoice.of(found.to_dict())

    async def invoices_of(self, customer: str) -> AsyncIterator[Invoice]:
        """Read a customer's invoices, newest first."""
        wanted = {"customer": _id(customer), "expand": ["data.payments"]}
        async for one in _all(self._v1.invoices.list_async, wanted):
            yield Invoice.of(one)

    async def portal_session(self, customer: str, return_url: str, idempotency_key: str) -> str:
        """Open Stripe's billing portal for a customer; its address works for some minutes."""
        wanted = {"customer": _id(customer), "return_url": return_url}
        async with asking_stripe():
            made = await self._v1.billing_portal.sessions.create_async(
                wanted, _once(idempotency_key)
            )
            return str(made.url)

    async def events_since(self, since: datetime) -> AsyncIterator[Event]:
        """Read the events of `EVENT_TYPES` since a moment, newest first; Stripe keeps them for 30 days."""
        wanted = {"created": {"gte": int(since.timestamp())}, "types": list(EVENT_TYPES)}
        async for one in _all(self._v1.events.list_async, wanted):
            yield Event.of(one)

    async def checkouts_since(self, since: datetime) -> AsyncIterator[Checkout]:
        """Read the Checkout Sessions made since a moment, newest first."""
        wanted = {"created": {"gte": int(since.timestamp())}}
        async for one in _all(self._v1.checkout.sessions.list_async, wanted):
            yield Checkout.of(one)

    def event_of(self, body: bytes, header: str | None, at: datetime) -> Event:
        """Read what came to the webhook at this moment. Raises `BadSignature`."""
        given = (
            self._settings.stripe_webhook_secret,
            self._settings.stripe_webhook_secret_previous,
        )
        secrets = [one.get_secret_value() for one in given]
        return event_of(body, header, at, secrets, livemode=self.livemode)


def _once(idempotency_key: str) -> dict[str, str]:
    return {"idempotency_key": idempotency_key}


def _id(given: str) -> str:
    """Let no id through that cannot be one: some come from addresses that people type."""
    if not ID.fullmatch(given):
        raise NotFound
    return given


def _listing(listed: Callable[..., Awaitable[Any]], owner: str) -> Listing:
    return lambda wanted: listed(owner, wanted)


async def _all(listed: Listing, wanted: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    """Read every page of a list, each bounded in time by itself."""
    after: dict[str, Any] = {}
    while True:
        async with asking_stripe():
            page = (await listed({**wanted, "limit": PAGE, **after})).to_dict()
        for one in page["data"]:
            yield one
        if not page["has_more"] or not page["data"]:
            return
        after = {"starting_after": page["data"][-1]["id"]}
