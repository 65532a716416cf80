"""Usage as finance tools page through it, with totals: one statement a page, one moment for rows and sums."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import bindparam, select, true
from sqlmodel import col

from app.access import Seat, Viewer
from app.database import AnySelect
from app.dialects import summed
from app.models import ApiKey, Member, UsageRecord, User
from app.resolvers._exports import Place
from app.resolvers._lists import after_key
from app.resolvers._usage_query import Dimension, RecordsQuery, UsageQuery
from app.resolvers._usage_records import in_range
from app.resolvers._usage_rows import (
    RECORD_COLUMNS,
    UsageBucketRow,
    UsageRecordRow,
    UsageState,
    UsageTotals,
    bucket_reader,
    facts_of,
    state_of,
    state_statement,
    state_values,
)
from app.resolvers._usage_sql import (
    TALLY,
    TOKENS,
    Parameters,
    Shape,
    edges_of,
    grouped,
    grouped_by,
    key_columns,
    shape_of,
    with_names,
)
from app.zones import Granularity

T = TypeVar("T")
NEVER = datetime(9000, 1, 1, tzinfo=UTC)
STATE = ("usage_sequence", "oldest", "holds", "amount")
HEAD = len(STATE) + len(TALLY)
NAMES = ("member_email", "member_name", "api_key_name")


@dataclass(frozen=True, slots=True)
class NamedRecord:
    """A record with the names of whose it is, as they are now."""

    record: UsageRecordRow
    member_email: str | None
    member_name: str | None
    api_key_name: str | None


@dataclass(frozen=True, slots=True)
class UsagePage(Generic[T]):
    """Some rows, the totals of the whole range, and how complete it is; `key` is the last row's, for `Place`."""

    rows: Sequence[T]
    has_more: bool
    key: Sequence[Any] | None
    totals: UsageTotals
    state: UsageState


def records_in_order(account_id: UUID, query: RecordsQuery, place: Place) -> AnySelect:
    """Choose records in the order of their sequence."""
    sequence = col(UsageRecord.sequence)
    conditions = [col(UsageRecord.account_id) == account_id, *in_range(query)]
    if place.after is not None:
        conditions.append(after_key([sequence], place.after, descending=place.descending))
    chosen: AnySelect = select(*RECORD_COLUMNS).where(*conditions)
    return chosen.order_by(sequence.desc() if place.descending else sequence)


def with_record_names(statement: AnySelect, member_id: Any, api_key_id: Any) -> AnySelect:
    return (
        statement.outerjoin(Member, col(Member.id) == member_id)
        .outerjoin(User, col(User.id) == col(Member.user_id))
        .outerjoin(ApiKey, col(ApiKey.id) == api_key_id)
    )


def export_columns() -> dict[str, Any]:
    """Name what an export shows of a record, as it is stored, in order; `with_record_names` brings the names."""
    record = UsageRecord
    return {
        "id": col(record.id),
        "event_id": col(record.event_id),
        "occurred_at": col(record.occurred_at),
        "recorded_at": col(record.recorded_at),
        "corrects": col(record.corrects),
        "model": col(record.model),
        "member_id": col(record.member_id),
        "member_email": col(User.email),
        "member_name": col(User.name),
        "api_key_id": col(record.api_key_id),
        "api_key_name": col(ApiKey.name),
        "tag": col(record.tag),
        **{name: col(getattr(record, name)) for name in TOKENS},
        "cost": col(record.cost_micro),
    }


def name_columns() -> tuple[Any, ...]:
    columns = (col(User.email), col(User.name), col(ApiKey.name))
    return tuple(one.label(name) for one, name in zip(columns, NAMES, strict=True))


async def record_page(
    viewer: Viewer, seat: Seat, query: RecordsQuery, place: Place, limit: int
) -> UsagePage[NamedRecord]:
    """Read one page of records, with the totals of the whole range, by one statement: one moment for both."""
    account_id = seat.account_id
    chosen = records_in_order(account_id, query, place).limit(limit + 1).subquery("chosen")
    named = select(*chosen.c, *name_columns()).select_from(chosen)
    page = with_record_names(named, chosen.c.member_id, chosen.c.api_key_id).cte("page")
    span = UsageQuery(query.start, query.end or NEVER, Granularity.TOTAL, which=query.which)
    sums = grouped(viewer.database, [account_id], span, edges_of(span)).cte("totals")
    totals = select(*(summed(sums.c[name]).label(name) for name in TALLY)).cte("sums")
    order = page.c.sequence.desc() if place.descending else page.c.sequence
    statement = _with_head(totals, page, [order], sqlite=viewer.database.is_sqlite)
    rows, head = await _read(viewer, seat, statement, {})
    own = len(RECORD_COLUMNS)
    shown = [NamedRecord(UsageRecordRow(*row[:own]), *row[own:]) for row in rows[:limit]]
    more = len(rows) > limit
    key: Sequence[Any] | None = [shown[-1].record.sequence] if shown else place.after
    if not more and not place.descending:
        # All up to the last sequence has been looked through: the feed goes on after it.
        key = [head[1].last_sequence]
    return UsagePage(shown, more, key, *head)


async def bucket_page(
    viewer: Viewer, seat: Seat, query: UsageQuery, place: Place, limit: int
) -> UsagePage[UsageBucketRow]:
    """Read one page of buckets, with the totals of the whole range, by one statement."""
    moments = edges_of(query)
    shape, values = shape_of(viewer.database, [seat.account_id], query, moments)
    statement = _page_of_buckets(shape, descending=place.descending, first=place.after is None)
    values["most"] = limit + 1
    values |= {f"after_{n}": value for n, value in enumerate(place.after or ())}
    rows, head = await _read(viewer, seat, statement, values)
    names = statement.selected_columns.keys()[HEAD:]
    shown = list(map(bucket_reader(names, moments), rows[:limit]))
    # Bucket and dimensions come first.
    key = rows[len(shown) - 1][: 1 + len(query.group_by)] if shown else None
    return UsagePage(shown, len(rows) > limit, key, *head)


@lru_cache(maxsize=256)
def _page_of_buckets(shape: Shape, *, descending: bool, first: bool) -> AnySelect:
    sums = grouped_by(shape, Parameters(shape)).cte("sums")
    totals = select(*(summed(sums.c[name]).label(name) for name in TALLY)).cte("totals")
    page: AnySelect = select(*(one for one in sums.c if one.key != "account_id"))
    if not first:
        keys = key_columns(sums.c, shape.group_by)
        after = [bindparam(f"after_{n}", type_=key.type) for n, key in enumerate(keys)]
        page = page.where(after_key(keys, after, descending=descending))
    order = bucket_order(page.selected_columns, shape.group_by, descending=descending)
    named = with_names(page.order_by(*order).limit(bindparam("most")), shape.group_by).cte("page")
    order = bucket_order(named.c, shape.group_by, descending=descending)
    return _with_head(totals, named, order, sqlite=shape.sqlite)


def buckets_in_order(statement: AnySelect, query: UsageQuery, place: Place) -> AnySelect:
    """Choose buckets of `grouped` after a place, in order."""
    columns = statement.selected_columns
    if place.after is not None:
        keys = key_columns(columns, query.group_by)
        statement = statement.where(after_key(keys, place.after, descending=place.descending))
    return statement.order_by(*bucket_order(columns, query.group_by, descending=place.descending))


def bucket_order(columns: Any, group_by: Sequence[Dimension], *, descending: bool) -> list[Any]:
    """List what puts buckets in order."""
    keys = key_columns(columns, group_by)
    return [one.desc() if descending else one for one in keys]


def _with_head(totals: Any, page: Any, order: Sequence[Any], *, sqlite: bool) -> AnySelect:
    """Select a page together with the totals and how complete they are: `HEAD` columns before its own."""
    state = state_statement(sqlite=sqlite).cte("state")
    statement: AnySelect = select(
        *(state.c[name].label(f"state_{name}") for name in STATE),
        *(totals.c[name].label(f"total_{name}") for name in TALLY),
        *page.c,
    )
    return (
        statement.select_from(state).join(totals, true()).outerjoin(page, true()).order_by(*order)
    )


async def _read(
    viewer: Viewer, seat: Seat, statement: AnySelect, values: dict[str, Any]
) -> tuple[list[tuple[Any, ...]], tuple[UsageTotals, UsageState]]:
    """Read what `_with_head` selects: a page's rows, its columns in their order, and its head."""
    found = await viewer.database.rows(
        statement, {**values, **state_values({seat.account_id: seat})}
    )
    first = facts_of(found[0])
    totals = UsageTotals(*(first[f"total_{name}"] for name in TALLY))
    # One row without a page stands for an empty one: the first column of a page is never null.
    rows = [] if found[0][HEAD] is None else [row[HEAD:] for row in found]
    return rows, (totals, _state(seat, first))


def _state(seat: Seat, facts: Mapping[str, Any]) -> UsageState:
    return state_of(seat, {name: facts[f"state_{name}"] for name in STATE})
