"""Payments: what Stripe tells by webhook, landing page and reconciliation comes to one function, `settle`.

Stripe is asked before the transaction opens; an event is stored in the transaction that applies it.
"""

from uuid import UUID

import structlog
from sqlalchemy import select
from sqlmodel import col

from app.access import Actor, Viewer, anyone, in_steps, system
from app.database import insert_or_ignore
from app.integrations.stripe import Event, Invoice
from app.models import StripeEvent, TopUpStatus
from app.resolvers._asking import Facts, facts_of
from app.resolvers._invoicing import keep_invoice
from app.resolvers._settling import Outcome, Payment, settle
from app.resolvers.top_ups import TopUpRow, top_up

log = structlog.get_logger()

TYPE_LENGTH = 100


@in_steps
async def take_event(viewer: Viewer, event: Event, body: str) -> Outcome:
    """Store an event and apply what it is about, as Stripe tells it now, in one transaction; each event once.

    Raises `Unavailable` where Stripe or the database does not answer: nothing was stored.
    """
    if await event_is_known(viewer, event.id):
        return Outcome.SAME
    facts = await facts_of(viewer.at_stripe, event)
    return await _apply_event(viewer.as_system(), event, body, facts)


@anyone
async def event_is_known(viewer: Viewer, event_id: str) -> bool:
    """Tell whether an event has been applied; its signature was the proof."""
    statement = select(col(StripeEvent.id)).where(col(StripeEvent.id) == event_id)
    return await viewer.database.row(statement) is not None


@system
async def _apply_event(actor: Actor, event: Event, body: str, facts: Facts) -> Outcome:
    """Store the event, unless it is there, and book what came of it."""
    row = StripeEvent(id=event.id, type=event.type[:TYPE_LENGTH], body=body, received_at=actor.now)
    if not await insert_or_ignore(actor.session, row, ("id",)):
        return Outcome.SAME
    return await _apply(actor, facts)


@system
async def apply_facts(actor: Actor, facts: Payment | Invoice) -> Outcome:
    """Book what Stripe was asked for without an event: by a landing page, or the reconciliation."""
    return await _apply(actor, facts)


async def _apply(actor: Actor, facts: Facts) -> Outcome:
    if isinstance(facts, Payment):
        return await settle(actor, facts)
    if isinstance(facts, Invoice):
        return Outcome.MOVED if await keep_invoice(actor, facts) else Outcome.SAME
    return Outcome.FOREIGN


@in_steps
async def land(viewer: Viewer, top_up_id: UUID) -> TopUpRow:
    """Tell a person who comes back from Stripe what has become of their top-up, by asking Stripe.

    As safe as the webhook, however often and whenever it is called. Raises `NotFound`, `Forbidden`, `Unavailable`.
    """
    known = await top_up(viewer, top_up_id)
    if known.status is TopUpStatus.PAID or known.session is None:
        return known
    stripe = viewer.at_stripe
    checkout = await stripe.checkout(known.session)
    us = viewer.as_system()
    await apply_facts(us, Payment(checkout, livemode=stripe.livemode))
    if checkout.invoice is not None:
        await apply_facts(us, await stripe.invoice(checkout.invoice))
    return await top_up(viewer, top_up_id)
