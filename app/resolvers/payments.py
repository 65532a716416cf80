"""Payments: what Stripe tells by webhook, landing page and reconciliation comes to one function, `settle`.

Stripe is asked before the transaction opens; an event is stored in the transaction that applies it.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy import bindparam, select
from sqlmodel import col

from app.access import Actor, Viewer, anyone, in_steps, system
from app.database import AnySelect, insert_new, now
from app.errors import Unavailable
from app.integrations.stripe import Event, Invoice
from app.models import StripeEvent, TopUpStatus
from app.resolvers._asking import Facts, facts_of
from app.resolvers._invoicing import keep_invoices
from app.resolvers._settling import Look, Outcome, Payment, settle
from app.resolvers.top_ups import TopUpRow, top_up

log = structlog.get_logger()

TYPE_LENGTH = 100


@dataclass(frozen=True, slots=True)
class Taken:
    """An event, what it came in, who brought it, and what Stripe says of the thing that it is about."""

    viewer: Viewer
    event: Event
    body: str
    facts: Facts


@in_steps
async def take_event(viewer: Viewer, event: Event, body: str) -> Outcome:
    """Store an event and apply what it is about, as Stripe tells it now, in one transaction; each event once.

    Raises `Unavailable` where Stripe or the database does not answer: nothing was stored.
    """
    if (await clock_and_known(viewer, event.id))[1]:
        return Outcome.SAME
    return (await apply_events(viewer.as_system(), [await taken(viewer, event, body)]))[0]


@in_steps
async def taken(viewer: Viewer, event: Event, body: str) -> Taken:
    """Ask Stripe what an event is about, before anything is written. Raises `Unavailable`."""
    return Taken(viewer.as_system(), event, body, await facts_of(viewer.at_stripe, event))


@in_steps
async def apply_group(viewer: Viewer, group: Sequence[Taken]) -> list[Outcome]:
    """Apply events that came by several requests in one transaction. Raises `Unavailable`, with nothing stored."""
    try:
        async with asyncio.timeout(viewer.settings.database_timeout_seconds):
            return await apply_events(viewer.as_system(), group)
    except TimeoutError as error:
        raise Unavailable from error


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
async def apply_events(actor: Actor, group: Sequence[Taken]) -> list[Outcome]:
    """Store the events that are new, and book what came of them: all or none."""
    rows = {
        one.event.id: StripeEvent(
            id=one.event.id,
            type=one.event.type[:TYPE_LENGTH],
            body=one.body,
            received_at=actor.now,
        )
        for one in group
    }
    # In the order of their ids, so that two processes that were told the same do not wait for each other.
    inserted = await insert_new(actor.session, [rows[one] for one in sorted(rows)], ("id",))
    new = {row.id for row in inserted}
    first = {one.event.id: place for place, one in reversed(list(enumerate(group)))}
    places = [place for event_id, place in first.items() if event_id in new]
    facts = [(replace(actor, viewer=group[one].viewer), group[one].facts) for one in sorted(places)]
    applied = dict(zip(sorted(places), await _apply(facts), strict=True))
    return [applied.get(place, Outcome.SAME) for place in range(len(group))]


@system
async def apply_facts(actor: Actor, facts: Payment | Invoice) -> Outcome:
    """Book what Stripe was asked for without an event: by a landing page, or the reconciliation."""
    return (await _apply([(actor, facts)]))[0]


async def _apply(told: Sequence[tuple[Actor, Facts]]) -> list[Outcome]:
    looks = {
        place: Look(actor, facts)
        for place, (actor, facts) in enumerate(told)
        if isinstance(facts, Payment)
    }
    settled = await settle(list(looks.values())) if looks else []
    outcomes = dict(zip(looks, settled, strict=True))
    invoices = {
        place: facts for place, (_actor, facts) in enumerate(told) if isinstance(facts, Invoice)
    }
    kept = await keep_invoices(told[0][0], list(invoices.values())) if invoices else []
    for place, new in zip(invoices, kept, strict=True):
        outcomes[place] = Outcome.MOVED if new else Outcome.SAME
    return [outcomes.get(place, Outcome.FOREIGN) for place in range(len(told))]


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
