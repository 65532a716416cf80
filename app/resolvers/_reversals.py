"""Reversals: money that goes back takes its credits with it, and brings them again when it comes again.

Refunds take credits in proportion to what was paid in the end, all of them exactly when all was paid back;
a dispute takes its part at once and gives it back when it is won.
"""

from collections.abc import Iterable, Sequence

from sqlalchemy import select
from sqlmodel import col

from app.integrations.stripe import Dispute, Refund
from app.models import LedgerKind, Reversal, ReversalKind, TopUp
from app.money import money_text, short_credits
from app.resolvers._booking import Booking, tell_operator

# Money that has left us, or is on its way; and money that has come again.
REFUNDED = {"pending", "requires_action", "succeeded"}
NOT_REFUNDED = {"failed", "canceled"}
DISPUTED = {
    *("needs_response", "under_review", "lost"),
    *("appeal_needs_response", "appeal_under_review"),
}
# An inquiry moves no money yet.
NOT_DISPUTED = {
    *("won", "prevented"),
    *("warning_needs_response", "warning_under_review", "warning_closed"),
}


async def note_reversals(
    booking: Booking, refunds: Sequence[Refund], disputes: Sequence[Dispute]
) -> None:
    """Take credits for money that went back, and give them back where the money came again."""
    statement = select(Reversal).where(col(Reversal.top_up_id) == booking.top_up.id)
    rows = (await booking.actor.session.execute(statement)).scalars().all()
    known: dict[str, Reversal] = {row.id: row for row in rows}
    for refund in sorted(refunds, key=lambda one: (one.created, one.id)):
        gone = _gone(refund.status, REFUNDED, NOT_REFUNDED)
        await _note_reversal(booking, known, ReversalKind.REFUND, refund, gone=gone)
    for dispute in sorted(disputes, key=lambda one: (one.created, one.id)):
        gone = _gone(dispute.status, DISPUTED, NOT_DISPUTED)
        await _note_reversal(booking, known, ReversalKind.DISPUTE, dispute, gone=gone)


# From here the money goes nowhere any more. An inquiry that is open may still become a dispute.
ENDED = {*NOT_REFUNDED, "won", "prevented", "warning_closed"}


def _gone(status: str, gone: set[str], here: set[str]) -> bool | None:
    """Tell whether the money is gone; None for a state of Stripe's that we do not know."""
    return True if status in gone else False if status in here else None


async def _note_reversal(
    booking: Booking,
    known: dict[str, Reversal],
    kind: ReversalKind,
    told: Refund | Dispute,
    *,
    gone: bool | None,
) -> None:
    row = known.get(told.id)
    account_id = booking.top_up.account_id
    if gone is None or (gone and row is not None and row.returned_at is not None):
        facts = {"status": told.status}
        await tell_operator(booking.actor, told.id, "unforeseen_state", account_id, facts)
    elif not gone and row is None and told.status in ENDED:
        # Kept without credits, so that an answer from before that comes later takes none.
        known[told.id] = _ended_before(booking, kind, told)
    elif gone and row is None:
        known[told.id] = await _take(booking, known.values(), kind, told)
    elif not gone and row is not None and row.returned_at is None:
        row.returned_at = booking.at
        ending, word = ("won", "won") if kind is ReversalKind.DISPUTE else ("failed", "failed")
        source = f"stripe:{told.id}:{ending}"
        booking.move(LedgerKind[kind.value], -row.amount_micro, source, f"{_word(kind)} {word}")
        facts = {"credits": short_credits(row.amount_micro), kind.value.lower(): told.id}
        booking.record(f"{kind.value.lower()}_{ending}", {}, facts)


def _ended_before(booking: Booking, kind: ReversalKind, told: Refund | Dispute) -> Reversal:
    row = Reversal(
        id=told.id,
        kind=kind,
        top_up_id=booking.top_up.id,
        account_id=booking.top_up.account_id,
        amount_minor=0,
        amount_micro=0,
        created_at=booking.at,
        returned_at=booking.at,
    )
    booking.actor.session.add(row)
    return row


async def _take(
    booking: Booking, known: Iterable[Reversal], kind: ReversalKind, told: Refund | Dispute
) -> Reversal:
    top_up = booking.top_up
    amount_minor = told.amount
    if told.currency.lower() != top_up.currency.lower():
        # The bank took it in a currency of its own: all of it is gone, as far as we can tell.
        amount_minor = top_up.paid_minor or 0
        facts = {"currency": told.currency, "amount": str(told.amount)}
        await tell_operator(booking.actor, told.id, "other_currency", top_up.account_id, facts)
    row = Reversal(
        id=told.id,
        kind=kind,
        top_up_id=top_up.id,
        account_id=top_up.account_id,
        amount_minor=amount_minor,
        amount_micro=_credits_of(top_up, kind, amount_minor, known),
        created_at=booking.at,
    )
    booking.actor.session.add(row)
    amount = f"{money_text(told.amount, told.currency)} {told.currency.upper()}"
    source = f"stripe:{told.id}"
    booking.move(LedgerKind[kind.value], row.amount_micro, source, f"{_word(kind)} of {amount}")
    facts = {"credits": f"-{short_credits(row.amount_micro)}", kind.value.lower(): told.id}
    booking.record(f"{kind.value.lower()}_top_up", {}, facts)
    return row


def _credits_of(
    top_up: TopUp, kind: ReversalKind, amount_minor: int, known: Iterable[Reversal]
) -> int:
    """Tell the credits that go with money going back: a whole payment's refunds take exactly all of them."""
    paid = top_up.paid_minor or 0
    if paid == 0:
        return 0
    if kind is ReversalKind.DISPUTE:
        return top_up.amount_micro * min(amount_minor, paid) // paid
    open_ = [one for one in known if one.kind is kind and one.returned_at is None]
    refunded = min(paid, amount_minor + sum(one.amount_minor for one in open_))
    taken = sum(one.amount_micro for one in open_)
    return max(0, top_up.amount_micro * refunded // paid - taken)


def _word(kind: ReversalKind) -> str:
    return kind.value.capitalize()
