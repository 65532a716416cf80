"""Asking: what Stripe says now of the thing that an event is about. No transaction is open meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from app.errors import NotFound
from app.integrations.stripe import API_VERSION, Checkout, Event, Invoice, Stripe
from app.resolvers._settling import Payment

log = structlog.get_logger()

Facts = Payment | Invoice | None
"""What Stripe says of the thing that an event is about; None where that moves nothing here."""


async def facts_of(stripe: Stripe, event: Event) -> Facts:
    """Ask Stripe about the thing that an event is about: its own copy may be old, unless it says what is final."""
    final = _final(event)
    if final is not None:
        return final
    ask = next((ask for start, ask in _ASKING if event.type.startswith(start)), None)
    if ask is None:
        return None
    try:
        return await ask(stripe, event)
    except NotFound:
        log.warning("event_about_nothing", stripe_event=event.id, type=event.type)
        return None


def _final(event: Event) -> Facts:
    """Read from the signed copy what no later word takes back: that a session or an invoice is paid.

    So most webhooks need nothing of Stripe, which answers 100 reads a second and may be away.
    """
    if event.api_version != API_VERSION:
        return None
    try:
        if event.type.startswith("checkout.session."):
            checkout = Checkout.of(event.object)
            paid = (checkout.status, checkout.payment_status) == ("complete", "paid")
            return Payment(checkout, livemode=event.livemode) if paid else None
        if event.type == "invoice.paid":
            return Invoice.of(event.object)
    except (KeyError, TypeError, ValueError):
        # Not as we know it: Stripe is asked in the version that we speak.
        return None
    return None


async def _checkout(stripe: Stripe, event: Event) -> Facts:
    checkout = await stripe.checkout(event.object["id"])
    failed = event.type.endswith("async_payment_failed")
    return Payment(checkout, livemode=stripe.livemode, failed=failed)


async def _payment(stripe: Stripe, event: Event) -> Facts:
    payment = event.object.get("payment_intent")
    payment = payment["id"] if isinstance(payment, dict) else payment
    checkout = await stripe.checkout_of_payment(payment) if payment else None
    return None if checkout is None else await payment_in_full(stripe, checkout)


async def payment_in_full(stripe: Stripe, checkout: Checkout) -> Payment:
    """Ask Stripe for everything that has come of a session's payment."""
    payment = checkout.payment_intent
    if payment is None:
        return Payment(checkout, livemode=stripe.livemode)
    refunds, disputes = await asyncio.gather(
        stripe.refunds_of(payment), stripe.disputes_of(payment)
    )
    return Payment(checkout, refunds, disputes, livemode=stripe.livemode)


async def _invoice(stripe: Stripe, event: Event) -> Facts:
    return await stripe.invoice(event.object["id"])


Asking = Callable[[Stripe, Event], Awaitable[Facts]]
_ASKING: tuple[tuple[str, Asking], ...] = (
    ("checkout.session.", _checkout),
    ("refund.", _payment),
    ("charge.refund", _payment),
    ("charge.dispute.", _payment),
    ("invoice.", _invoice),
)
