"""Records as people go through them: with names, the totals of all pages, and what one may filter by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import Integer, String, cast, literal, or_, select, union_all
from sqlmodel import col

from app.access import Seat, Viewer
from app.database import AnySelect
from app.errors import NotFound, Refusal
from app.models.usage import UsageRecord
from app.pages import Page
from app.permissions import Permission
from app.resolvers._usage_overviews import Label, Value, filter_labels, only_own
from app.resolvers._usage_query import Dimension, RecordsQuery, UsageFilter, UsageQuery
from app.resolvers._usage_records import page_of_each
from app.resolvers._usage_rows import RECORD_COLUMNS, UsageRecordRow, UsageTotals
from app.resolvers._usage_sql import COLUMN_OF, TALLY, grouped
from app.zones import Granularity

MOST_CHOICES = 50
OF_IDS = {Dimension.MEMBER, Dimension.API_KEY}


@dataclass(frozen=True, slots=True)
class RecordList:
    """One page of records, the names of whose they are, and the totals of the whole list."""

    page: Page[UsageRecordRow]
    labels: Mapping[UUID, Label]
    totals: UsageTotals


@dataclass(frozen=True, slots=True)
class UsageChoices:
    """What was used most, by dimension, the most expensive first; `labels` name the ids."""

    values: Mapping[Dimension, Sequence[Value]]
    labels: Mapping[UUID, Label]


async def record_list_of(
    viewer: Viewer,
    seat: Seat,
    query: RecordsQuery,
    first: int,
    after: str | None,
    *,
    own_only: bool = False,
) -> RecordList:
    """List one account's records. Raises `Invalid`, `BadRequest`, and `NotFound` for foreign ids."""
    seats = {seat.account_id: seat}
    pages = await page_of_each(viewer, seats, query, first, after, own_only=own_only)
    page = pages[seat.account_id]
    ids = ([row.member_id for row in page.rows], [row.api_key_id for row in page.rows])
    labels = await filter_labels(viewer, seat, query.which, own_only=own_only, more=ids)
    return RecordList(page, labels, await _totals(viewer, seat, query, own_only=own_only))


async def _totals(
    viewer: Viewer, seat: Seat, query: RecordsQuery, *, own_only: bool
) -> UsageTotals:
    whole = _whole(seat, query, own_only=own_only)
    if whole.start >= whole.end:
        return UsageTotals()
    statement = grouped(viewer.database, [seat.account_id], whole, [whole.start, whole.end])
    row = await viewer.database.row(statement)
    facts = {} if row is None else row._mapping  # noqa: SLF001 - a Row's public accessor
    return UsageTotals(*(facts.get(name, 0) for name in TALLY))


def _whole(seat: Seat, query: RecordsQuery, *group_by: Dimension, own_only: bool) -> UsageQuery:
    which = only_own(seat, query.which) if own_only else query.which
    end = query.end or max(query.start, seat.now)
    return UsageQuery(query.start, end, Granularity.TOTAL, group_by, which)


@dataclass(frozen=True, slots=True)
class RecordDetail:
    """One record, whose it is, and the records that correct it, oldest first."""

    record: UsageRecordRow
    member: Label
    key: Label
    corrections: Sequence[UsageRecordRow]


async def details_of(
    viewer: Viewer, seats: Mapping[UUID, Seat]
) -> dict[UUID, RecordDetail | Refusal]:
    """Show records with their corrections: one's own, or anybody's with VIEW_ACCOUNT_USAGE; else `NotFound`."""
    chosen = or_(col(UsageRecord.id).in_(list(seats)), col(UsageRecord.corrects).in_(list(seats)))
    statement = select(*RECORD_COLUMNS).where(chosen).order_by(col(UsageRecord.sequence))
    rows = [UsageRecordRow(*row) for row in await viewer.database.rows(statement)]
    shown: dict[UUID, RecordDetail | Refusal] = {}
    for row in rows:
        if row.id not in seats or row.account_id != seats[row.id].account_id:
            continue
        seat = seats[row.id]
        own = row.member_id == seat.member_id and Permission.VIEW_OWN_USAGE in seat.permissions
        if not (own or Permission.VIEW_ACCOUNT_USAGE in seat.permissions):
            shown[row.id] = NotFound()
            continue
        ids = ([row.member_id], [row.api_key_id])
        labels = await filter_labels(viewer, seat, UsageFilter(), more=ids)
        corrections = [one for one in rows if one.corrects == row.id]
        shown[row.id] = RecordDetail(
            row, labels[row.member_id], labels[row.api_key_id], corrections
        )
    return shown


async def choices_of(
    viewer: Viewer, seat: Seat, query: RecordsQuery, *, own_only: bool = False
) -> UsageChoices:
    """Find what may be filtered by, whatever is filtered now, in two statements."""
    query = replace(query, which=UsageFilter())
    dimensions = [one for one in Dimension if not (own_only and one is Dimension.MEMBER)]
    parts = [_biggest(viewer, seat, query, one, own_only=own_only) for one in dimensions]
    values: dict[Dimension, list[Value]] = {one: [] for one in dimensions}
    for number, text, _cost in await viewer.database.rows(union_all(*parts)):
        dimension = list(Dimension)[number]
        values[dimension].append(UUID(text) if dimension in OF_IDS else text)
    ids: Any = [tuple(values.get(one, ())) for one in (Dimension.MEMBER, Dimension.API_KEY)]
    labels = await filter_labels(
        viewer, seat, UsageFilter(), own_only=own_only, more=(ids[0], ids[1])
    )
    return UsageChoices(values, labels)


def _biggest(
    viewer: Viewer, seat: Seat, query: RecordsQuery, dimension: Dimension, *, own_only: bool
) -> AnySelect:
    whole = _whole(seat, query, dimension, own_only=own_only)
    edges = [whole.start, whole.end]
    sums = grouped(viewer.database, [seat.account_id], whole, edges).subquery()
    number = literal(list(Dimension).index(dimension), Integer)
    text = cast(sums.c[COLUMN_OF[dimension]], String)
    most: Any = select(number.label("number"), text.label("text"), sums.c.cost_micro)
    most = most.order_by(sums.c.cost_micro.desc(), text).limit(MOST_CHOICES)
    # In brackets of its own, since it has an order and a limit of its own.
    return select(most.subquery())
