"""Settling: one function books what Stripe says of a payment, exactly once, in whatever order it is heard of.

Credits are those of our own row, after everything that Stripe says of the session equals what we asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select
from sqlmodel import col

from app.access import Actor
from app.actors import picture
from app.database import Session, locked, now
from app.ids import read_wire_id, wire_id
from app.integrations.stripe import Checkout, Dispute, Refund
from app.ledger.posting import Movement, plan, write
from app.ledger.wallets import load_wallets
from app.models import (
    BillingCustomer,
    LedgerKind,
    TopUp,
    TopUpStatus,
)
from app.money import money_text
from app.resolvers._booking import Booking, tell_operator
from app.resolvers._reversals import note_reversals

# What may differ of a payment that was booked: it is told, and refunds of it still count.
SEEN_LATER = {"paid", "total"}


@dataclass(frozen=True, slots=True)
class Payment:
    """All that Stripe has just said of one payment. `failed`: a delayed method's payment did not come."""

    checkout: Checkout
    refunds: Sequence[Refund] = ()
    disputes: Sequence[Dispute] = ()
    livemode: bool = False
    failed: bool = False


class Outcome(Enum):
    """What came of looking at a payment."""

    FOREIGN = "foreign"
    """Not one of our top-ups."""
    REFUSED = "refused"
    """Not what we asked for: nothing is booked, and the operator is told."""
    SAME = "same"
    """All of it was known."""
    MOVED = "moved"
    """Credits or a state have changed."""


@dataclass(frozen=True, slots=True)
class Look:
    """A payment that somebody has just looked at: by a webhook, a landing page, the reconciliation."""

    actor: Actor
    payment: Payment


async def settle(looks: Sequence[Look]) -> list[Outcome]:
    """Book what is new of these payments, in their order, under the locks of their accounts' wallets: all or none.

    However many they are, what they need is read, and what they move is written, by the same few statements.
    """
    session = looks[0].actor.session
    named = await _named(session, [look.payment.checkout for look in looks])
    found = [one for one in named if one is not None]
    wallets = await load_wallets(session, {one.account_id for one in found}) if found else {}
    # Read once more under the locks: whoever held them may just have booked the same.
    top_ups = await _locked(session, {one.id for one in found}) if found else {}
    at = (await session.execute(select(now()))).scalar_one()
    outcomes = []
    movements: list[Movement] = []
    for look, one in zip(looks, named, strict=True):
        if one is None:
            outcomes.append(await _foreign(look.actor, look.payment.checkout))
            continue
        booking = Booking(look.actor, top_ups[one.id], wallets[one.account_id], at)
        outcomes.append(await _settle(booking, look.payment))
        movements += booking.movements
    if movements:
        await write(session, plan(movements, at))
    return outcomes


async def _settle(booking: Booking, payment: Payment) -> Outcome:
    actor, top_up = booking.actor, booking.top_up
    wrong = await _differences(actor, top_up, payment)
    if wrong:
        await tell_operator(actor, payment.checkout.id, "mismatch", top_up.account_id, wrong)
        if top_up.status is not TopUpStatus.PAID or not wrong.keys() <= SEEN_LATER:
            return Outcome.REFUSED
    # From here on nothing may refuse.
    _note_state(booking, payment)
    if top_up.status is TopUpStatus.PAID and (payment.refunds or payment.disputes):
        await note_reversals(booking, payment.refunds, payment.disputes)
    if booking.movements and booking.wallet.dissolved_at is not None:
        facts = {"top_up": wire_id("top_up", top_up.id)}
        await tell_operator(
            actor, payment.checkout.id, "after_dissolving", top_up.account_id, facts
        )
    return Outcome.MOVED if booking.changed else Outcome.SAME


async def _foreign(actor: Actor, checkout: Checkout) -> Outcome:
    """Leave alone what is none of ours; tell of it where it says that it is, or was paid by a customer of ours."""
    account_id = None
    # Guests have none, as accounts have that Stripe does not know yet.
    if checkout.customer is not None:
        statement = select(col(BillingCustomer.account_id)).where(
            col(BillingCustomer.customer) == checkout.customer
        )
        account_id = (await actor.session.execute(statement)).scalar_one_or_none()
    if account_id is not None or "top_up_id" in checkout.metadata:
        facts = {"payment_status": checkout.payment_status}
        await tell_operator(actor, checkout.id, "unknown_session", account_id, facts)
    return Outcome.FOREIGN


async def _named(session: Session, checkouts: Sequence[Checkout]) -> list[Any]:
    """Find the top-ups of sessions: by the session, or by what we wrote on it before we knew its id."""
    written = [read_wire_id(one.metadata.get("top_up_id", "")) for one in checkouts]
    ids = [named[1] if named and named[0] == "top_up" else None for named in written]
    statement = select(col(TopUp.id), col(TopUp.account_id), col(TopUp.session)).where(
        or_(
            col(TopUp.session).in_({one.id for one in checkouts}),
            col(TopUp.id).in_({one for one in ids if one is not None}),
        )
    )
    rows = (await session.execute(statement)).all()
    by_session = {row.session: row for row in rows}
    by_id = {row.id: row for row in rows}
    return [
        by_session.get(one.id) or by_id.get(top_up_id)
        for one, top_up_id in zip(checkouts, ids, strict=True)
    ]


async def _locked(session: Session, ids: set[UUID]) -> dict[UUID, TopUp]:
    statement: Any = select(TopUp).where(col(TopUp.id).in_(ids)).order_by(col(TopUp.id))
    rows = await session.execute(locked(statement).execution_options(populate_existing=True))
    return {row.id: row for row in rows.scalars()}


async def _differences(actor: Actor, top_up: TopUp, payment: Payment) -> dict[str, str]:
    """Tell what Stripe's session says otherwise than we asked for."""
    checkout = payment.checkout
    customer = top_up.customer or await _customer_now(actor, top_up)
    wanted: dict[str, tuple[object, object]] = {
        "session": (top_up.session or checkout.id, checkout.id),
        "account_id": (
            wire_id("account", top_up.account_id),
            checkout.metadata.get("account_id"),
        ),
        "top_up_id": (wire_id("top_up", top_up.id), checkout.metadata.get("top_up_id")),
        "customer": (customer or "one of ours", checkout.customer),
        "amount": (top_up.price_minor, checkout.amount_subtotal),
        "currency": (top_up.currency.lower(), checkout.currency.lower()),
        "livemode": (payment.livemode, checkout.livemode),
    }
    if top_up.status is TopUpStatus.PAID:
        wanted["paid"] = (True, _is_paid(checkout))
        wanted["total"] = (top_up.paid_minor, checkout.amount_total)
    return {
        name: f"{theirs} instead of {ours}"
        for name, (ours, theirs) in wanted.items()
        if ours != theirs
    }


async def _customer_now(actor: Actor, top_up: TopUp) -> str | None:
    """Tell an account's customer, for a start that was cut off before it was kept whom it was for."""
    statement = select(col(BillingCustomer.customer)).where(
        col(BillingCustomer.account_id) == top_up.account_id
    )
    found: str | None = (await actor.session.execute(statement)).scalar_one_or_none()
    return found


def _is_paid(checkout: Checkout) -> bool:
    free = checkout.payment_status == "no_payment_required" and checkout.amount_total == 0
    return checkout.status == "complete" and (checkout.payment_status == "paid" or free)


def _note_state(booking: Booking, payment: Payment) -> None:
    """Bring a top-up that is not paid yet to what Stripe says: credits are booked here, and here only."""
    top_up, checkout = booking.top_up, payment.checkout
    if top_up.status is TopUpStatus.PAID:
        return
    before = picture(top_up)
    top_up.session, top_up.customer = checkout.id, checkout.customer
    top_up.payment = checkout.payment_intent
    top_up.url = checkout.url if checkout.status == "open" else None
    if _is_paid(checkout):
        top_up.status = TopUpStatus.PAID
        top_up.paid_at = booking.at
        top_up.paid_minor = checkout.amount_total
        paid = f"{money_text(checkout.amount_total, top_up.currency)} {top_up.currency}"
        source = f"stripe:{checkout.id}"
        booking.move(LedgerKind.TOP_UP, top_up.amount_micro, source, f"Top-up, {paid} paid")
    elif checkout.status == "expired":
        top_up.status = TopUpStatus.EXPIRED
    elif payment.failed:
        top_up.status = TopUpStatus.FAILED
    elif checkout.status == "complete" and top_up.status is TopUpStatus.OPEN:
        top_up.status = TopUpStatus.PROCESSING
    if picture(top_up) != before:
        booking.changed = True
        booking.record(f"top_up_{top_up.status.value.lower()}", before, picture(top_up))
