"""Usage: reports by buckets and dimensions, records, exports; one's own, or everybody's in an account."""

from collections.abc import Mapping
from functools import partial
from uuid import UUID

from sqlalchemy import select
from sqlmodel import col

from app.access import Seat, Viewer, reads
from app.errors import NotFound, Refusal
from app.models import Account
from app.models.usage import UsageRecord
from app.pages import Page
from app.permissions import Permission
from app.resolvers import _usage_exports, _usage_finance, _usage_records
from app.resolvers._exports import Export, Place
from app.resolvers._usage_exports import OF_WHOM, RecordTexts, whose_of
from app.resolvers._usage_finance import NamedRecord, UsagePage
from app.resolvers._usage_query import (
    NOUN,
    Dimension,
    RecordsQuery,
    UsageFilter,
    UsageQuery,
    check_query,
    check_range,
)
from app.resolvers._usage_reports import own_report_of_each, report_of_each
from app.resolvers._usage_rows import (
    RECORD_COLUMNS,
    UsageBucketRow,
    UsageRecordRow,
    UsageReport,
    UsageState,
    UsageTotals,
)
from app.resolvers._usage_sql import must_own
from app.zones import Granularity

__all__ = [
    "NOUN",
    "OF_WHOM",
    "Dimension",
    "Granularity",
    "NamedRecord",
    "Place",
    "RecordTexts",
    "RecordsQuery",
    "UsageBucketRow",
    "UsageFilter",
    "UsagePage",
    "UsageQuery",
    "UsageRecordRow",
    "UsageReport",
    "UsageState",
    "UsageTotals",
    "check_range",
    "whose_of",
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


@reads(Permission.VIEW_ACCOUNT_USAGE, on=Account)
async def record_page(
    viewer: Viewer, seats: Mapping[UUID, Seat], query: RecordsQuery, place: Place, limit: int
) -> dict[UUID, UsagePage[NamedRecord] | Refusal]:
    """Give a page of records in the order of their sequence: a feed that neither skips nor doubles a late one.

    `Place.after` is [sequence]. Raises `Invalid`, and `NotFound` for foreign ids.
    """
    _usage_records.check_records(query)
    answers: dict[UUID, UsagePage[NamedRecord] | Refusal] = {}
    answers |= await must_own(viewer, list(seats), query.which)
    for one in seats.keys() - answers.keys():
        answers[one] = await _usage_finance.record_page(viewer, seats[one], query, place, limit)
    return answers


@reads(Permission.VIEW_ACCOUNT_USAGE, on=Account)
async def bucket_page(
    viewer: Viewer, seats: Mapping[UUID, Seat], query: UsageQuery, place: Place, limit: int
) -> dict[UUID, UsagePage[UsageBucketRow] | Refusal]:
    """Give a page of buckets with names; `Place.after` is [number of the bucket, dimensions].

    Raises `Invalid`, and `NotFound` for foreign ids.
    """
    check_query(query)
    answers: dict[UUID, UsagePage[UsageBucketRow] | Refusal] = {}
    answers |= await must_own(viewer, list(seats), query.which)
    for one in seats.keys() - answers.keys():
        answers[one] = await _usage_finance.bucket_page(viewer, seats[one], query, place, limit)
    return answers


@reads(Permission.VIEW_ACCOUNT_USAGE, on=Account)
async def export_records(
    viewer: Viewer,
    seats: Mapping[UUID, Seat],
    query: RecordsQuery,
    place: Place,
) -> dict[UUID, Export[UsageState, RecordTexts] | Refusal]:
    """Give all records as `record_page` does, as columns of text. Raises `Invalid`, `NotFound`."""
    _usage_records.check_records(query)
    answers: dict[UUID, Export[UsageState, RecordTexts] | Refusal] = {}
    answers |= await must_own(viewer, list(seats), query.which)
    for one in seats.keys() - answers.keys():
        answers[one] = partial(_usage_exports.open_records, viewer, seats[one], query, place)
    return answers


@reads(Permission.VIEW_ACCOUNT_USAGE, on=Account)
async def export_buckets(
    viewer: Viewer, seats: Mapping[UUID, Seat], query: UsageQuery, place: Place
) -> dict[UUID, Export[UsageState, list[UsageBucketRow]] | Refusal]:
    """Give all buckets as `bucket_page` does. Raises `Invalid`, `NotFound`."""
    check_query(query)
    answers: dict[UUID, Export[UsageState, list[UsageBucketRow]] | Refusal] = {}
    answers |= await must_own(viewer, list(seats), query.which)
    for one in seats.keys() - answers.keys():
        answers[one] = partial(_usage_exports.open_buckets, viewer, seats[one], query, place)
    return answers
