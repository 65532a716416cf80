"""What a group of calls reads under the locks of its wallets: a fixed number of statements for all of them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Table, and_, or_, select, true
from sqlalchemy.orm import aliased
from sqlmodel import col

from app.bulk import Changes, Way, locks, read_all
from app.database import Connection, Read, now, of_sqlite, once, this_month
from app.dialects import any_of
from app.ledger.wallets import WalletState, load_wallets, versions_of_wallets, wallets_of
from app.metering.books import Books, Both, CounterKey, CounterState, counters_read, load_counters
from app.metering.recording import Usage
from app.metering.routes import KeyRoute
from app.models.keys import ApiKey, KeySecret
from app.models.members import Member
from app.models.metering import OPEN, GatewayToken, Hold, HoldStatus, MonthCounter
from app.models.usage import UsageEvent
from app.months import month_of

_HOLDS: Table = Hold.__table__  # type: ignore[attr-defined]
_EVENTS: Table = UsageEvent.__table__  # type: ignore[attr-defined]


@dataclass(slots=True)
class HoldState:
    """A hold as plain facts, changed under its wallet's lock."""

    id: UUID
    account_id: UUID
    member_id: UUID
    api_key_id: UUID
    gateway_id: UUID
    request_id: str
    request_hash: bytes
    asked_micro: int
    amount_micro: int
    tag: str | None
    month: date
    status: HoldStatus
    authorized_at: datetime
    expires_at: datetime
    ended_at: datetime | None = None

    def counters(self, books: Books) -> Both:
        """Give its month's counters."""
        return books.both(self.account_id, self.member_id, self.api_key_id, self.month)


HOLD_FIELDS = tuple(HoldState.__slots__)


class KeyState(NamedTuple):
    """What a secret, its key and its member allow now."""

    secret_ends_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None
    monthly_limit: int
    tag: str | None
    member_ended_at: datetime | None
    quota: int


class EventState(NamedTuple):
    """What an event id stands for."""

    gateway_id: UUID
    event_id: str
    usage_record_id: UUID
    content_hash: bytes
    cost_micro: int
    late: bool


@dataclass(slots=True)
class Loaded:
    """All that a group's decisions read, and, as they are taken, what they change."""

    books: Books
    tokens: set[bytes] = field(default_factory=set)
    keys: dict[bytes, KeyState] = field(default_factory=dict)
    tags: dict[UUID, str | None] = field(default_factory=dict)
    """Tags of keys that events name."""
    holds: dict[UUID, HoldState] = field(default_factory=dict)
    requests: dict[tuple[UUID, str], HoldState] = field(default_factory=dict)
    events: dict[tuple[UUID, str], EventState] = field(default_factory=dict)

    def remember_event(self, record_id: UUID, usage: Usage) -> None:
        """Let what follows in the group see that this event id is taken."""
        if usage.gateway_id is not None:
            self.events[(usage.gateway_id, usage.event_id)] = EventState(
                usage.gateway_id,
                usage.event_id,
                record_id,
                usage.content_hash,
                usage.cost_micro,
                usage.late,
            )

    def expired(self, account_ids: Collection[UUID]) -> list[HoldState]:
        """List the open holds of these accounts that have expired."""
        at = self.books.at
        return [
            hold
            for hold in self.holds.values()
            if hold.status is HoldStatus.OPEN
            and hold.expires_at <= at
            and hold.account_id in account_ids
        ]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a group is about."""

    tokens: Collection[bytes] = ()
    spending: Mapping[bytes, KeyRoute] = field(default_factory=dict)
    """Keys that ask for credits, by their secrets' hashes."""
    reported: Collection[KeyRoute] = ()
    """Keys of calls that are reported, in these `months`."""
    months: Collection[date] = ()
    holds: Collection[UUID] = ()
    requests: Collection[tuple[UUID, str]] = ()
    events: Collection[tuple[UUID, str]] = ()
    expiring: Collection[UUID] = ()
    """Accounts whose expired holds are ended first, so that what they held may be granted."""


async def load(connection: Connection, accounts: Collection[UUID], wanted: Wanted) -> Loaded:
    """Read the wallets of these accounts and what is wanted: once they are locked, or all of one moment."""
    reads = _reads(wanted, sqlite=of_sqlite(connection))
    wallets = {}
    if locks(connection):
        wallets = await load_wallets(connection, accounts) if accounts else {}
    else:
        reads["wallets"] = versions_of_wallets(accounts)
    rows = dict(zip(reads, await read_all(connection, list(reads.values())), strict=True))
    found = await _started(
        connection, wallets or wallets_of(rows.get("wallets", ())), wanted, rows["start"]
    )
    _learn_holds(found, rows.get("holds", ()))
    for row in rows.get("events", ()):
        event = EventState(*row)
        found.events[(event.gateway_id, event.event_id)] = event
    found.tags = {row[0]: row[1] for row in rows.get("tags", ())}
    for row in rows.get("counters", ()):
        found.books.learn(CounterState(*row))
    return found


def _reads(wanted: Wanted, *, sqlite: bool) -> dict[str, Read]:
    """Say what to read, by name."""
    start: dict[str, Any] = {"tokens": list(wanted.tokens)}
    if wanted.spending:
        start["secrets"] = list(wanted.spending)
    reads: dict[str, Read] = {
        "start": (_start(with_keys=bool(wanted.spending), sqlite=sqlite), start)
    }
    holds: dict[str, Any] = {}
    if wanted.holds:
        holds["holds"] = list(wanted.holds)
    if wanted.requests:
        holds["gateways"] = list({gateway for gateway, _id in wanted.requests})
        holds["requests"] = [request for _gateway, request in wanted.requests]
    if wanted.expiring:
        holds["accounts"] = list(wanted.expiring)
    if holds:
        reads["holds"] = (_holds(tuple(holds), sqlite=sqlite), holds)
    if wanted.events:
        events = {
            "gateways": list({gateway for gateway, _id in wanted.events}),
            "events": list({event for _gateway, event in wanted.events}),
        }
        reads["events"] = (_events(sqlite=sqlite), events)
    if wanted.reported:
        keys = list({route.api_key_id for route in wanted.reported})
        reads["tags"] = (_tags(sqlite=sqlite), {"keys": keys})
        months = _counter_keys(wanted.reported, wanted.months)
        reads["counters"] = counters_read(months, sqlite=sqlite)
    return reads


async def _started(
    connection: Connection, wallets: dict[UUID, WalletState], wanted: Wanted, rows: Sequence[Any]
) -> Loaded:
    """Take in the time, whose tokens work, and keys with their month's counters."""
    found = Loaded(Books(rows[0][0], wallets))
    month = month_of(found.books.at)
    for row in rows:
        found.tokens.add(row[2])
        if not wanted.spending or row[3] is None:
            continue
        found.keys[row[3]] = KeyState(*row[4:11])
        route = wanted.spending[row[3]]
        both = found.books.both(route.account_id, route.member_id, route.api_key_id, month)
        _learn(both, row[11:17])
    if wanted.spending and any(row[1] != month for row in rows):
        # The month turned within the statement: its counters are of the other one.
        found.books.counters.clear()
        keys = _counter_keys(wanted.spending.values(), {month})
        await load_counters(connection, found.books, keys)
    return found


def _counter_keys(routes: Iterable[KeyRoute], months: Iterable[date]) -> set[CounterKey]:
    return {
        CounterKey(subject, month)
        for route in routes
        for subject in (route.member_id, route.api_key_id)
        for month in months
    }


def _learn_holds(found: Loaded, rows: Iterable[Any]) -> None:
    """Take in holds, with their month's counters."""
    for row in rows:
        hold = HoldState(*row[: len(HOLD_FIELDS)])
        found.holds[hold.id] = hold
        if hold.account_id in found.books.wallets:
            _learn(hold.counters(found.books), row[len(HOLD_FIELDS) :])
        found.requests[(hold.gateway_id, hold.request_id)] = hold


def _learn(both: Both, facts: Sequence[Any]) -> None:
    """Take in what a member's and a key's counter say, where they are there."""
    for counter, its in zip(both, (facts[:3], facts[3:]), strict=True):
        if its[0] is not None:
            counter.used_micro, counter.held_micro, counter.last_used_at = its


def put_holds(changes: Changes, new: Sequence[HoldState], ended: Iterable[HoldState]) -> None:
    """Let holds that were made, and those that ended, be written with these changes."""
    changes.put(_ADD_HOLDS, [{name: getattr(one, name) for name in HOLD_FIELDS} for one in new])
    changes.put(
        _END_HOLDS,
        [{"id": one.id, "status": one.status, "ended_at": one.ended_at} for one in ended],
    )


_ADD_HOLDS = Way(_HOLDS, HOLD_FIELDS)
_END_HOLDS = Way(_HOLDS, ("id", "status", "ended_at"), by=("id",), replace=("status", "ended_at"))


def _counter_columns(counter: Any) -> tuple[Any, ...]:
    return (counter.used_micro, counter.held_micro, counter.last_used_at)


@lru_cache
def _start(*, with_keys: bool, sqlite: bool) -> Any:
    clock = select(now().label("at"), this_month().label("month")).subquery("clock")
    working = and_(
        any_of(col(GatewayToken.secret_hash), "tokens", sqlite=sqlite),
        col(GatewayToken.revoked_at).is_(None),
    )
    token = col(GatewayToken.secret_hash)
    if not with_keys:
        return (
            select(clock.c.at, clock.c.month, token)
            .select_from(clock)
            .outerjoin(GatewayToken, working)
        )
    of_member, of_key = aliased(MonthCounter), aliased(MonthCounter)
    keys = (
        select(*_KEY_COLUMNS, col(Member.id).label("member_id"), col(ApiKey.id).label("key_id"))
        .join_from(KeySecret, ApiKey, col(ApiKey.id) == col(KeySecret.api_key_id))
        .join(Member, col(Member.id) == col(ApiKey.member_id))
        .where(any_of(col(KeySecret.secret_hash), "secrets", sqlite=sqlite))
        .subquery("keys")
    )
    shown = [column for column in keys.c if column.name not in ("member_id", "key_id")]
    return (
        select(
            clock.c.at,
            clock.c.month,
            token,
            *shown,
            *_counter_columns(of_member),
            *_counter_columns(of_key),
        )
        .select_from(clock)
        .outerjoin(GatewayToken, working)
        .outerjoin(keys, true())
        .outerjoin(
            of_member,
            and_(
                col(of_member.subject_id) == keys.c.member_id,
                col(of_member.month) == clock.c.month,
            ),
        )
        .outerjoin(
            of_key,
            and_(col(of_key.subject_id) == keys.c.key_id, col(of_key.month) == clock.c.month),
        )
    )


_KEY_COLUMNS: tuple[Any, ...] = (
    col(KeySecret.secret_hash),
    col(KeySecret.ends_at),
    col(ApiKey.expires_at),
    col(ApiKey.revoked_at),
    col(ApiKey.monthly_limit),
    col(ApiKey.tag),
    col(Member.ended_at),
    col(Member.quota),
)


@lru_cache
def _tags(*, sqlite: bool) -> Any:
    return select(col(ApiKey.id), col(ApiKey.tag)).where(
        any_of(col(ApiKey.id), "keys", sqlite=sqlite)
    )


@lru_cache
def _holds(parts: tuple[str, ...], *, sqlite: bool) -> Any:
    table = _HOLDS.c
    conditions = []
    if "holds" in parts:
        conditions.append(any_of(table.id, "holds", sqlite=sqlite))
    if "requests" in parts:
        conditions.append(
            and_(
                any_of(table.gateway_id, "gateways", sqlite=sqlite),
                any_of(table.request_id, "requests", sqlite=sqlite),
            )
        )
    if "accounts" in parts:
        conditions.append(
            and_(
                any_of(table.account_id, "accounts", sqlite=sqlite),
                OPEN,  # as text: a parameter would keep planners from the partial index
                table.expires_at <= once(now()),
            )
        )
    of_member, of_key = aliased(MonthCounter), aliased(MonthCounter)
    return (
        select(
            *(table[name] for name in HOLD_FIELDS),
            *_counter_columns(of_member),
            *_counter_columns(of_key),
        )
        .select_from(_HOLDS)
        .outerjoin(
            of_member,
            and_(col(of_member.subject_id) == table.member_id, col(of_member.month) == table.month),
        )
        .outerjoin(
            of_key,
            and_(col(of_key.subject_id) == table.api_key_id, col(of_key.month) == table.month),
        )
        .where(or_(*conditions))
    )


@lru_cache
def _events(*, sqlite: bool) -> Any:
    return select(*(_EVENTS.c[name] for name in EventState._fields)).where(
        any_of(_EVENTS.c.gateway_id, "gateways", sqlite=sqlite),
        any_of(_EVENTS.c.event_id, "events", sqlite=sqlite),
    )
