"""The ledger as a customer reads it: one entry a movement, one for each day's run of usage."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import and_, false, func, select
from sqlmodel import col

from app.access import Seat, Viewer, reads
from app.database import AnySelect, today
from app.errors import BadRequest
from app.models import Account, LedgerEntry, LedgerKind, Wallet
from app.pages import Cursors, Page, check_first, page_of
from app.permissions import Permission
from app.resolvers._exports import Export, Opened, shown_in_parts
from app.resolvers._lists import rows_of_each


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One entry; `amount_micro` is what it adds to the balance, which then is `balance_after_micro`.

    `number` counts up by one within the account. `growing` is the one entry that may still change:
    today's run of usage, as long as nothing else is booked.
    """

    id: UUID
    account_id: UUID
    number: int
    kind: LedgerKind
    amount_micro: int
    balance_after_micro: int
    description: str
    source: str | None
    actor_id: UUID | None
    created_at: datetime
    changed_at: datetime
    growing: bool


@dataclass(frozen=True, slots=True)
class LedgerQuery:
    """Which entries: `start` inclusive, `end` exclusive, by their first booking.

    `after` is the number of the last row that is known; `settled` leaves out the entry that may
    still grow, so that an endless feed never gives an entry twice.
    `kinds` empty: all of them.
    """

    start: datetime | None = None
    end: datetime | None = None
    descending: bool = False
    after: int | None = None
    settled: bool = False
    kinds: tuple[LedgerKind, ...] = ()


_GROWING = and_(
    col(LedgerEntry.number) == col(Wallet.entry_number),
    func.coalesce(col(Wallet.entry_day) == today(), false()),
)
COLUMNS = (
    *(col(getattr(LedgerEntry, name)) for name in LedgerRow.__slots__ if name != "growing"),
    _GROWING.label("growing"),
)


def _entries() -> AnySelect:
    return select(*COLUMNS).join_from(
        LedgerEntry, Wallet, col(Wallet.account_id) == col(LedgerEntry.account_id)
    )


def _row(row: Any) -> LedgerRow:
    return LedgerRow(**{**row._mapping, "growing": bool(row.growing)})  # noqa: SLF001 - a Row's public accessor


def _matching(account_id: UUID, query: LedgerQuery, limit: int | None = None) -> AnySelect:
    number = col(LedgerEntry.number)
    statement = _entries().where(col(LedgerEntry.account_id) == account_id)
    if query.start is not None:
        statement = statement.where(col(LedgerEntry.created_at) >= query.start)
    if query.end is not None:
        statement = statement.where(col(LedgerEntry.created_at) < query.end)
    if query.settled:
        statement = statement.where(~_GROWING)
    if query.kinds:
        statement = statement.where(col(LedgerEntry.kind).in_(query.kinds))
    if query.after is not None:
        statement = statement.where(
            number < query.after if query.descending else number > query.after
        )
    return statement.order_by(number.desc() if query.descending else number).limit(limit)


@reads(Permission.VIEW_BILLING, on=Account)
async def list_ledger(
    viewer: Viewer,
    seats: Mapping[UUID, Seat],
    first: int = 50,
    after: str | None = None,
    kinds: tuple[LedgerKind, ...] = (),
) -> dict[UUID, Page[LedgerRow]]:
    """List entries, of some kinds or all, newest first. Raises `Invalid`, `BadRequest`."""
    check_first(first, viewer.settings)
    cursors = {one: Cursors(viewer.settings, _binding(one, kinds)) for one in seats}
    last = {one: _number_key(cursors[one].read(after)) for one in seats}

    def select_for(account_id: UUID) -> AnySelect:
        key = last[account_id]
        query = LedgerQuery(descending=True, after=key[0] if key else None, kinds=kinds)
        return _matching(account_id, query, first + 1)

    found = await rows_of_each(viewer, seats, select_for)
    return {
        one: page_of(
            [_row(row) for row in rows], first, last[one], cursors[one], lambda row: [row.number]
        )
        for one, rows in found.items()
    }


def _binding(account_id: UUID, kinds: tuple[LedgerKind, ...]) -> tuple[str, ...]:
    """Bind a cursor to its list."""
    return ("ledger", account_id.hex, *(one.value for one in kinds))


def _number_key(key: list[Any] | None) -> list[int] | None:
    if key is not None and not (len(key) == 1 and type(key[0]) is int):
        raise BadRequest("This cursor is not one of ours.")
    return key


@reads(Permission.VIEW_BILLING, on=Account)
async def count_ledger(viewer: Viewer, seats: Mapping[UUID, Seat]) -> dict[UUID, int]:
    """Count the entries: their numbers count up by one."""
    statement = select(col(Wallet.account_id), col(Wallet.entry_number)).where(
        col(Wallet.account_id).in_(seats)
    )
    return {row.account_id: row.entry_number for row in await viewer.database.rows(statement)}


@reads(Permission.VIEW_BILLING, on=LedgerEntry)
async def ledger_entry(viewer: Viewer, seats: Mapping[UUID, Seat]) -> dict[UUID, LedgerRow]:
    """Show one entry."""
    rows = await viewer.database.rows(_entries().where(col(LedgerEntry.id).in_(seats)))
    return {row.id: _row(row) for row in rows}


@reads(Permission.VIEW_BILLING, on=Account)
async def ledger_rows(
    viewer: Viewer, seats: Mapping[UUID, Seat], query: LedgerQuery, limit: int
) -> dict[UUID, list[LedgerRow]]:
    """List at most `limit` entries after a number, in either order: a page of the finance window."""
    found = await rows_of_each(viewer, seats, lambda one: _matching(one, query, limit))
    return {one: [_row(row) for row in rows] for one, rows in found.items()}


@reads(Permission.VIEW_BILLING, on=Account)
async def export_ledger(
    viewer: Viewer, seats: Mapping[UUID, Seat], query: LedgerQuery
) -> dict[UUID, Export[int, list[LedgerRow]]]:
    """Give every entry that matches, from one snapshot; its head is the number of the last that may not grow."""
    return {one: partial(_open, viewer, one, query) for one in seats}


@asynccontextmanager
async def _open(
    viewer: Viewer, account_id: UUID, query: LedgerQuery
) -> AsyncIterator[Opened[int, list[LedgerRow]]]:
    last = (
        select(func.coalesce(func.max(col(LedgerEntry.number)), 0))
        .join_from(LedgerEntry, Wallet, col(Wallet.account_id) == col(LedgerEntry.account_id))
        .where(col(LedgerEntry.account_id) == account_id, ~_GROWING)
    )
    async with viewer.database.snapshot() as connection:
        settled: int = (await connection.execute(last)).scalar_one()
        yield Opened(settled, shown_in_parts(connection, _matching(account_id, query), _row))
