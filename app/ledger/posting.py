"""Posting: credits move here and nowhere else. A plan without I/O over locked wallets, then one bulk write.

Every movement debits one ledger account and credits another by the same amount (PRODUCT.md, promise 1).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Table, select
from sqlmodel import col

from app.bulk import Changes, Way, write_all
from app.database import Connection, Session, now
from app.ids import new_id
from app.ledger.wallets import WalletState, load_wallets, put_wallets
from app.models.ledger import LedgerAccount, LedgerEntry, LedgerKind, Transfer

CREDITS = LedgerAccount.CREDITS
DISSOLVED = LedgerAccount.DISSOLVED
USAGE = LedgerKind.USAGE

# What each kind moves: (debit, credit) for a positive amount, the other way for a negative one.
SIDES: dict[LedgerKind, tuple[LedgerAccount, LedgerAccount]] = {
    LedgerKind.TOP_UP: (LedgerAccount.STRIPE, CREDITS),
    LedgerKind.REFUND: (CREDITS, LedgerAccount.REFUNDS),
    LedgerKind.DISPUTE: (CREDITS, LedgerAccount.REFUNDS),
    LedgerKind.GRANT: (LedgerAccount.GRANTS, CREDITS),
    LedgerKind.USAGE: (CREDITS, LedgerAccount.REVENUE),
    LedgerKind.ADJUSTMENT: (LedgerAccount.ADJUSTMENTS, CREDITS),
    LedgerKind.DISSOLUTION: (CREDITS, DISSOLVED),
}
# Which lifetime sum each kind changes, and whether by what the balance gains or by what it loses.
LIFETIME: dict[LedgerKind, tuple[str, int]] = {
    LedgerKind.TOP_UP: ("purchased_micro", 1),
    LedgerKind.REFUND: ("refunded_micro", -1),
    LedgerKind.DISPUTE: ("refunded_micro", -1),
    LedgerKind.GRANT: ("granted_micro", 1),
    LedgerKind.USAGE: ("used_micro", -1),
    LedgerKind.ADJUSTMENT: ("adjusted_micro", 1),
    LedgerKind.DISSOLUTION: ("adjusted_micro", 1),
}

_TRANSFERS: Table = Transfer.__table__  # type: ignore[attr-defined]
_ENTRIES: Table = LedgerEntry.__table__  # type: ignore[attr-defined]
_ADD_TRANSFERS = Way(
    _TRANSFERS,
    (
        "id",
        "account_id",
        "kind",
        "debit",
        "credit",
        "amount_micro",
        "entry_number",
        "source",
        "created_at",
    ),
)
_ADD_ENTRIES = Way(
    _ENTRIES,
    (
        "id",
        "account_id",
        "number",
        "kind",
        "amount_micro",
        "balance_after_micro",
        "description",
        "source",
        "actor_id",
        "created_at",
        "changed_at",
    ),
)
_EXTEND_ENTRIES = Way(
    _ENTRIES,
    ("account_id", "number", "amount_micro", "balance_after_micro", "changed_at"),
    by=("account_id", "number"),
    add=("amount_micro",),
    replace=("balance_after_micro", "changed_at"),
)


class Movement(NamedTuple):
    """Credits to move: `amount_micro` > 0 leaves `debit` and comes to `credit`.

    `source` names the cause, each of which moves credits once, for ever.
    """

    wallet: WalletState
    kind: LedgerKind
    debit: LedgerAccount
    credit: LedgerAccount
    amount_micro: int
    source: str | None = None
    description: str = ""
    actor_id: UUID | None = None


@dataclass(slots=True)
class Postings:
    """What a plan has to write, as rows. `transfer_ids` stand in the order of the movements."""

    transfer_ids: list[UUID] = field(default_factory=list)
    transfers: list[dict[str, Any]] = field(default_factory=list)
    entries: list[dict[str, Any]] = field(default_factory=list)
    extensions: list[dict[str, Any]] = field(default_factory=list)
    wallets: dict[UUID, WalletState] = field(default_factory=dict)
    """Whose states are saved: those that moved; add others that were changed otherwise."""


def movement(
    wallet: WalletState,
    kind: LedgerKind,
    amount_micro: int,
    *,
    source: str | None = None,
    description: str = "",
    actor_id: UUID | None = None,
) -> Movement | None:
    """Make the movement of a kind, by `SIDES`: a negative amount goes the other way, zero moves nothing.

    What would move a dissolved account's credits moves `dissolved` instead (PRODUCT.md, dissolving).
    """
    if amount_micro == 0:
        return None
    debit, credit = SIDES[kind]
    if wallet.dissolved_at is not None:
        debit = DISSOLVED if debit is CREDITS else debit
        credit = DISSOLVED if credit is CREDITS else credit
    if amount_micro < 0:
        debit, credit, amount_micro = credit, debit, -amount_micro
    return Movement(wallet, kind, debit, credit, amount_micro, source, description, actor_id)


def plan(movements: Iterable[Movement], at: datetime) -> Postings:
    """Decide what to write for these movements, in their order; moves the wallets' states. No I/O.

    `at` is the time of booking, asked for once the wallets were locked. A run of usage of one UTC
    day that no other movement interrupts is one ledger entry. Raises `ValueError` for an amount
    that is not positive, and for credits that would go from an account to itself.
    """
    postings = Postings()
    day = at.astimezone(UTC).date()
    # The entry that each wallet's next usage may still extend, where this plan has touched it.
    growing: dict[UUID, dict[str, Any]] = {}
    for one in movements:
        if one.amount_micro <= 0 or one.debit is one.credit:
            raise ValueError("a movement needs a positive amount and two sides")
        number = None
        if CREDITS in {one.debit, one.credit}:
            _enter(postings, growing, one, at, day)
            number = one.wallet.entry_number
        postings.transfer_ids.append(_transfer(postings, one, number, at))
    return postings


def _transfer(postings: Postings, one: Movement, number: int | None, at: datetime) -> UUID:
    transfer_id = new_id()
    postings.transfers.append(
        {
            "id": transfer_id,
            "account_id": one.wallet.account_id,
            "kind": one.kind,
            "debit": one.debit,
            "credit": one.credit,
            "amount_micro": one.amount_micro,
            "entry_number": number,
            "source": one.source,
            "created_at": at,
        }
    )
    return transfer_id


def _enter(
    postings: Postings,
    growing: dict[UUID, dict[str, Any]],
    one: Movement,
    at: datetime,
    day: date,
) -> None:
    """Move one wallet, and show it: as a new entry, or as more of the entry that is growing."""
    wallet = one.wallet
    gained = one.amount_micro if one.credit is CREDITS else -one.amount_micro
    name, sign = LIFETIME[one.kind]
    setattr(wallet, name, getattr(wallet, name) + sign * gained)
    wallet.balance_micro += gained
    postings.wallets[wallet.account_id] = wallet
    if one.kind is not USAGE or wallet.entry_day != day:
        _new_entry(postings, growing, one, gained, at)
        wallet.entry_day = day if one.kind is USAGE else None
        return
    row = growing.get(wallet.account_id)
    if row is None:
        row = {"account_id": wallet.account_id, "number": wallet.entry_number, "amount_micro": 0}
        postings.extensions.append(row)
        growing[wallet.account_id] = row
    row["amount_micro"] += gained
    row["balance_after_micro"] = wallet.balance_micro
    row["changed_at"] = at


def _new_entry(
    postings: Postings,
    growing: dict[UUID, dict[str, Any]],
    one: Movement,
    gained: int,
    at: datetime,
) -> None:
    wallet = one.wallet
    wallet.entry_number += 1
    usage = one.kind is USAGE
    row = {
        "id": new_id(),
        "account_id": wallet.account_id,
        "number": wallet.entry_number,
        "kind": one.kind,
        "amount_micro": gained,
        "balance_after_micro": wallet.balance_micro,
        "description": f"Usage of {at.astimezone(UTC):%Y-%m-%d}" if usage else one.description,
        "source": f"usage:{at.astimezone(UTC):%Y-%m-%d}" if usage else one.source,
        "actor_id": one.actor_id,
        "created_at": at,
        "changed_at": at,
    }
    postings.entries.append(row)
    growing[wallet.account_id] = row


def put_postings(changes: Changes, postings: Postings) -> None:
    """Let a plan be written with these changes: all but the wallets."""
    changes.put(_ADD_TRANSFERS, postings.transfers)
    changes.put(_ADD_ENTRIES, postings.entries)
    changes.put(_EXTEND_ENTRIES, postings.extensions)


async def write(session: Session | Connection, postings: Postings) -> None:
    """Write a plan, however many accounts and movements there are, by a fixed number of statements.

    Raises `UniqueViolation` where a source has moved credits already.
    """
    changes = Changes()
    put_postings(changes, postings)
    put_wallets(changes, postings.wallets.values())
    await write_all(session, changes)


async def post(  # noqa: PLR0913 - a movement is told by names
    session: Session,
    account_id: UUID,
    kind: LedgerKind,
    amount_micro: int,
    *,
    source: str | None = None,
    description: str = "",
    actor_id: UUID | None = None,
) -> UUID | None:
    """Move credits of one account once: locks its wallet, plans and writes; tells the transfer's id.

    None where nothing moves: an amount of zero, or a `source` that has moved credits already.
    """
    wallet = (await load_wallets(session, [account_id]))[account_id]
    if source is not None:
        done = select(col(Transfer.id)).where(col(Transfer.source) == source)
        if (await session.execute(done)).first() is not None:
            return None
    one = movement(
        wallet, kind, amount_micro, source=source, description=description, actor_id=actor_id
    )
    if one is None:
        return None
    at = (await session.execute(select(now()))).scalar_one()
    postings = plan([one], at)
    await write(session, postings)
    return postings.transfer_ids[0]
