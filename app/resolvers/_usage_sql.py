"""Usage in SQL: from which rollup or records a report is read, and the one statement that sums it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Select,
    bindparam,
    case,
    func,
    literal,
    literal_column,
    select,
    union_all,
)
from sqlmodel import col

from app.access import Viewer
from app.database import AnySelect, Database
from app.dialects import (
    Edges,
    any_of,
    bucket_of,
    code_points,
    edges_are,
    edges_type,
    edges_value,
    summed,
)
from app.errors import NotFound, Refusal
from app.models import Member, User
from app.models.keys import ApiKey
from app.models.usage import UsageDay, UsageDayDetail, UsageHour, UsageRecord
from app.resolvers._usage_query import Dimension, UsageFilter, UsageQuery
from app.zones import DAY, HOUR, edges, floored, on_days, on_hours, raised, zone

TOKENS = (
    "prompt_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "completion_tokens",
    "reasoning_tokens",
)
TALLY = ("requests", *TOKENS, "cost_micro")
COLUMN_OF = {
    Dimension.MODEL: "model",
    Dimension.MEMBER: "member_id",
    Dimension.API_KEY: "api_key_id",
    Dimension.TAG: "tag",
}


@dataclass(frozen=True, slots=True)
class Source:
    """A table that usage is read from: its column of time, and how much of time one row sums (None: a call)."""

    table: Any
    time: Any
    unit: timedelta | None


RECORDS = Source(UsageRecord, UsageRecord.occurred_at, None)
HOURS = Source(UsageHour, UsageHour.hour, HOUR)
DAYS = Source(UsageDay, UsageDay.day, DAY)
DETAILS = Source(UsageDayDetail, UsageDayDetail.day, DAY)


def edges_of(query: UsageQuery) -> list[datetime]:
    """List the edges of a report's buckets."""
    return edges(query.start, query.end, query.granularity, zone(query.time_zone))


def source_of(query: UsageQuery, moments: Sequence[datetime]) -> Source:
    """Choose the coarsest rollup that holds the dimensions and whose grain the buckets' inner edges keep."""
    inner = [one for one in moments[1:-1] if query.start < one < query.end]
    by_model = {*query.group_by} <= {Dimension.MODEL} and query.which.by_model_alone()
    if on_days(inner):
        return DAYS if by_model else DETAILS
    return HOURS if by_model and on_hours(inner) else RECORDS


def matching(table: Any, which: UsageFilter) -> list[Any]:
    """List the conditions of a filter on a table that has its columns."""
    return [col(getattr(table, name)).in_(values) for name, values in _filters(which).items()]


def _filters(which: UsageFilter) -> dict[str, Sequence[Any]]:
    """Name the columns that a filter is about, with what is let through."""
    named = {
        "model": which.models,
        "member_id": which.member_ids,
        "api_key_id": which.api_key_ids,
        "tag": which.tags,
    }
    return {name: values for name, values in named.items() if values is not None}


def _parts(query: UsageQuery, source: Source) -> list[tuple[Source, datetime, datetime]]:
    """Split a range: whole hours or days from the rollup, what is left at its ends from records."""
    if source.unit is None:
        return [(RECORDS, query.start, query.end)]
    low, high = raised(query.start, source.unit), floored(query.end, source.unit)
    if low >= high:
        return [(RECORDS, query.start, query.end)]
    parts = [(RECORDS, query.start, low), (source, low, high), (RECORDS, high, query.end)]
    return [part for part in parts if part[1] < part[2]]


def _edges_in(source: Source, moments: Sequence[datetime]) -> list[Any]:
    if source.unit != DAY:
        return list(moments)
    days = [one.date() for one in moments[:-1]]
    return [*days, raised(moments[-1], DAY).date()]


@dataclass(frozen=True, slots=True)
class Shape:
    """All that a report's statement depends on but the values of its parameters: one is made for each shape."""

    sqlite: bool
    group_by: tuple[Dimension, ...]
    filtered: tuple[str, ...]
    parts: tuple[tuple[Source, Edges], ...]


def shape_of(
    database: Database, account_ids: Sequence[UUID], query: UsageQuery, moments: Sequence[datetime]
) -> tuple[Shape, dict[str, Any]]:
    """Tell the shape of a report, and the values of its parameters."""
    sqlite = database.is_sqlite
    filters = _filters(query.which)
    values: dict[str, Any] = {"accounts": list(account_ids)}
    values |= {f"which_{name}": list(given) for name, given in filters.items()}
    parts = []
    for n, (source, start, end) in enumerate(_parts(query, source_of(query, moments))):
        edges = _edges_in(source, moments)
        kind = edges_are(edges)
        parts.append((source, kind))
        by_day = source.unit == DAY
        values[f"start_{n}"] = start.date() if by_day else start
        values[f"end_{n}"] = end.date() if by_day else end
        if kind is not Edges.ONE:
            values[f"edges_{n}"] = edges_value(edges, kind, sqlite=sqlite)
    return Shape(sqlite, tuple(query.group_by), tuple(filters), tuple(parts)), values


class Parameters:
    """How values stand in a statement: by name, so that it is made once for all; or themselves, where `values` are given."""

    def __init__(self, shape: Shape, values: Mapping[str, Any] | None = None) -> None:
        self._sqlite = shape.sqlite
        self._values = values

    def one(self, name: str, kind: Any) -> ColumnElement[Any]:
        """Give one value."""
        if self._values is None:
            return bindparam(name, type_=kind)
        return literal(self._values[name], kind)

    def among(self, column: Any, name: str) -> ColumnElement[bool]:
        """Ask whether a column is one of several values."""
        if self._values is None:
            return any_of(column, name, sqlite=self._sqlite)
        inside: ColumnElement[bool] = column.in_(self._values[name])
        return inside


def _part(shape: Shape, number: int, given: Parameters) -> Select[Any]:
    source, kind = shape.parts[number]
    table, sqlite = source.table, shape.sqlite
    time: Any = col(source.time)
    edges: ColumnElement[Any] = literal_column("0")
    if kind is not Edges.ONE:
        edges = given.one(f"edges_{number}", edges_type(kind, sqlite=sqlite))
    bucket, within = bucket_of(time, edges, kind, sqlite=sqlite)
    filtered = [given.among(col(getattr(table, name)), f"which_{name}") for name in shape.filtered]
    return select(
        col(table.account_id).label("account_id"),
        bucket.label("bucket"),
        *(_dimension(source, one, sqlite=sqlite) for one in shape.group_by),
        *(_figure(source, name).label(name) for name in TALLY),
    ).where(
        given.among(col(table.account_id), "accounts"),
        time >= given.one(f"start_{number}", time.type),
        time < given.one(f"end_{number}", time.type),
        within,
        *filtered,
    )


def _dimension(source: Source, dimension: Dimension, *, sqlite: bool) -> Any:
    name = COLUMN_OF[dimension]
    column: Any = col(getattr(source.table, name))
    if dimension is Dimension.TAG and source is RECORDS:
        column = func.coalesce(column, "")
    if dimension in {Dimension.MODEL, Dimension.TAG}:
        column = code_points(column, sqlite=sqlite)
    return column.label(name)


def _figure(source: Source, name: str) -> Any:
    if source is RECORDS and name == "requests":
        # A correction is no call of its own.
        return case((col(UsageRecord.corrects).is_(None), 1), else_=0)
    return col(getattr(source.table, name))


def grouped(
    database: Database,
    account_ids: Sequence[UUID],
    query: UsageQuery,
    moments: Sequence[datetime],
) -> Select[Any]:
    """Select account, number of the bucket, dimensions and sums, with their values; no order."""
    shape, values = shape_of(database, account_ids, query, moments)
    return grouped_by(shape, Parameters(shape, values))


def grouped_by(shape: Shape, given: Parameters) -> Select[Any]:
    """Select account, number of the bucket, dimensions and sums; no order."""
    parts = [_part(shape, number, given) for number in range(len(shape.parts))]
    rows = (union_all(*parts) if len(parts) > 1 else parts[0]).subquery("calls")
    names = (COLUMN_OF[one] for one in shape.group_by)
    keys = [rows.c[name] for name in ("account_id", "bucket", *names)]
    return select(*keys, *(summed(rows.c[name]).label(name) for name in TALLY)).group_by(*keys)


def with_names(statement: Select[Any], group_by: Sequence[Dimension]) -> AnySelect:
    """Add members' and keys' names to what `grouped` selects, in the order of buckets and dimensions."""
    sums = statement.subquery("sums")
    named: AnySelect = select(*sums.c).select_from(sums)
    if Dimension.MEMBER in group_by:
        named = (
            named.add_columns(
                col(User.email).label("member_email"), col(User.name).label("member_name")
            )
            .outerjoin(Member, col(Member.id) == sums.c.member_id)
            .outerjoin(User, col(User.id) == col(Member.user_id))
        )
    if Dimension.API_KEY in group_by:
        named = named.add_columns(col(ApiKey.name).label("api_key_name")).outerjoin(
            ApiKey, col(ApiKey.id) == sums.c.api_key_id
        )
    return named


def key_columns(columns: Any, group_by: Sequence[Dimension]) -> list[Any]:
    """List the columns, of these, that put buckets in order."""
    return [columns[name] for name in ("bucket", *(COLUMN_OF[one] for one in group_by))]


async def must_own(
    viewer: Viewer, account_ids: Sequence[UUID], which: UsageFilter
) -> dict[UUID, Refusal]:
    """Refuse, for each account, a filter that names a member or key that is not its own."""
    counts: AnySelect = [
        select(col(table.account_id), func.count())
        .where(col(table.id).in_(values), col(table.account_id).in_(account_ids))
        .group_by(col(table.account_id))
        for table, values in ((Member, which.member_ids), (ApiKey, which.api_key_ids))
        if values
    ]
    if not counts:
        return {}
    asked = len(set(which.member_ids or ())) + len(set(which.api_key_ids or ()))
    owned = dict.fromkeys(account_ids, 0)
    for account_id, count in await viewer.database.rows(union_all(*counts)):
        owned[account_id] += count
    return {one: NotFound() for one, count in owned.items() if count < asked}
