"""Settling: one function books what Stripe says of a payment, exactly once, in whatever order it is heard of.

Credits are those of our own row, after everything that Stripe says of the session equals what we asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from sqlalchemy import select
from sqlmodel import col

from app.access import Actor
from app.actors import picture
from app.database import locked, now
from app.ids import read_wire_id, wire_id
from app.integrations.stripe import Checkout, Dispute, Refund
from app.ledger.posting import plan, write
from app.ledger.wallets import load_wallets
from app.models import (
    BillingCustomer,
    LedgerKind,
    TopUp,
    TopUpStatus,
)
from app.money import money_text
from app.resolvers._booking import Booking, account_of, tell_operator
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


async def settle(actor: Actor, payment: Payment) -> Outcome:
    """Book what is new of a payment, under the lock of its account's wallet."""
    named = await _find(actor, payment.checkout)
    if named is None:
        return await _foreign(actor, payment.checkout)
    wallet = (await load_wallets(actor.session, [named.account_id]))[named.account_id]
    # Read once more under the lock: whoever held it may just have booked the same.
    top_up: TopUp = (
        await actor.session.execute(
            locked(select(TopUp).where(col(TopUp.id) == named.id)).execution_options(
                populate_existing=True
            )
        )
    ).scalar_one()
    wrong = await _differences(actor, top_up, payment)
    if wrong:
        await tell_operator(actor, payment.checkout.id, "mismatch", top_up.account_id, wrong)
        if top_up.status is not TopUpStatus.PAID or not wrong.keys() <= SEEN_LATER:
            return Outcome.REFUSED
    at = (await actor.session.execute(select(now()))).scalar_one()
    # From here on nothing may refuse.
    booking = Booking(actor, top_up, wallet, at)
    _note_state(booking, payment)
    if top_up.status is TopUpStatus.PAID:
        await note_reversals(booking, payment.refunds, payment.disputes)
    if booking.movements:
        await actor.session.flush()
        await write(actor.session, plan(booking.movements, at))
        if wallet.dissolved_at is not None:
            facts = {"top_up": wire_id("top_up", top_up.id)}
            await tell_operator(
                actor, payment.checkout.id, "after_dissolving", top_up.account_id, facts
            )
    return Outcome.MOVED if booking.changed else Outcome.SAME


async def _foreign(actor: Actor, checkout: Checkout) -> Outcome:
    """Leave alone what is none of ours; tell of it where it says that it is, or was paid by a customer of ours."""
    account_id = await account_of(actor, checkout.customer) if checkout.customer else None
    if account_id is not None or "top_up_id" in checkout.metadata:
        facts = {"payment_status": checkout.payment_status}
        await tell_operator(actor, checkout.id, "unknown_session", account_id, facts)
    return Outcome.FOREIGN


async def _find(actor: Actor, checkout: Checkout) -> Any:
    """Find the top-up of a session: by the session, or by what we wrote on it before we knew its id."""
    columns = (col(TopUp.id), col(TopUp.account_id))
    by_session = select(*columns).where(col(TopUp.session) == checkout.id)
    found = (await actor.session.execute(by_session)).first()
    named = read_wire_id(checkout.metadata.get("top_up_id", ""))
    if found is not None or named is None or named[0] != "top_up":
        return found
    return (await actor.session.execute(select(*columns).where(col(TopUp.id) == named[1]))).first()


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
