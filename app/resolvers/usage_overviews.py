"""Usage as people look at it: an overview with its biggest series, and lists of records with names and totals."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from uuid import UUID

from app.access import Seat, Viewer, reads
from app.errors import Refusal
from app.models import Account
from app.models.usage import UsageRecord
from app.permissions import Permission
from app.resolvers import _usage_exports
from app.resolvers._exports import Export, Place
from app.resolvers._usage_exports import RecordTexts
from app.resolvers._usage_lists import (
    RecordDetail,
    RecordList,
    UsageChoices,
    choices_of,
    details_of,
    record_list_of,
)
from app.resolvers._usage_overviews import (
    Figure,
    Label,
    OverviewQuery,
    Ranking,
    Series,
    UsageOverview,
    Value,
    filter_labels,
    only_own,
    overview_of,
)
from app.resolvers._usage_query import RecordsQuery, UsageQuery, check_query
from app.resolvers._usage_records import check_records
from app.resolvers._usage_reports import states
from app.resolvers._usage_rows import UsageBucketRow, UsageState

__all__ = [
    "Figure",
    "Label",
    "OverviewQuery",
    "Ranking",
    "RecordDetail",
    "RecordList",
    "Series",
    "UsageChoices",
    "UsageOverview",
    "Value",
]


@reads(Permission.VIEW_ACCOUNT_USAGE, on=Account)
async def usage_overview(
    viewer: Viewer, seats: Mapping[UUID, Seat], query: OverviewQuery
) -> dict[UUID, UsageOverview | Refusal]:
    """Sum everybody's usage by buckets and series. Raises `Invalid`, and `NotFound` for foreign ids."""
    return {one: await overview_of(viewer, seat, query) for one, seat in seats.items()}


@reads(Permission.VIEW_OWN_USAGE, on=Account)
async def own_usage_overview(
    viewer: Viewer, seats: Mapping[UUID, Seat], query: OverviewQuery
) -> dict[UUID, UsageOverview | Refusal]:
    """Sum the viewer's own usage so. Raises `Invalid`, and `NotFound` for ids that are not their own."""
    return {
        one: await overview_of(viewer, seat, query, own_only=True) for one, seat in seats.items()
    }


@reads(Permission.VIEW_ACCOUNT_USAGE, on=Account)
async def record_list(
    viewer: Viewer,
    seats: Mapping[UUID, Seat],
    query: RecordsQuery,
    first: int = 50,
    after: str | None = None,
) -> dict[UUID, RecordList | Refusal]:
    """List everybody's records, newest first, with names and the totals of all pages.

    Raises `Invalid`, `BadRequest`, and `NotFound` for foreign ids.
    """
    return {
        one: await record_list_of(viewer, seat, query, first, after) for one, seat in seats.items()
    }


@reads(Permission.VIEW_OWN_USAGE, on=Account)
async def own_record_list(
    viewer: Viewer,
    seats: Mapping[UUID, Seat],
    query: RecordsQuery,
    first: int = 50,
    after: str | None = None,
) -> dict[UUID, RecordList | Refusal]:
    """List the viewer's own records so. Raises `Invalid`, `BadRequest`, and `NotFound` for ids not their own."""
    return {
        one: await record_list_of(viewer, seat, query, first, after, own_only=True)
        for one, seat in seats.items()
    }


@reads(Permission.VIEW_ACCOUNT_USAGE, on=Account)
async def usage_choices(
    viewer: Viewer, seats: Mapping[UUID, Seat], query: RecordsQuery
) -> dict[UUID, UsageChoices | Refusal]:
    """Tell which models, members, keys and tags were used most in a range: what one may filter by."""
    return {one: await choices_of(viewer, seat, query) for one, seat in seats.items()}


@reads(Permission.VIEW_OWN_USAGE, on=Account)
async def own_usage_choices(
    viewer: Viewer, seats: Mapping[UUID, Seat], query: RecordsQuery
) -> dict[UUID, UsageChoices | Refusal]:
    """Tell which models, keys and tags the viewer used most."""
    return {
        one: await choices_of(viewer, seat, query, own_only=True) for one, seat in seats.items()
    }


@reads(Permission.VIEW_OWN_USAGE, on=Account)
async def usage_mark(viewer: Viewer, seats: Mapping[UUID, Seat]) -> dict[UUID, int]:
    """Give a number that grows with each record: as long as it stays, no figure of usage has changed."""
    found = await states(viewer, seats)
    return {one: state.last_sequence for one, state in found.items()}


@reads(None, on=UsageRecord)
async def record_detail(
    viewer: Viewer, seats: Mapping[UUID, Seat]
) -> dict[UUID, RecordDetail | Refusal]:
    """Show one record in full: one's own with VIEW_OWN_USAGE, anybody's with VIEW_ACCOUNT_USAGE; else `NotFound`."""
    return await details_of(viewer, seats)


@reads(Permission.VIEW_OWN_USAGE, on=Account)
async def own_record_export(
    viewer: Viewer,
    seats: Mapping[UUID, Seat],
    query: RecordsQuery,
    place: Place,
) -> dict[UUID, Export[UsageState, RecordTexts] | Refusal]:
    """Give all of the viewer's own records as columns of text. Raises `Invalid`, `NotFound`."""
    check_records(query)
    answers: dict[UUID, Export[UsageState, RecordTexts] | Refusal] = {}
    for one, seat in seats.items():
        await filter_labels(viewer, seat, query.which, own_only=True)
        own = replace(query, which=only_own(seat, query.which))
        answers[one] = partial(_usage_exports.open_records, viewer, seat, own, place)
    return answers


@reads(Permission.VIEW_OWN_USAGE, on=Account)
async def own_bucket_export(
    viewer: Viewer, seats: Mapping[UUID, Seat], query: UsageQuery, place: Place
) -> dict[UUID, Export[UsageState, list[UsageBucketRow]] | Refusal]:
    """Give all buckets of the viewer's own usage. Raises `Invalid`, `NotFound`."""
    check_query(query)
    answers: dict[UUID, Export[UsageState, list[UsageBucketRow]] | Refusal] = {}
    for one, seat in seats.items():
        await filter_labels(viewer, seat, query.which, own_only=True)
        own = replace(query, which=only_own(seat, query.which))
        answers[one] = partial(_usage_exports.open_buckets, viewer, seat, own, place)
    return answers
