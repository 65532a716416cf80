"""Records of usage, as people page through them: newest first."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlmodel import col

from app.access import Seat, Viewer
from app.database import AnySelect
from app.errors import BadRequest
from app.models.usage import UsageRecord
from app.pages import Cursors, Page, check_first, page_of
from app.resolvers._lists import after_key, plain_key, rows_of_each
from app.resolvers._usage_query import RecordsQuery, check_filter, check_range
from app.resolvers._usage_rows import RECORD_COLUMNS, UsageRecordRow
from app.resolvers._usage_sql import matching

KEY = (col(UsageRecord.occurred_at), col(UsageRecord.sequence))


def in_range(query: RecordsQuery) -> list[Any]:
    """List the conditions of a query, but for the account's."""
    conditions = [col(UsageRecord.occurred_at) >= query.start, *matching(UsageRecord, query.which)]
    if query.end is not None:
        conditions.append(col(UsageRecord.occurred_at) < query.end)
    return conditions


def check_records(query: RecordsQuery) -> None:
    """Refuse a query that makes no sense. Raises `Invalid`."""
    if query.end is not None:
        check_range(query.start, query.end)
    check_filter(query.which)


def own(seats: Mapping[UUID, Seat], one: UUID) -> list[Any]:
    """List the condition that records are the viewer's own."""
    return [col(UsageRecord.member_id) == seats[one].member_id]


async def page_of_each(
    viewer: Viewer,
    seats: Mapping[UUID, Seat],
    query: RecordsQuery,
    first: int,
    after: str | None,
    *,
    own_only: bool = False,
) -> dict[UUID, Page[UsageRecordRow]]:
    """Read one page of each account's records, all by one statement. Raises `Invalid`, `BadRequest`."""
    check_first(first, viewer.settings)
    check_records(query)
    shape = ("usage_records", own_only, query.start, query.end, query.which.binding())
    cursors = {one: Cursors(viewer.settings, (*shape, one.hex)) for one in seats}
    last = {one: _typed(cursors[one].read(after)) for one in seats}

    def select_for(account_id: UUID) -> AnySelect:
        mine = own(seats, account_id) if own_only else []
        statement = select(*RECORD_COLUMNS).where(
            col(UsageRecord.account_id) == account_id, *mine, *in_range(query)
        )
        key_after = last[account_id]
        if key_after is not None:
            statement = statement.where(after_key(KEY, key_after, descending=True))
        return statement.order_by(*(part.desc() for part in KEY)).limit(first + 1)

    found = await rows_of_each(viewer, seats, select_for)
    return {
        one: page_of([UsageRecordRow(*row) for row in rows], first, last[one], cursors[one], _key)
        for one, rows in found.items()
    }


def _key(row: UsageRecordRow) -> list[Any]:
    return plain_key([row.occurred_at, row.sequence])


def _typed(key: list[Any] | None) -> list[Any] | None:
    if key is None:
        return None
    try:
        moment, sequence = key
        return [datetime.fromisoformat(moment), int(sequence)]
    except (ValueError, TypeError):
        raise BadRequest("This cursor is not one of ours.") from None


async def count_of_each(
    viewer: Viewer, seats: Mapping[UUID, Seat], query: RecordsQuery, *, own_only: bool = False
) -> dict[UUID, int]:
    """Count each account's records that `page_of_each` goes through."""
    account_id = col(UsageRecord.account_id)
    statement = (
        select(account_id, func.count())
        .where(account_id.in_(list(seats)), *in_range(query))
        .group_by(account_id)
    )
    if own_only:
        members = [seat.member_id for seat in seats.values()]
        statement = statement.where(col(UsageRecord.member_id).in_(members))
    rows: list[Any] = await viewer.database.rows(statement)
    return dict.fromkeys(seats, 0) | {row[0]: row[1] for row in rows}
