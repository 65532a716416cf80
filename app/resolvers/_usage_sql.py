"""Usage in SQL: from which rollup or records a report is read, and the one statement that sums it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Select, case, func, select, union_all
from sqlmodel import col

from app.access import Viewer
from app.database import AnySelect, Database
from app.dialects import bucket_of, code_points, summed
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
    conditions = []
    for name, values in (
        ("model", which.models),
        ("member_id", which.member_ids),
        ("api_key_id", which.api_key_ids),
        ("tag", which.tags),
    ):
        if values is not None:
            conditions.append(col(getattr(table, name)).in_(values))
    return conditions


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


def _part(
    database: Database,
    account_ids: Sequence[UUID],
    query: UsageQuery,
    moments: Sequence[datetime],
    part: tuple[Source, datetime, datetime],
) -> Select[Any]:
    source, start, end = part
    table = source.table
    time: Any = col(source.time)
    bucket, within = bucket_of(database, time, _edges_in(source, moments))
    dimensions = [_dimension(database, source, one) for one in query.group_by]
    low, high = (start.date(), end.date()) if source.unit == DAY else (start, end)
    return select(
        col(table.account_id).label("account_id"),
        bucket.label("bucket"),
        *dimensions,
        *(_figure(source, name).label(name) for name in TALLY),
    ).where(
        col(table.account_id).in_(account_ids),
        time >= low,
        time < high,
        within,
        *matching(table, query.which),
    )


def _dimension(database: Database, source: Source, dimension: Dimension) -> Any:
    name = COLUMN_OF[dimension]
    column: Any = col(getattr(source.table, name))
    if dimension is Dimension.TAG and source is RECORDS:
        column = func.coalesce(column, "")
    if dimension in {Dimension.MODEL, Dimension.TAG}:
        column = code_points(database, column)
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
    """Select account, number of the bucket, dimensions and sums; no order."""
    source = source_of(query, moments)
    parts = [_part(database, account_ids, query, moments, one) for one in _parts(query, source)]
    rows = (union_all(*parts) if len(parts) > 1 else parts[0]).subquery("calls")
    keys = [rows.c.account_id, rows.c.bucket, *(rows.c[COLUMN_OF[one]] for one in query.group_by)]
    return select(*keys, *(summed(rows.c[name]).label(name) for name in TALLY)).group_by(*keys)


def with_names(statement: Select[Any], query: UsageQuery) -> AnySelect:
    """Add members' and keys' names to what `grouped` selects, in the order of buckets and dimensions."""
    sums = statement.subquery("sums")
    named: AnySelect = select(*sums.c).select_from(sums)
    if Dimension.MEMBER in query.group_by:
        named = (
            named.add_columns(
                col(User.email).label("member_email"), col(User.name).label("member_name")
            )
            .outerjoin(Member, col(Member.id) == sums.c.member_id)
            .outerjoin(User, col(User.id) == col(Member.user_id))
        )
    if Dimension.API_KEY in query.group_by:
        named = named.add_columns(col(ApiKey.name).label("api_key_name")).outerjoin(
            ApiKey, col(ApiKey.id) == sums.c.api_key_id
        )
    return named


def key_columns(statement: AnySelect, query: UsageQuery) -> list[Any]:
    """List the columns that put buckets in order."""
    columns = statement.selected_columns
    return [columns["bucket"], *(columns[COLUMN_OF[one]] for one in query.group_by)]


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
