"""Overviews of usage: the biggest series, what is left of the rest, and the range before, in four statements."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID

from sqlalchemy import Integer, case, func, literal, select, union_all
from sqlmodel import col

from app.access import Seat, Viewer
from app.database import AnySelect, Database
from app.dialects import summed
from app.errors import NotFound
from app.models import Member, User
from app.models.keys import ApiKey
from app.resolvers._usage_query import Dimension, UsageFilter, UsageQuery, check_query
from app.resolvers._usage_reports import states
from app.resolvers._usage_rows import UsageState, UsageTotals, total_of
from app.resolvers._usage_sql import COLUMN_OF, TALLY, edges_of, grouped, with_names
from app.zones import Granularity

BEFORE = -1
NOBODY = UUID(int=0)

Value = str | UUID
"""A model's name, a member's or key's id, or a tag ("" for calls without one)."""


class Figure(Enum):
    """What a chart shows, and series are ranked by."""

    CREDITS = "credits"
    TOKENS = "tokens"
    REQUESTS = "requests"


@dataclass(frozen=True, slots=True)
class OverviewQuery:
    """What is shown of [start, end): `most` series of `split`, `most_beside` of `beside`, the sums of `before`."""

    start: datetime
    end: datetime
    before: tuple[datetime, datetime]
    granularity: Granularity
    split: Dimension
    beside: tuple[Dimension, ...] = ()
    which: UsageFilter = field(default_factory=UsageFilter)
    figure: Figure = Figure.CREDITS
    most: int = 6
    most_beside: int = 6

    def query(self, granularity: Granularity, *group_by: Dimension) -> UsageQuery:
        """Ask for sums of this range."""
        return UsageQuery(self.start, self.end, granularity, group_by, self.which)


@dataclass(frozen=True, slots=True)
class Label:
    """What an id is called; `email` is None for keys."""

    name: str
    email: str | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """One model, member, key or tag, and what was used by it in the whole range."""

    value: Value
    name: str
    email: str | None
    totals: UsageTotals


@dataclass(frozen=True, slots=True)
class Ranking:
    """The biggest series of one dimension, and how many there are in all."""

    series: Sequence[Series]
    count: int


@dataclass(frozen=True, slots=True)
class UsageOverview:
    """Sums by buckets and series. `stacks[bucket][series]`, the last series being all others together.

    `edges` are one more than there are buckets. `labels` name the ids that the filter names.
    """

    edges: Sequence[datetime]
    stacks: Sequence[Sequence[UsageTotals]]
    totals: UsageTotals
    before: UsageTotals
    rankings: Mapping[Dimension, Ranking]
    labels: Mapping[UUID, Label]
    state: UsageState


async def overview_of(
    viewer: Viewer, seat: Seat, query: OverviewQuery, *, own_only: bool = False
) -> UsageOverview:
    """Sum one account's usage, or only the viewer's own. Raises `Invalid`, and `NotFound` for foreign ids."""
    check_query(query.query(query.granularity, query.split))
    labels = await filter_labels(viewer, seat, query.which, own_only=own_only)
    query = replace(query, which=only_own(seat, query.which) if own_only else query.which)
    # Asked first: what comes in between is in the sums, and not said to be missing.
    state = (await states(viewer, {seat.account_id: seat}))[seat.account_id]
    rankings = {query.split: await _ranking(viewer, seat, query, query.split, query.most)}
    for one in query.beside:
        rankings[one] = await _ranking(viewer, seat, query, one, query.most_beside)
    top = [one.value for one in rankings[query.split].series]
    edges = edges_of(query.query(query.granularity))
    stacks = [[UsageTotals()] * (len(top) + 1) for _ in edges[1:]]
    before = UsageTotals()
    statement = _stacks(viewer.database, seat.account_id, query, edges, top)
    for bucket, rank, *sums in await viewer.database.rows(statement):
        if bucket == BEFORE:
            before = UsageTotals(*sums)
        else:
            stacks[bucket][rank] = UsageTotals(*sums)
    totals = total_of(one for stack in stacks for one in stack)
    return UsageOverview(edges, stacks, totals, before, rankings, labels, state)


def only_own(seat: Seat, which: UsageFilter) -> UsageFilter:
    """Narrow a filter to the viewer's own calls."""
    return replace(which, member_ids=(seat.member_id or NOBODY,))


async def _ranking(
    viewer: Viewer, seat: Seat, query: OverviewQuery, dimension: Dimension, most: int
) -> Ranking:
    whole = query.query(Granularity.TOTAL, dimension)
    edges = [query.start, query.end]
    sums = grouped(viewer.database, [seat.account_id], whole, edges).subquery("ranked")
    order = [_figure(sums.c, query.figure).desc(), sums.c.cost_micro.desc()]
    value = sums.c[COLUMN_OF[dimension]]
    place = func.row_number().over(order_by=[*order, value])
    ranked = select(*sums.c, place.label("place"), func.count().over().label("count"))
    named = with_names(ranked.order_by(*order, value).limit(most), whole.group_by)
    rows = await viewer.database.rows(named.order_by(named.selected_columns["place"]))
    series = [_series(row, dimension) for row in rows]
    return Ranking(series, rows[0].count if rows else 0)


def _figure(columns: Any, figure: Figure) -> Any:
    if figure is Figure.CREDITS:
        return columns.cost_micro
    if figure is Figure.REQUESTS:
        return columns.requests
    return columns.prompt_tokens + columns.completion_tokens


def _series(row: Any, dimension: Dimension) -> Series:
    facts = row._mapping  # noqa: SLF001 - a Row's public accessor
    value = facts[COLUMN_OF[dimension]]
    totals = UsageTotals(*(facts[name] for name in TALLY))
    if dimension is Dimension.MEMBER:
        return Series(value, facts["member_name"] or "", facts["member_email"], totals)
    name = facts["api_key_name"] if dimension is Dimension.API_KEY else value
    return Series(value, name or "", None, totals)


def _stacks(
    database: Database,
    account_id: UUID,
    query: OverviewQuery,
    edges: Sequence[datetime],
    top: Sequence[Value],
) -> AnySelect:
    """Sum each bucket by the top series and all others together, and the range before, at one moment."""
    by_series = query.query(query.granularity, query.split)
    sums = grouped(database, [account_id], by_series, edges).subquery("now")
    rank: Any = literal(0, Integer)
    if top:
        value = sums.c[COLUMN_OF[query.split]]
        rank = case({one: n for n, one in enumerate(top)}, value=value, else_=len(top))
    now = select(sums.c.bucket, rank.label("rank"), *(sums.c[name] for name in TALLY)).subquery()
    stacks = select(now.c.bucket, now.c.rank, *(_sum(now, name) for name in TALLY))
    start, end = query.before
    past = UsageQuery(start, end, Granularity.TOTAL, which=query.which)
    earlier = grouped(database, [account_id], past, [start, end]).subquery("earlier")
    before = select(literal(BEFORE), literal(0), *(_sum(earlier, name) for name in TALLY))
    return union_all(stacks.group_by(now.c.bucket, now.c.rank), before)


def _sum(table: Any, name: str) -> Any:
    return summed(table.c[name]).label(name)


async def filter_labels(
    viewer: Viewer,
    seat: Seat,
    which: UsageFilter,
    *,
    own_only: bool = False,
    more: tuple[Sequence[UUID], Sequence[UUID]] = ((), ()),
) -> dict[UUID, Label]:
    """Name the members and keys of a filter, and `more` of both, by one statement where there are any.

    Raises `NotFound` where the filter names what is not the account's, or with `own_only` not the viewer's.
    """
    wanted = {*(which.member_ids or ()), *(which.api_key_ids or ())}
    member_ids = {*(which.member_ids or ()), *more[0]}
    key_ids = {*(which.api_key_ids or ()), *more[1]}
    if not member_ids | key_ids:
        return {}
    members = select(col(Member.id), col(User.name), col(User.email)).join_from(
        Member, User, col(User.id) == col(Member.user_id)
    )
    keys = select(col(ApiKey.id), col(ApiKey.name), literal(None))
    members = members.where(col(Member.account_id) == seat.account_id)
    keys = keys.where(col(ApiKey.account_id) == seat.account_id)
    if own_only:
        members = members.where(col(Member.id) == seat.member_id)
        keys = keys.where(col(ApiKey.member_id) == seat.member_id)
    statement: AnySelect = union_all(
        members.where(col(Member.id).in_(member_ids)), keys.where(col(ApiKey.id).in_(key_ids))
    )
    labels = {one: Label(name, email) for one, name, email in await viewer.database.rows(statement)}
    if wanted - labels.keys():
        raise NotFound
    return labels
