"""Rows of members: what a list and a single look show, and the statements behind them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Date,
    Integer,
    and_,
    bindparam,
    func,
    literal,
    literal_column,
    or_,
    select,
)
from sqlmodel import col

from app.access import Seat, Viewer
from app.database import AnySelect, EnumNumber, UtcDateTime
from app.errors import BadRequest
from app.models import Hold, Member, MonthCounter, User
from app.money import UNLIMITED
from app.months import month_of
from app.pages import Cursors, Page, check_first, page_of
from app.permissions import Permission, Role
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
    """Which members, in which order, and which page of them; `usage` asks for their month too."""

    search: str | None = None
    role: Role | None = None
    order: MemberOrder = MemberOrder.NAME
    descending: bool = False
    first: int = 50
    after: str | None = None
    usage: bool = True


class MemberRow(NamedTuple):
    """A member, with what they used and hold of this UTC month, in micro-credits.

    `quota`, `monthly_usage`, `held`, `remaining` and `last_used_at` are None where the viewer may not
    see them; `remaining` also where there is no limit. All but the quota are None where nobody asked.
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
    col(Member.user_id),
    col(Member.role),
    col(Member.quota),
    col(Member.joined_at),
    col(User.name),
    col(User.email),
    col(User.picture_url),
)
USAGE = 4
"""Columns of usage, which come after these."""


def present(at: datetime) -> AnySelect:
    """Select present members as `ever` does."""
    return ever(at).where(col(Member.ended_at).is_(None))


def ever(at: datetime) -> AnySelect:
    """Select members, former ones too, with their people, what they used in the UTC month of a moment, and `account_id`.

    The moment is a value and not the database's clock itself, so that indexes can be asked for it: a seat's.
    """
    month: Any = month_of(at)
    return (
        select(*COLUMNS, *_usage(at, month), col(Member.account_id))
        .join_from(Member, User, col(User.id) == col(Member.user_id))
        .outerjoin(MonthCounter, _in_month(month))
    )


def _in_month(month: date) -> ColumnElement[bool]:
    return and_(col(MonthCounter.subject_id) == col(Member.id), col(MonthCounter.month) == month)


def _usage(at: datetime, month: date) -> tuple[Any, ...]:
    """Select what a member used and holds, beside the counter of this month."""
    member_id = col(Member.id)
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
    return (
        USED.label("used"),
        func.coalesce(col(MonthCounter.held_micro), 0).label("counted_held"),
        run_out.label("run_out"),
        last_used.label("last_used_at"),
    )


def member_row(viewer: Viewer, seat: Seat, row: Any) -> MemberRow:
    """Show a row of `ever` or `present` as this viewer may see it."""
    return members_shown(viewer, seat, [row], usage=True)[0]


def members_shown(
    viewer: Viewer, seat: Seat, rows: Sequence[Any], *, usage: bool
) -> list[MemberRow]:
    """Show rows of one account's members, with columns of usage or without, as this viewer may see them."""
    sees_all = Permission.VIEW_MEMBERS in seat.permissions
    own, account_id, settings = seat.member_id, seat.account_id, viewer.settings
    shown = []
    for row in rows:
        # By place: by name each would be looked up anew in every row.
        member_id, user_id, role, quota, joined_at, name, email, picture = row[: len(COLUMNS)]
        sees = sees_all or member_id == own
        user = UserRow.of(settings, user_id, name, email if sees else None, picture)
        limit = quota if sees else None
        month = _month(row, quota) if sees and usage else ()
        shown.append(MemberRow(member_id, account_id, role, limit, joined_at, user, *month))
    return shown


def _month(row: Any, quota: int) -> tuple[int, int, int | None, datetime | None]:
    """Tell what was used, is held and remains, and the last use."""
    used, counted, run_out, last_used_at = row[len(COLUMNS) : len(COLUMNS) + USAGE]
    held = max(0, int(counted) - int(run_out))
    remaining = None if quota == UNLIMITED else max(0, quota - int(used) - held)
    return int(used), held, remaining, last_used_at


@dataclass(frozen=True, slots=True)
class _Shape:
    """What makes the text of a page's statement; all else are its parameters."""

    order: MemberOrder
    descending: bool
    searched: bool
    by_role: bool
    resumed: bool
    usage: bool

    def select(self, given: Mapping[str, Any]) -> AnySelect:
        """Select a page with these parameters."""
        key = KEYS[self.order]
        at, month = given["at"], given["month"]
        columns = (*COLUMNS, *(_usage(at, month) if self.usage else ()))
        # The id, last in each key, stands first in the row.
        parts = (part.label(f"key_{n}") for n, part in enumerate(key[:-1]))
        statement: AnySelect = select(*columns, *parts)
        statement = statement.join_from(Member, User, col(User.id) == col(Member.user_id))
        if self.usage:
            statement = statement.outerjoin(MonthCounter, _in_month(month))
        statement = statement.where(*self._conditions(given))
        order = [part.desc() if self.descending else part.asc() for part in key]
        return statement.order_by(*order).limit(given["rows"])

    def _conditions(self, given: Mapping[str, Any]) -> list[ColumnElement[bool]]:
        found = [col(Member.ended_at).is_(None), col(Member.account_id) == given["account_id"]]
        if self.searched:
            found.append(_found(given["search"]))
        if self.by_role:
            found.append(col(Member.role) == given["role"])
        if self.resumed:
            key = KEYS[self.order]
            last = [given[f"after_{n}"] for n in range(len(key))]
            if self.order is MemberOrder.ROLE:
                # Hidden from planners, who would see how few have a higher rank, and sort all that come after.
                role: Any = last[0]
                is_bind = isinstance(role, ColumnElement)
                value = role if is_bind else literal(role, EnumNumber(Role))
                last[0] = select(value).scalar_subquery()
            found.append(after_key(key, last, descending=self.descending))
        return found


@lru_cache(maxsize=256)
def _prepared(shape: _Shape) -> AnySelect:
    """Build a statement once for all pages of its shape: building costs as much as running it."""
    binds: dict[str, Any] = {
        f"after_{n}": bindparam(f"after_{n}", type_=part.type)
        for n, part in enumerate(KEYS[shape.order])
    }
    binds |= {name: bindparam(name) for name in ("account_id", "search", "role")}
    binds |= {"at": bindparam("at", type_=UtcDateTime()), "month": bindparam("month", type_=Date())}
    return shape.select({**binds, "rows": bindparam("rows", type_=Integer)})


def _found(pattern: Any) -> ColumnElement[bool]:
    within = (Member.name_folded, Member.email_folded)
    return or_(*(col(column).like(pattern, escape="/") for column in within))


def _pattern(search: str) -> str:
    """Write a text as LIKE takes it, its wildcards as themselves."""
    plain = search.replace("/", "//").replace("%", "/%").replace("_", "/_")
    return f"%{plain}%"


async def page_of_each(
    viewer: Viewer, seats: Mapping[UUID, Seat], query: MemberQuery
) -> dict[UUID, Page[MemberRow]]:
    """Read one page of each account's members, all by one statement."""
    first = check_first(query.first, viewer.settings)
    search = search_text(query.search)
    binding = ("members", query.order.value, query.descending, search, query.role)
    cursors = {one: Cursors(viewer.settings, (*binding, one.hex)) for one in seats}
    after = {one: _typed(query.order, cursors[one].read(query.after)) for one in seats}
    usage = query.usage or query.order is MemberOrder.MONTHLY_USAGE
    filters = (bool(search), query.role is not None, query.after is not None)
    shape = _Shape(query.order, query.descending, *filters, usage)

    def values(account_id: UUID) -> dict[str, Any]:
        at = seats[account_id].now
        given = {"search": _pattern(search), "role": query.role, "rows": first + 1}
        last = {f"after_{n}": part for n, part in enumerate(after[account_id] or ())}
        return {**given, **last, "account_id": account_id, "at": at, "month": month_of(at)}

    if len(seats) == 1:
        [only] = seats
        found = {only: await viewer.database.rows(_prepared(shape), values(only))}
    else:
        found = await rows_of_each(
            viewer, seats, lambda one: shape.select(values(one)).add_columns(col(Member.account_id))
        )

    before = len(COLUMNS) + USAGE * usage

    def key_of(row: Any) -> list[Any]:
        return plain_key((*row[before : before + len(KEYS[query.order]) - 1], row[0]))

    pages = {}
    for one, rows in found.items():
        page = page_of(rows, first, after[one], cursors[one], key_of)
        shown = members_shown(viewer, seats[one], page.rows, usage=usage)
        pages[one] = Page(shown, page.has_next, page.has_previous, page.cursor)
    return pages


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
    wanted = search_text(search)
    if wanted:
        statement = statement.where(_found(_pattern(wanted)))
    if role is not None:
        statement = statement.where(col(Member.role) == role)
    rows = await viewer.database.rows(statement)
    return dict.fromkeys(seats, 0) | dict(rows)
