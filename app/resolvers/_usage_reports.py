"""Reports of usage: all buckets of some accounts, by one statement for all of them."""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from uuid import UUID

from sqlalchemy import bindparam

from app.access import Seat, Viewer
from app.database import AnySelect
from app.errors import Invalid, Refusal
from app.resolvers._usage_query import UsageQuery, check_query
from app.resolvers._usage_rows import (
    UsageBucketRow,
    UsageReport,
    UsageState,
    UsageTotals,
    bucket_reader,
    facts_of,
    state_of,
    state_statement,
    state_values,
    total_of,
)
from app.resolvers._usage_sql import (
    Parameters,
    Shape,
    edges_of,
    grouped_by,
    key_columns,
    must_own,
    shape_of,
)

MOST_BUCKETS = 10_000


def too_many() -> Invalid:
    """Say that a report is too long for one answer."""
    return Invalid(
        range=f"This report has more than {MOST_BUCKETS:,} buckets: ask for a shorter range, longer "
        "buckets or fewer dimensions."
    )


async def states(viewer: Viewer, seats: Mapping[UUID, Seat]) -> dict[UUID, UsageState]:
    """Tell how complete each account's usage is."""
    statement = state_statement(sqlite=viewer.database.is_sqlite)
    rows = await viewer.database.rows(statement, state_values(seats))
    return {row.account_id: state_of(seats[row.account_id], facts_of(row)) for row in rows}


async def report_of_each(
    viewer: Viewer, seats: Mapping[UUID, Seat], query: UsageQuery
) -> dict[UUID, UsageReport | Refusal]:
    """Sum each account's usage. Raises `Invalid` for more than 10,000 buckets; a foreign filter is `NotFound`."""
    check_query(query)
    refused = await must_own(viewer, list(seats), query.which)
    asked = {one: seat for one, seat in seats.items() if one not in refused}
    answers: dict[UUID, UsageReport | Refusal] = {**refused}
    if asked:
        answers |= await _reports(viewer, asked, query)
    return answers


async def own_report_of_each(
    viewer: Viewer, seats: Mapping[UUID, Seat], query: UsageQuery
) -> dict[UUID, UsageReport]:
    """Sum the viewer's own usage in each account. Raises `Invalid`."""
    check_query(query)
    members = tuple(seat.member_id for seat in seats.values() if seat.member_id is not None)
    return await _reports(
        viewer, seats, replace(query, which=replace(query.which, member_ids=members))
    )


async def _reports(
    viewer: Viewer, seats: Mapping[UUID, Seat], query: UsageQuery
) -> dict[UUID, UsageReport]:
    # Asked first: what comes in between is in the sums, and not said to be missing.
    through = await states(viewer, seats)
    found: dict[UUID, list[UsageBucketRow]] = {one: [] for one in seats}
    if query.start < query.end:
        moments = edges_of(query)
        shape, values = shape_of(viewer.database, list(seats), query, moments)
        statement = _in_order(shape)
        values["most"] = (MOST_BUCKETS + 1) * len(seats)
        show = bucket_reader(statement.selected_columns.keys(), moments)
        for row in await viewer.database.rows(statement, values):
            found[row[0]].append(show(row))
    if any(len(buckets) > MOST_BUCKETS for buckets in found.values()):
        raise too_many()
    return {
        one: UsageReport(buckets, _total(buckets), through[one].complete_through)
        for one, buckets in found.items()
    }


@lru_cache(maxsize=256)
def _in_order(shape: Shape) -> AnySelect:
    statement = grouped_by(shape, Parameters(shape))
    order = key_columns(statement.selected_columns, shape.group_by)
    return statement.order_by(*order).limit(bindparam("most"))


def _total(buckets: list[UsageBucketRow]) -> UsageTotals:
    return total_of(bucket.totals for bucket in buckets)
