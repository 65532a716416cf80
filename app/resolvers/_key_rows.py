"""Rows of keys: what lists and single looks show, secrets left out, and the statements behind them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import and_, func, or_, select
from sqlmodel import col

from app.access import Seat, Viewer
from app.database import AnySelect, now, this_month
from app.models import Member, User
from app.models.keys import ApiKey, ManagementKey
from app.models.metering import MonthCounter
from app.pages import Cursors, Page, check_first, page_of
from app.permissions import Permission, Role
from app.resolvers._lists import after_key, moment_key, plain_key, rows_of_each
from app.resolvers.users import UserRow

R = TypeVar("R", "ApiKeyRow", "ManagementKeyRow")


@dataclass(frozen=True, slots=True)
class ApiKeyRow:
    """A standard key. `monthly_limit` and `monthly_usage`, this UTC month's, are micro-credits."""

    id: UUID
    account_id: UUID
    member_id: UUID
    name: str
    prefix: str
    last_four: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    tag: str | None
    monthly_limit: int
    last_used_at: datetime | None
    monthly_usage: int
    owner_role: Role
    owner: UserRow


@dataclass(frozen=True, slots=True)
class ManagementKeyRow:
    """A management key."""

    id: UUID
    account_id: UUID
    member_id: UUID
    name: str
    prefix: str
    last_four: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    created_by: UserRow


def _shared(key: type[ApiKey | ManagementKey]) -> tuple[Any, ...]:
    names = ("id", "account_id", "member_id", "name", "prefix", "last_four")
    times = ("created_at", "expires_at", "revoked_at")
    return tuple(col(getattr(key, name)) for name in (*names, *times))


_PERSON: tuple[Any, ...] = (
    col(User.id).label("user_id"),
    col(User.name).label("user_name"),
    col(User.email),
    col(User.picture_url),
)


def api_keys_in_full() -> AnySelect:
    """Select standard keys with their owners, this month's usage and last use."""
    counter = MonthCounter
    last_used = (
        select(func.max(col(counter.last_used_at)))
        .where(col(counter.subject_id) == col(ApiKey.id))
        .correlate(ApiKey)
        .scalar_subquery()
    )
    this = and_(col(counter.subject_id) == col(ApiKey.id), col(counter.month) == this_month())
    used = func.coalesce(col(counter.used_micro), 0)
    shown = (
        *_shared(ApiKey),
        col(ApiKey.tag),
        col(ApiKey.monthly_limit),
        last_used.label("last_used_at"),
        used.label("monthly_usage"),
        col(Member.role),
    )
    return (
        select(*shown, *_PERSON)
        .join_from(ApiKey, User, col(User.id) == col(ApiKey.user_id))
        .join(Member, col(Member.id) == col(ApiKey.member_id))
        .outerjoin(counter, this)
    )


def management_keys_in_full() -> AnySelect:
    """Select management keys with their makers."""
    shown = (*_shared(ManagementKey), col(ManagementKey.last_used_at))
    maker = col(User.id) == col(ManagementKey.user_id)
    return select(*shown, *_PERSON).join_from(ManagementKey, User, maker)


def api_key_row(viewer: Viewer, seat: Seat, row: Any) -> ApiKeyRow:
    """Show a row of `api_keys_in_full`."""
    shown = row[: len(ApiKeyRow.__slots__) - 1]
    return ApiKeyRow(*(*shown, _person(viewer, seat, row)))


def management_key_row(viewer: Viewer, seat: Seat, row: Any) -> ManagementKeyRow:
    """Show a row of `management_keys_in_full`."""
    shown = row[: len(ManagementKeyRow.__slots__) - 1]
    return ManagementKeyRow(*(*shown, _person(viewer, seat, row)))


def _person(viewer: Viewer, seat: Seat, row: Any) -> UserRow:
    sees = row.member_id == seat.member_id or Permission.VIEW_MEMBERS in seat.permissions
    email = row.email if sees else None
    return UserRow.of(viewer.settings, row.user_id, row.user_name, email, row.picture_url)


@dataclass(frozen=True, slots=True)
class KeyList(Generic[R]):
    """A list of keys: its name, table and statement, how a row is shown, and whether only one's own are in it."""

    name: str
    table: type[ApiKey | ManagementKey]
    in_full: Callable[[], AnySelect]
    show: Callable[[Viewer, Seat, Any], R]
    own: bool = False


ALL_API_KEYS = KeyList("api_keys", ApiKey, api_keys_in_full, api_key_row)
OWN_API_KEYS = replace(ALL_API_KEYS, name="own_api_keys", own=True)
MANAGEMENT_KEYS = KeyList(
    "management_keys", ManagementKey, management_keys_in_full, management_key_row
)


def _is_live(table: type[ApiKey | ManagementKey]) -> Any:
    ends = col(table.expires_at)
    return and_(col(table.revoked_at).is_(None), or_(ends.is_(None), ends > now()))


async def page_of_each(
    viewer: Viewer,
    seats: Mapping[UUID, Seat],
    which: KeyList[R],
    first: int,
    after: str | None,
    *,
    live: bool = False,
) -> dict[UUID, Page[R]]:
    """Read one page of each account's keys, ended ones too unless `live`, newest first, all by one statement."""
    check_first(first, viewer.settings)
    key = (col(which.table.created_at), col(which.table.id))
    cursors = {one: Cursors(viewer.settings, (which.name, one.hex)) for one in seats}
    last = {one: moment_key(cursors[one].read(after)) for one in seats}

    def select_for(account_id: UUID) -> AnySelect:
        statement = which.in_full().where(col(which.table.account_id) == account_id)
        if which.own:
            own = col(which.table.member_id) == seats[account_id].member_id
            statement = statement.where(own)
        if live:
            statement = statement.where(_is_live(which.table))
        key_after = last[account_id]
        if key_after is not None:
            statement = statement.where(after_key(key, key_after, descending=True))
        return statement.order_by(*(part.desc() for part in key)).limit(first + 1)

    pages = {}
    for one, rows in (await rows_of_each(viewer, seats, select_for) if seats else {}).items():
        shown = [which.show(viewer, seats[one], row) for row in rows]
        pages[one] = page_of(shown, first, last[one], cursors[one], _key)
    return pages


def _key(row: ApiKeyRow | ManagementKeyRow) -> list[Any]:
    return plain_key([row.created_at, row.id])


async def count_of_each(
    viewer: Viewer, seats: Mapping[UUID, Seat], which: KeyList[R], *, live: bool = False
) -> dict[UUID, int]:
    """Count the keys of each account that `page_of_each` goes through."""
    account_id = col(which.table.account_id)
    statement = select(account_id, func.count()).where(account_id.in_(seats)).group_by(account_id)
    if which.own:
        own = [seat.member_id for seat in seats.values()]
        statement = statement.where(col(which.table.member_id).in_(own))
    if live:
        statement = statement.where(_is_live(which.table))
    return dict.fromkeys(seats, 0) | dict(await viewer.database.rows(statement))
