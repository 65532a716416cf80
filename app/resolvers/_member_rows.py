"""Rows of members: what a list and a single look show, and the statements behind them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID

from sqlalchemy import and_, func, literal_column, or_, select
from sqlmodel import col

from app.access import Seat, Viewer
from app.database import AnySelect
from app.errors import BadRequest
from app.models import Hold, Member, MonthCounter, User
from app.money import UNLIMITED
from app.months import month_of
from app.pages import Cursors, Page, check_first, page_of
from app.permissions import Permission, Role
from app.resolvers._avatars import avatar_url
from app.resolvers._lists import after_key, plain_key, rows_of_each
from app.resolvers.users import UserRow
from app.text import search_text


class MemberOrder(Enum):
    """What members are ordered by."""

    NAME = "NAME"
    EMAIL = "EMAIL"
    ROLE = "ROLE"
    MONTHLY_USAGE = "MONTHLY_USAGE"
    JOINED_AT = "JOINED_AT"


@dataclass(frozen=True, slots=True)
class MemberQuery:
    """Which members, in which order, and which page of them."""

    search: str | None = None
    role: Role | None = None
    order: MemberOrder = MemberOrder.NAME
    descending: bool = False
    first: int = 50
    after: str | None = None


@dataclass(frozen=True, slots=True)
class MemberRow:
    """A member, with what they used and hold of this UTC month, in micro-credits.

    `quota`, `monthly_usage`, `held`, `remaining` and `last_used_at` are None where the viewer may not
    see them; `remaining` also where there is no limit.
    """

    id: UUID
    account_id: UUID
    role: Role
    quota: int | None
    joined_at: datetime
    user: UserRow
    monthly_usage: int | None = None
    held: int | None = None
    remaining: int | None = None
    last_used_at: datetime | None = None


USED = func.coalesce(col(MonthCounter.used_micro), 0)
KEYS: dict[MemberOrder, tuple[Any, ...]] = {
    MemberOrder.NAME: (col(Member.name_folded), col(Member.id)),
    MemberOrder.EMAIL: (col(Member.email_folded), col(Member.id)),
    MemberOrder.ROLE: (col(Member.role), col(Member.name_folded), col(Member.id)),
    MemberOrder.MONTHLY_USAGE: (USED, col(Member.id)),
    MemberOrder.JOINED_AT: (col(Member.joined_at), col(Member.id)),
}
COLUMNS = (
    col(Member.id),
    col(Member.account_id),
    col(Member.user_id),
    col(Member.role),
    col(Member.quota),
    col(Member.joined_at),
    col(User.name),
    col(User.email),
    col(User.picture_url),
)
WIDTH = len(COLUMNS) + 4


def present(at: datetime) -> AnySelect:
    """Select present members as `ever` does."""
    return ever(at).where(col(Member.ended_at).is_(None))


def ever(at: datetime) -> AnySelect:
    """Select members, former ones too, with their people and what they used in the UTC month of a moment.

    The moment is a value and not the database's clock itself, so that indexes can be asked for it: a seat's.
    """
    month, member_id = month_of(at), col(Member.id)
    # Named in the statement itself: only so is the index over just these holds of use.
    is_open: Any = literal_column("holds.status = 'OPEN'")
    run_out = (
        select(func.coalesce(func.sum(col(Hold.amount_micro)), 0))
        .where(
            col(Hold.account_id) == col(Member.account_id),
            is_open,
            col(Hold.expires_at) <= at,
            col(Hold.member_id) == member_id,
            col(Hold.month) == month,
        )
        .correlate(Member)
        .scalar_subquery()
    )
    last_used = (
        select(func.max(col(MonthCounter.last_used_at)))
        .where(col(MonthCounter.subject_id) == member_id)
        .correlate(Member)
        .scalar_subquery()
    )
    this_month = and_(col(MonthCounter.subject_id) == member_id, col(MonthCounter.month) == month)
    usage: tuple[Any, ...] = (
        USED.label("used"),
        func.coalesce(col(MonthCounter.held_micro), 0).label("counted_held"),
        run_out.label("run_out"),
        last_used.label("last_used_at"),
    )
    return (
        select(*COLUMNS, *usage)
        .join_from(Member, User, col(User.id) == col(Member.user_id))
        .outerjoin(MonthCounter, this_month)
    )


def member_row(viewer: Viewer, seat: Seat, row: Any) -> MemberRow:
    """Show a row of `ever` or `present` as this viewer may see it."""
    sees = row.id == seat.member_id or Permission.VIEW_MEMBERS in seat.permissions
    picture = avatar_url(viewer.settings, row.user_id, row.picture_url)
    user = UserRow(row.user_id, row.name, row.email if sees else None, picture)
    if not sees:
        return MemberRow(row.id, row.account_id, row.role, None, row.joined_at, user)
    used = int(row.used)
    held = max(0, int(row.counted_held) - int(row.run_out))
    remaining = None if row.quota == UNLIMITED else max(0, row.quota - used - held)
    facts = (row.id, row.account_id, row.role, row.quota, row.joined_at, user)
    return MemberRow(*facts, used, held, remaining, row.last_used_at)


def _matching(statement: AnySelect, search: str, role: Role | None) -> AnySelect:
    if search:
        within = [
            col(column).contains(search, autoescape=True)
            for column in (Member.name_folded, Member.email_folded)
        ]
        statement = statement.where(or_(*within))
    if role is not None:
        statement = statement.where(col(Member.role) == role)
    return statement


async def page_of_each(
    viewer: Viewer, seats: Mapping[UUID, Seat], query: MemberQuery
) -> dict[UUID, Page[MemberRow]]:
    """Read one page of each account's members, all by one statement."""
    first = check_first(query.first, viewer.settings)
    search = search_text(query.search)
    key = KEYS[query.order]
    shape = ("members", query.order.value, query.descending, search, query.role)
    cursors = {one: Cursors(viewer.settings, (*shape, one.hex)) for one in seats}
    after = {one: _typed(query.order, cursors[one].read(query.after)) for one in seats}

    def select_for(account_id: UUID) -> AnySelect:
        statement = present(seats[account_id].now).add_columns(
            *(part.label(f"key_{n}") for n, part in enumerate(key))
        )
        statement = statement.where(col(Member.account_id) == account_id)
        statement = _matching(statement, search, query.role)
        last = after[account_id]
        if last is not None:
            statement = statement.where(after_key(key, last, descending=query.descending))
        order = [part.desc() if query.descending else part.asc() for part in key]
        return statement.order_by(*order).limit(first + 1)

    found = await rows_of_each(viewer, seats, select_for)
    pages = {}
    for one, rows in found.items():
        page = page_of(rows, first, after[one], cursors[one], _key)
        shown = [member_row(viewer, seats[one], row) for row in page.rows]
        pages[one] = Page(shown, page.has_next, page.has_previous, page.cursor)
    return pages


def _key(row: Any) -> list[Any]:
    return plain_key(row[WIDTH:])


def _typed(order: MemberOrder, key: list[Any] | None) -> list[Any] | None:
    if key is None:
        return None
    try:
        *values, row_id = key
        if order is MemberOrder.JOINED_AT:
            values = [datetime.fromisoformat(value) for value in values]
        elif order is MemberOrder.ROLE:
            values = [Role(values[0]), *values[1:]]
        elif order is MemberOrder.MONTHLY_USAGE:
            values = [int(value) for value in values]
        return [*values, UUID(row_id)]
    except (ValueError, TypeError, IndexError):
        raise BadRequest("This cursor is not one of ours.") from None


async def count_of_each(
    viewer: Viewer, seats: Mapping[UUID, Seat], search: str | None, role: Role | None
) -> dict[UUID, int]:
    """Count each account's members that match."""
    statement = (
        select(col(Member.account_id), func.count())
        .where(col(Member.account_id).in_(seats), col(Member.ended_at).is_(None))
        .group_by(col(Member.account_id))
    )
    rows = await viewer.database.rows(_matching(statement, search_text(search), role))
    return dict.fromkeys(seats, 0) | dict(rows)
