"""Payments: what Stripe tells by webhook, landing page and reconciliation comes to one function, `settle`.

Stripe is asked before the transaction opens; an event is stored in the transaction that applies it.
"""

from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy import bindparam, select
from sqlmodel import col

from app.access import Actor, Viewer, anyone, in_steps, system
from app.database import AnySelect, insert_or_ignore, now
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
    if (await clock_and_known(viewer, event.id))[1]:
        return Outcome.SAME
    return await take_new_event(viewer, event, body)


@in_steps
async def take_new_event(
    viewer: Viewer,
    event: Event,
    body: str,
    turn: AbstractAsyncContextManager[object] = nullcontext(),  # noqa: B008 - holds no state
) -> Outcome:
    """Do so for an event that was not known a moment ago, writing once it has its turn. Raises as `take_event`."""
    facts = await facts_of(viewer.at_stripe, event)
    async with turn:
        return await _apply_event(viewer.as_system(), event, body, facts)


@anyone
async def clock_and_known(viewer: Viewer, event_id: str) -> tuple[datetime, bool]:
    """Tell the database's time, and whether an event of this id has been applied, by one statement."""
    row = await viewer.database.row(_CLOCK_AND_KNOWN, {"event_id": event_id})
    if row is None:
        raise RuntimeError("a SELECT without a table gave no row")
    return row[0], row[1] is not None


_CLOCK_AND_KNOWN: AnySelect = select(
    now(),
    select(col(StripeEvent.id))
    .where(col(StripeEvent.id) == bindparam("event_id"))
    .scalar_subquery(),
)


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
