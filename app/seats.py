"""Seats: a person's place in an account, found together with the account, and who asks."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

from sqlalchemy import Uuid, bindparam, select
from sqlalchemy.orm import aliased
from sqlmodel import col

from app.database import AnySelect, Database, now
from app.errors import Dissolved, NotFound, Refusal, Unauthenticated, Unavailable
from app.models import Account, AuditActorKind, Member, Table, User
from app.permissions import (
    MANAGEMENT_KEY_PERMISSIONS,
    AccountKind,
    Permission,
    Role,
    permissions_of,
)
from app.settings import Settings

if TYPE_CHECKING:  # the package behind it takes long to import, and most commands need none of it
    from app.integrations.stripe import Stripe


@dataclass(slots=True)
class Seat:
    """A place in one account, with the account's own facts, as one statement found them.

    A person's has a role; a management key's has none, and no membership.
    """

    account_id: UUID
    kind: AccountKind
    name: str
    slug: str
    created_at: datetime
    default_quota: int
    member_id: UUID | None
    role: Role | None
    quota: int
    joined_at: datetime
    now: datetime

    @property
    def permissions(self) -> frozenset[Permission]:
        """What may be done here: by the person's role, or by a management key, which has no role."""
        if self.role is None:
            return MANAGEMENT_KEY_PERMISSIONS
        return permissions_of(self.kind, self.role)


@dataclass(frozen=True, slots=True)
class Person:
    """A signed-in user, as plain facts that no transaction can take away."""

    id: UUID
    name: str
    email: str
    email_folded: str
    email_verified: bool
    picture_url: str | None


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """The management key that asks, as a trace names it."""

    id: UUID
    name: str


PERSON_COLUMNS = (
    col(User.id),
    col(User.name),
    col(User.email),
    col(User.email_folded),
    col(User.email_verified),
    col(User.picture_url),
)


def person_from(row: Any) -> Person:
    """Make a person from a `User`, or from a row whose first columns are `PERSON_COLUMNS`."""
    if isinstance(row, User):
        return Person(**{name: getattr(row, name) for name in Person.__slots__})
    return Person(*row[: len(PERSON_COLUMNS)])


@dataclass(slots=True)
class Viewer:
    """Who asks, in one request: made by a window, given to every verb."""

    database: Database
    settings: Settings
    user: Person | None = None
    signed_in_at: datetime | None = None
    session_id: UUID | None = None
    kind: AuditActorKind = AuditActorKind.USER
    request_id: str | None = None
    ip: str | None = None
    key: KeyFacts | None = None
    stripe: "Stripe | None" = None
    seats: dict[UUID, Seat] = field(default_factory=dict)
    balances: dict[UUID, Any] = field(default_factory=dict)
    """Balances that were read in one statement with a seat, for the one verb that tells them."""

    @property
    def person(self) -> Person:
        """The signed-in user. Raises `Unauthenticated`."""
        if self.user is None:
            raise Unauthenticated
        return self.user

    @property
    def at_stripe(self) -> "Stripe":
        """Stripe, to be asked outside of any transaction. Raises `Unavailable` in a process without it."""
        if self.stripe is None:
            raise Unavailable
        return self.stripe

    def as_system(self) -> Self:
        """The service itself, as it acts upon what this viewer, or a hosted service, has caused."""
        kind = AuditActorKind.SYSTEM
        return replace(self, user=None, key=None, kind=kind, session_id=None, seats={}, balances={})


SEAT_COLUMNS: tuple[Any, ...] = (
    col(Account.id).label("account_id"),
    col(Account.kind),
    col(Account.name),
    col(Account.slug),
    col(Account.created_at),
    col(Account.default_quota),
    col(Account.dissolved_at),
    col(Member.id).label("member_id"),
    col(Member.role),
    col(Member.quota),
    col(Member.joined_at),
    col(Member.ended_at),
    now().label("now"),
)


def seats_of(user_id: Any, *more: Any) -> AnySelect:
    """Select a person's seats, ended ones too; the caller says in which accounts."""
    return (
        select(*SEAT_COLUMNS, *more)
        .join_from(Member, Account, col(Account.id) == col(Member.account_id))
        .where(col(Member.user_id) == user_id)
    )


def seat_from(row: Any) -> Seat | Refusal:
    """Make a seat from a row of `seats_of`; `NotFound` for what has ended, `Dissolved` for the dissolved."""
    if row.dissolved_at is not None:
        return Dissolved()
    if row.ended_at is not None:
        return NotFound()
    facts = row._mapping  # noqa: SLF001 - a Row's public accessor
    return Seat(**{name: facts[name] for name in Seat.__slots__})


def keep(viewer: Viewer, seat: Seat | Refusal) -> Seat | Refusal:
    """Keep a seat for the rest of this request."""
    if isinstance(seat, Seat):
        viewer.seats[seat.account_id] = seat
    return seat


@lru_cache(maxsize=32)
def _asked(on: type[Table]) -> AnySelect:
    """Select `user_id`'s seats in the accounts of the rows with these `ids`: built once for each table."""
    ids: Any = bindparam("ids", expanding=True)
    person = bindparam("user_id", type_=Uuid())
    if on is Account:
        asked: Any = col(Account.id).label("asked_id")
        return seats_of(person, asked).where(col(Account.id).in_(ids))
    target: Any = aliased(on)
    return (
        seats_of(person, target.id.label("asked_id"))
        .join(target, target.account_id == col(Account.id))
        .where(target.id.in_(ids))
    )


async def look_up_seats(
    viewer: Viewer, on: type[Table], ids: Sequence[UUID]
) -> dict[UUID, Seat | Refusal]:
    """Find the viewer's seat in the account of each row, by one statement at the most; strangers' are left out."""
    found: dict[UUID, Seat | Refusal] = {}
    if on is Account:
        found = {one: viewer.seats[one] for one in ids if one in viewer.seats}
    missing = [one for one in ids if one not in found]
    if not missing or viewer.kind is AuditActorKind.MANAGEMENT_KEY:
        return found  # A management key's window gave it the one seat that it has.
    values = {"user_id": viewer.person.id, "ids": missing}
    for row in await viewer.database.rows(_asked(on), values):
        found[row.asked_id] = keep(viewer, seat_from(row))
    return found
