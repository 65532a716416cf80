"""The books of some accounts while their wallets are locked: read once, changed in memory, written back in bulk.

Whoever changes a month counter holds its account's wallet, so counters need no lock of their own.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Table, select

from app.bulk import Changes, Way
from app.database import AnySelect, Connection, Read, Session, now, of_sqlite
from app.dialects import any_of
from app.ledger.wallets import WalletState, load_wallets, put_wallets
from app.models.metering import CounterKind, MonthCounter

_COUNTERS: Table = MonthCounter.__table__  # type: ignore[attr-defined]


class CounterKey(NamedTuple):
    """A member's or key's month."""

    subject_id: UUID
    month: date


@dataclass(slots=True)
class CounterState:
    """A month counter as plain facts."""

    subject_id: UUID
    month: date
    account_id: UUID
    kind: CounterKind
    used_micro: int = 0
    held_micro: int = 0
    last_used_at: datetime | None = None
    changed: bool = False
    """Whether it is to be written."""


_FIELDS = tuple(CounterState.__slots__)[:-1]
Both = tuple[CounterState, CounterState]
"""A month's counters of a member and of a key of theirs."""
_SAVING = Way(
    _COUNTERS,
    _FIELDS,
    unique=("subject_id", "month"),
    replace=("used_micro", "held_micro", "last_used_at"),
)


@dataclass(slots=True)
class Books:
    """Locked wallets, their counters, and the time since when they are locked."""

    at: datetime
    wallets: dict[UUID, WalletState]
    counters: dict[CounterKey, CounterState] = field(default_factory=dict)
    spent: dict[UUID, int] = field(default_factory=dict)
    """What each account's calls cost that are counted here and moved when they are written."""
    changed_wallets: dict[UUID, WalletState] = field(default_factory=dict)
    begun: set[UUID] = field(default_factory=set)
    """Keys whose month of use begins here."""

    def counter(
        self, subject_id: UUID, month: date, account_id: UUID, kind: CounterKind
    ) -> CounterState:
        """Give a counter that has been loaded, or the empty one that it starts as."""
        key = CounterKey(subject_id, month)
        found = self.counters.get(key)
        if found is None:
            found = CounterState(subject_id, month, account_id, kind)
            self.counters[key] = found
        return found

    def learn(self, counter: CounterState) -> None:
        """Take in a counter that was read. Nothing may have been decided by it before."""
        self.counters[CounterKey(counter.subject_id, counter.month)] = counter

    def both(self, account_id: UUID, member_id: UUID, api_key_id: UUID, month: date) -> Both:
        """Give the counters of a member and a key of theirs."""
        return (
            self.counter(member_id, month, account_id, CounterKind.MEMBER),
            self.counter(api_key_id, month, account_id, CounterKind.API_KEY),
        )

    def hold(self, counters: Both, amount_micro: int) -> None:
        """Hold more, or with a negative amount less, in a month and in its account's wallet."""
        for counter in counters:
            counter.held_micro += amount_micro
            counter.changed = True
        wallet = self.wallets[counters[0].account_id]
        wallet.held_micro += amount_micro
        self.changed_wallets[wallet.account_id] = wallet

    def available_micro(self, account_id: UUID) -> int:
        """Tell what an account may still spend: its balance, less what is held and what is spent already."""
        wallet = self.wallets[account_id]
        return wallet.balance_micro - wallet.held_micro - self.spent.get(account_id, 0)

    def used_micro(self, account_id: UUID) -> int:
        """Tell what an account has used in all."""
        return self.wallets[account_id].used_micro + self.spent.get(account_id, 0)

    def use(self, counters: Both, cost_micro: int, used_at: datetime | None) -> None:
        """Count what was used, at once, for the decisions that follow; `used_at` is when, None for a correction."""
        account_id = counters[0].account_id
        self.spent[account_id] = self.spent.get(account_id, 0) + cost_micro
        for counter in counters:
            counter.used_micro += cost_micro
            if used_at is not None:
                if counter.last_used_at is None and counter.kind is CounterKind.API_KEY:
                    self.begun.add(counter.subject_id)
                counter.last_used_at = max(used_at, counter.last_used_at or used_at)
            counter.changed = True


async def open_books(connection: Session | Connection, account_ids: Collection[UUID]) -> Books:
    """Lock these accounts' wallets, and read the time after that."""
    wallets = await load_wallets(connection, account_ids)
    at = (await connection.execute(_NOW)).scalar_one()
    return Books(at, wallets)


async def load_counters(
    connection: Session | Connection, books: Books, keys: Collection[CounterKey]
) -> None:
    """Read these months into the books."""
    if not keys:
        return
    statement, values = counters_read(keys, sqlite=of_sqlite(connection))
    for row in (await connection.execute(statement, values)).all():
        books.learn(CounterState(*row))


def counters_read(keys: Collection[CounterKey], *, sqlite: bool) -> Read:
    """Make the statement that reads these months' counters."""
    values = {
        "subjects": list({key.subject_id for key in keys}),
        "months": list({key.month for key in keys}),
    }
    return _counters(sqlite=sqlite), values


def put_books(changes: Changes, books: Books) -> None:
    """Let counters and wallets that were changed be written with these changes."""
    rows = [
        {name: getattr(counter, name) for name in _FIELDS}
        for counter in books.counters.values()
        if counter.changed
    ]
    changes.put(_SAVING, rows)
    put_wallets(changes, books.changed_wallets.values())


_NOW: AnySelect = select(now())


@lru_cache
def _counters(*, sqlite: bool) -> Any:
    return select(*(_COUNTERS.c[name] for name in _FIELDS)).where(
        any_of(_COUNTERS.c.subject_id, "subjects", sqlite=sqlite),
        any_of(_COUNTERS.c.month, "months", sqlite=sqlite),
    )
