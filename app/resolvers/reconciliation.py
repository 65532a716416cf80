"""Reconciliation: Stripe's last 30 days against the ledger; what is missing is booked, what differs is told."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import delete, select, update
from sqlmodel import col

from app.access import Actor, Viewer, in_steps, system
from app.database import AnySelect, insert_or_ignore, locked
from app.integrations.stripe import Checkout
from app.models import Chore, PaymentProblem, StripeEvent, TopUp, TopUpStatus
from app.resolvers._asking import payment_in_full
from app.resolvers._booking import tell_operator
from app.resolvers._settling import Outcome, Payment
from app.resolvers.customers import keep_customers_in_step
from app.resolvers.payments import apply_facts, take_event
from app.resolvers.sessions import clock
from app.resolvers.top_ups import end_lost_top_ups

log = structlog.get_logger()
# As long as Stripe keeps its events.
SPAN = timedelta(days=30)
EVENTS_KEPT = timedelta(days=90)
DAILY = timedelta(days=1)
LEASE = timedelta(hours=1)
CHORE = "reconcile"

Told = Callable[[str, int], None]
"""Gets what is looked at, and how many of it were."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What the operator has to look at."""

    stripe_id: str
    code: str
    account_id: UUID | None
    facts: dict[str, Any]
    created_at: datetime


@dataclass(slots=True)
class Reconciled:
    """What was looked at, how much of it was missing here and is booked now, and what the operator has to look at."""

    sessions: int = 0
    events: int = 0
    repaired: int = 0
    problems: list[Problem] = field(default_factory=list)


@in_steps
async def reconcile(viewer: Viewer, told: Told = lambda _what, _number: None) -> Reconciled:
    """Look through Stripe's sessions and events of the last 30 days. Safe to run at any time and often.

    Raises `Unavailable` where Stripe stops answering: what was repaired by then stays repaired.
    """
    us = viewer.as_system()
    since = await clock(viewer) - SPAN
    done = Reconciled()
    paid = await _reconcile_sessions(us, since, done, told)
    await _tell_of_unknown(us, since, paid)
    done.repaired += await _reconcile_reversals(us, since)
    async for event in viewer.at_stripe.events_since(since):
        done.events += 1
        told("events", done.events)
        done.repaired += await take_event(us, event, "") is Outcome.MOVED
    await end_lost_top_ups(us)
    await keep_customers_in_step(us)
    await _forget_old_events(us)
    done.problems = await _problems_since(viewer, since)
    return done


async def _reconcile_sessions(
    us: Viewer, since: datetime, done: Reconciled, told: Told
) -> set[str]:
    """Settle every session that Stripe has; tell those that it says are paid."""
    stripe = us.at_stripe
    paid = set()
    sessions: AsyncIterator[Checkout] = stripe.checkouts_since(since)
    async for checkout in sessions:
        done.sessions += 1
        told("sessions", done.sessions)
        known = await us.database.row(_known(checkout))
        is_paid = checkout.payment_status != "unpaid"
        if is_paid:
            paid.add(checkout.id)
        credited = known is not None and known[0] is TopUpStatus.PAID
        if (
            known is not None
            and tuple(known) == (TopUpStatus.PAID, checkout.amount_total)
            and is_paid
        ):
            continue
        missing = is_paid and not credited
        facts = (
            await payment_in_full(stripe, checkout)
            if missing
            else Payment(checkout, livemode=stripe.livemode)
        )
        done.repaired += await apply_facts(us, facts) is Outcome.MOVED
        if missing and checkout.invoice is not None:
            await apply_facts(us, await stripe.invoice(checkout.invoice))
    return paid


async def _reconcile_reversals(us: Viewer, since: datetime) -> int:
    """Settle every payment that money has gone back of; tell how many had something that was not booked."""
    stripe = us.at_stripe
    payments = {one.payment_intent async for one in stripe.refunds_since(since)}
    payments |= {one.payment_intent async for one in stripe.disputes_since(since)}
    repaired = 0
    for payment in sorted(one for one in payments if one is not None):
        checkout = await stripe.checkout_of_payment(payment)
        if checkout is not None:
            facts = await payment_in_full(stripe, checkout)
            repaired += await apply_facts(us, facts) is Outcome.MOVED
    return repaired


def _known(checkout: Checkout) -> AnySelect:
    return select(col(TopUp.status), col(TopUp.paid_minor)).where(col(TopUp.session) == checkout.id)


@system
async def _tell_of_unknown(actor: Actor, since: datetime, paid: set[str]) -> None:
    """Tell of what was credited here and is not paid there. Sessions of the first day may be older there."""
    statement = select(col(TopUp.session), col(TopUp.account_id)).where(
        col(TopUp.status) == TopUpStatus.PAID,
        col(TopUp.created_at) > since + DAILY,
        col(TopUp.created_at) < actor.now - timedelta(minutes=5),
    )
    for session, account_id in (await actor.session.execute(statement)).all():
        if session not in paid:
            await tell_operator(actor, str(session), "credited_but_not_paid", account_id, {})


@system
async def _forget_old_events(actor: Actor) -> None:
    """Delete what Stripe sent long ago: it repeats nothing so old."""
    await actor.session.execute(
        delete(StripeEvent).where(col(StripeEvent.received_at) < actor.now - EVENTS_KEPT)
    )


async def _problems_since(viewer: Viewer, since: datetime) -> list[Problem]:
    columns = [col(getattr(PaymentProblem, name)) for name in Problem.__slots__]
    statement = (
        select(*columns)
        .where(col(PaymentProblem.created_at) >= since)
        .order_by(col(PaymentProblem.created_at))
    )
    return [Problem(*row) for row in await viewer.database.rows(statement)]


@in_steps
async def reconcile_daily(viewer: Viewer) -> Reconciled | None:
    """Reconcile where a day has passed since any process did; None where it has not."""
    us = viewer.as_system()
    if not await _take_chore(us, CHORE):
        return None
    done = await reconcile(us)
    await _chore_done(us, CHORE)
    log.info(
        "reconciled",
        sessions=done.sessions,
        events=done.events,
        repaired=done.repaired,
        problems=len(done.problems),
    )
    return done


@system
async def _take_chore(actor: Actor, name: str) -> bool:
    """Take on work whose time has come, for an hour: of several processes one does. The first time is tomorrow."""
    first = Chore(name=name, due_at=actor.now + DAILY)
    if await insert_or_ignore(actor.session, first, ("name",)):
        return False
    chore = (
        await actor.session.execute(locked(select(Chore).where(col(Chore.name) == name)))
    ).scalar_one()
    if chore.due_at > actor.now:
        return False
    chore.due_at = actor.now + LEASE
    return True


@system
async def _chore_done(actor: Actor, name: str) -> None:
    """Leave work that was done to the next day."""
    await actor.session.execute(
        update(Chore).where(col(Chore.name) == name).values(due_at=actor.now + DAILY)
    )
