"""What a group of calls reads under the locks of its wallets: a fixed number of statements for all of them."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Table, and_, insert, or_, select, update
from sqlalchemy import bindparam as given
from sqlmodel import col

from app.database import Connection
from app.dialects import any_of, of_sqlite
from app.metering.books import Books, CounterKey, load_counters
from app.metering.recording import Usage
from app.models.keys import ApiKey, KeySecret
from app.models.members import Member
from app.models.metering import OPEN, GatewayToken, Hold, HoldStatus
from app.models.usage import UsageEvent

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

    tokens: Collection[bytes]
    secrets: Collection[bytes]
    key_ids: Collection[UUID]
    holds: Collection[UUID]
    requests: Collection[tuple[UUID, str]]
    events: Collection[tuple[UUID, str]]
    spending_accounts: Collection[UUID]
    """Whose expired holds are ended first, so that what they held may be granted."""


async def load(connection: Connection, books: Books, wanted: Wanted) -> Loaded:
    """Read everything but the counters."""
    found = Loaded(books)
    sqlite = of_sqlite(connection)
    rows = await connection.execute(_tokens(sqlite=sqlite), {"tokens": list(wanted.tokens)})
    found.tokens = set(rows.scalars())
    if wanted.secrets:
        rows = await connection.execute(_keys(sqlite=sqlite), {"secrets": list(wanted.secrets)})
        for row in rows.all():
            found.keys[row[0]] = KeyState(*row[1:])
    if wanted.key_ids:
        rows = await connection.execute(_tags(sqlite=sqlite), {"keys": list(wanted.key_ids)})
        found.tags = {row[0]: row[1] for row in rows.all()}
    await _load_holds(connection, found, wanted, sqlite=sqlite)
    if wanted.events:
        values = {
            "gateways": list({gateway for gateway, _id in wanted.events}),
            "events": list({event for _gateway, event in wanted.events}),
        }
        rows = await connection.execute(_events(sqlite=sqlite), values)
        for row in rows.all():
            event = EventState(*row)
            found.events[(event.gateway_id, event.event_id)] = event
    return found


async def _load_holds(
    connection: Connection, found: Loaded, wanted: Wanted, *, sqlite: bool
) -> None:
    values: dict[str, Any] = {}
    if wanted.holds:
        values["holds"] = list(wanted.holds)
    if wanted.requests:
        values["gateways"] = list({gateway for gateway, _id in wanted.requests})
        values["requests"] = [request for _gateway, request in wanted.requests]
    if wanted.spending_accounts:
        values["accounts"] = list(wanted.spending_accounts)
        values["at"] = found.books.at
    if not values:
        return
    for row in (await connection.execute(_holds(tuple(values), sqlite=sqlite), values)).all():
        hold = HoldState(*row)
        found.holds[hold.id] = hold
        found.requests[(hold.gateway_id, hold.request_id)] = hold


async def load_group_counters(
    connection: Connection, found: Loaded, more: Iterable[CounterKey]
) -> None:
    """Read the months of all loaded holds, and more."""
    keys = set(more)
    for hold in found.holds.values():
        if hold.status is HoldStatus.OPEN or hold.status is HoldStatus.EXPIRED:
            keys.add(CounterKey(hold.member_id, hold.month))
            keys.add(CounterKey(hold.api_key_id, hold.month))
    await load_counters(connection, found.books, keys)


async def write_holds(
    connection: Connection, new: list[HoldState], ended: Iterable[HoldState]
) -> None:
    """Write holds that were made, and those that ended."""
    if new:
        await connection.execute(
            _ADD_HOLDS, [{name: getattr(hold, name) for name in HOLD_FIELDS} for hold in new]
        )
    rows = [
        {"its_id": hold.id, "its_status": hold.status, "its_end": hold.ended_at} for hold in ended
    ]
    if rows:
        await connection.execute(_END_HOLDS, rows)


_ADD_HOLDS = insert(_HOLDS)
_END_HOLDS = (
    update(_HOLDS)
    .where(_HOLDS.c.id == given("its_id"))
    .values(status=given("its_status"), ended_at=given("its_end"))
)


@lru_cache
def _tokens(*, sqlite: bool) -> Any:
    return select(col(GatewayToken.secret_hash)).where(
        any_of(col(GatewayToken.secret_hash), "tokens", sqlite=sqlite),
        col(GatewayToken.revoked_at).is_(None),
    )


@lru_cache
def _keys(*, sqlite: bool) -> Any:
    return (
        select(
            col(KeySecret.secret_hash),
            col(KeySecret.ends_at),
            col(ApiKey.expires_at),
            col(ApiKey.revoked_at),
            col(ApiKey.monthly_limit),
            col(ApiKey.tag),
            col(Member.ended_at),
            col(Member.quota),
        )
        .join_from(KeySecret, ApiKey, col(ApiKey.id) == col(KeySecret.api_key_id))
        .join(Member, col(Member.id) == col(ApiKey.member_id))
        .where(any_of(col(KeySecret.secret_hash), "secrets", sqlite=sqlite))
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
                table.expires_at <= given("at", type_=table.expires_at.type),
            )
        )
    return select(*(table[name] for name in HOLD_FIELDS)).where(or_(*conditions))


@lru_cache
def _events(*, sqlite: bool) -> Any:
    return select(*(_EVENTS.c[name] for name in EventState._fields)).where(
        any_of(_EVENTS.c.gateway_id, "gateways", sqlite=sqlite),
        any_of(_EVENTS.c.event_id, "events", sqlite=sqlite),
    )
