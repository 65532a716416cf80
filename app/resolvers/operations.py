"""What the operator does by command: credits given and set right, usage corrected, spending stopped."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlmodel import col

from app.access import Actor, system
from app.database import locked, now
from app.errors import Dissolved, Invalid, NotFound
from app.ledger.posting import movement, plan, write
from app.ledger.wallets import load_wallets, lock_wallet
from app.metering.recording import book
from app.models import Account, LedgerKind
from app.money import credits_text
from app.resolvers._correcting import Figures, correction_of, left_of, record_meant
from app.text import clean_name

__all__ = ["Corrected", "Figures", "adjust", "correct", "freeze", "grant", "unfreeze"]

REASON_FIELD = "reason"


@dataclass(frozen=True, slots=True)
class Corrected:
    """A correction that was booked, which record it corrects, and what is left of that call."""

    usage_record_id: UUID
    corrects: UUID
    left: Figures


@system
async def grant(actor: Actor, slug: str, amount_micro: int, reason: str) -> int:
    """Give an account credits that nobody paid for; tells the balance after it, in micro-credits.

    Raises `NotFound`, `Dissolved`, `Invalid`.
    """
    if amount_micro <= 0:
        raise Invalid(credits="Grant more than nothing; `r9s adjust` takes credits away.")
    return await _move(actor, slug, LedgerKind.GRANT, amount_micro, reason)


@system
async def adjust(actor: Actor, slug: str, amount_micro: int, reason: str) -> int:
    """Add credits to an account, or take them with a negative amount, below zero too; tells the balance after it.

    Raises `NotFound`, `Dissolved`, `Invalid`.
    """
    if amount_micro == 0:
        raise Invalid(credits="Adjust by more or less than nothing.")
    return await _move(actor, slug, LedgerKind.ADJUSTMENT, amount_micro, reason)


async def _move(actor: Actor, slug: str, kind: LedgerKind, amount_micro: int, reason: str) -> int:
    reason = clean_name(reason, REASON_FIELD)
    account = await _locked(actor, slug)
    wallet = (await load_wallets(actor.session, [account.id]))[account.id]
    at = (await actor.session.execute(select(now()))).scalar_one()
    before = wallet.balance_micro
    one = movement(wallet, kind, amount_micro, description=reason)
    if one is None:
        raise RuntimeError("nothing to move")
    await write(actor.session, plan([one], at))
    _record(
        actor,
        account,
        {"credits": credits_text(before)},
        {"credits": credits_text(wallet.balance_micro), REASON_FIELD: reason},
    )
    return wallet.balance_micro


@system
async def correct(
    actor: Actor, event_id: str, change: Figures | None, reason: str, gateway: str | None = None
) -> Corrected:
    """Book a record that corrects a call's: `change` is added to its figures, None takes back all of them.

    `event_id` may also be the record's own id. Nothing of a call goes below zero. Raises `NotFound`;
    `Conflict` for a correction, and for an event id of several gateways without naming one; `Invalid`.
    """
    reason = clean_name(reason, REASON_FIELD)
    if change is not None:
        change.must_change_something()
    record = await record_meant(actor.session, event_id, gateway)
    before = await left_of(actor.session, record)
    if change is None:
        change = before.negative()
        change.must_change_something()
    left = before.plus(change)
    left.must_be_of_a_call()
    # From here on nothing may refuse.
    (record_id,) = await book(actor.session, [correction_of(record, change)])
    actor.record(
        record,
        name=record.event_id,
        account_id=record.account_id,
        before=before.shown(),
        after={**left.shown(), REASON_FIELD: reason},
    )
    return Corrected(record_id, record.id, left)


@system
async def freeze(actor: Actor, slug: str, reason: str) -> bool:
    """Stop all spending of an account; reading goes on. Tells whether it was not frozen before.

    Raises `NotFound`, `Dissolved`, `Invalid`.
    """
    return await _set_frozen(actor, slug, reason, frozen=True)


@system
async def unfreeze(actor: Actor, slug: str, reason: str) -> bool:
    """Let an account spend again. Tells whether it was frozen before. Raises as `freeze`."""
    return await _set_frozen(actor, slug, reason, frozen=False)


async def _set_frozen(actor: Actor, slug: str, reason: str, *, frozen: bool) -> bool:
    reason = clean_name(reason, REASON_FIELD)
    account = await _locked(actor, slug)
    # A call that is being authorized now comes first, or sees that the account is frozen.
    wallet = await lock_wallet(actor.session, account.id)
    if wallet is None:
        raise NotFound
    if (wallet.frozen_at is not None) is frozen:
        return False
    wallet.frozen_at = actor.now if frozen else None
    _record(actor, account, {"frozen": not frozen}, {"frozen": frozen, REASON_FIELD: reason})
    return True


def _record(
    actor: Actor, account: Account, before: dict[str, object], after: dict[str, object]
) -> None:
    actor.record(account, name=account.name, account_id=account.id, before=before, after=after)


async def _locked(actor: Actor, slug: str) -> Account:
    statement = select(Account).where(col(Account.slug) == slug)
    account: Account | None = (await actor.session.execute(locked(statement))).scalar_one_or_none()
    if account is None:
        raise NotFound(f"There is no account {slug}.")
    if account.dissolved_at is not None:
        raise Dissolved
    return account
