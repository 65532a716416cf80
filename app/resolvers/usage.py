"""Usage: reports by buckets and dimensions, records, exports; one's own, or everybody's in an account."""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import select
from sqlmodel import col

from app.access import Seat, Viewer, reads
from app.errors import NotFound, Refusal
from app.models import Account
from app.models.usage import UsageRecord
from app.pages import Page
from app.permissions import Permission
from app.resolvers import _usage_records
from app.resolvers._usage_query import Dimension, RecordsQuery, UsageFilter, UsageQuery
from app.resolvers._usage_reports import own_report_of_each, report_of_each
from app.resolvers._usage_rows import (
    RECORD_COLUMNS,
    UsageBucketRow,
    UsageRecordRow,
    UsageReport,
    UsageTotals,
)
from app.resolvers._usage_sql import must_own
from app.zones import Granularity

__all__ = [
    "Dimension",
    "Granularity",
    "RecordsQuery",
    "UsageBucketRow",
    "UsageFilter",
    "UsageQuery",
    "UsageRecordRow",
    "UsageReport",
    "UsageTotals",
]


@reads(Permission.VIEW_ACCOUNT_USAGE, on=Account)
async def usage_report(
    viewer: Viewer, seats: Mapping[UUID, Seat], query: UsageQuery
) -> dict[UUID, UsageReport | Refusal]:
    """Sum everybody's usage by buckets and dimensions. Raises `Invalid`, and `NotFound` for foreign ids."""
    return await report_of_each(viewer, seats, query)


@reads(Permission.VIEW_OWN_USAGE, on=Account)
async def own_usage_report(
    viewer: Viewer, seats: Mapping[UUID, Seat], query: UsageQuery
) -> dict[UUID, UsageReport]:
    """Sum the viewer's own usage. Raises `Invalid`."""
    return await own_report_of_each(viewer, seats, query)


@reads(Permission.VIEW_ACCOUNT_USAGE, on=Account)
async def usage_records(
    viewer: Viewer,
    seats: Mapping[UUID, Seat],
    query: RecordsQuery,
    first: int = 50,
    after: str | None = None,
) -> dict[UUID, Page[UsageRecordRow] | Refusal]:
    """List everybody's records, newest first. Raises `Invalid`, `BadRequest`, and `NotFound` for foreign ids."""
    refused = await must_own(viewer, list(seats), query.which)
    asked = {one: seat for one, seat in seats.items() if one not in refused}
    pages = await _usage_records.page_of_each(viewer, asked, query, first, after) if asked else {}
    return {**refused, **pages}


@reads(Permission.VIEW_ACCOUNT_USAGE, on=Account)
async def count_usage_records(
    viewer: Viewer, seats: Mapping[UUID, Seat], query: RecordsQuery
) -> dict[UUID, int]:
    """Count the records that `usage_records` goes through."""
    return await _usage_records.count_of_each(viewer, seats, query)


@reads(Permission.VIEW_OWN_USAGE, on=Account)
async def own_usage_records(
    viewer: Viewer,
    seats: Mapping[UUID, Seat],
    query: RecordsQuery,
    first: int = 50,
    after: str | None = None,
) -> dict[UUID, Page[UsageRecordRow]]:
    """List the viewer's own records, newest first. Raises `Invalid`, `BadRequest`."""
    return await _usage_records.page_of_each(viewer, seats, query, first, after, own_only=True)


@reads(Permission.VIEW_OWN_USAGE, on=Account)
async def count_own_usage_records(
    viewer: Viewer, seats: Mapping[UUID, Seat], query: RecordsQuery
) -> dict[UUID, int]:
    """Count the records that `own_usage_records` goes through."""
    return await _usage_records.count_of_each(viewer, seats, query, own_only=True)


@reads(None, on=UsageRecord)
async def usage_record(
    viewer: Viewer, seats: Mapping[UUID, Seat]
) -> dict[UUID, UsageRecordRow | Refusal]:
    """Show one record: one's own with VIEW_OWN_USAGE, anybody's with VIEW_ACCOUNT_USAGE; else `NotFound`."""
    statement = select(*RECORD_COLUMNS).where(col(UsageRecord.id).in_(list(seats)))
    shown: dict[UUID, UsageRecordRow | Refusal] = {}
    for row in await viewer.database.rows(statement):
        seat = seats[row.id]
        own = row.member_id == seat.member_id and Permission.VIEW_OWN_USAGE in seat.permissions
        sees = own or Permission.VIEW_ACCOUNT_USAGE in seat.permissions
        shown[row.id] = UsageRecordRow(*row) if sees else NotFound()
    return shown
