"""The way into every verb: who calls, which row, which seat, permission, rank, transaction, audit event."""

import functools
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Executable, Select, select
from sqlalchemy.orm import aliased
from sqlmodel import col

from app.database import Database, Session, locked, now
from app.errors import (
    Dissolved,
    EmailNotVerified,
    Forbidden,
    NotFound,
    ReauthenticationRequired,
    Refusal,
    Unauthenticated,
)
from app.models import Account, AuditActorKind, AuditEvent, Member, OutboxLetter, Table, User
from app.money import quota_text
from app.permissions import AccountKind, Permission, Role, permissions_of
from app.settings import Settings

P = ParamSpec("P")
R = TypeVar("R")
Row = TypeVar("Row", bound=Table)


@dataclass(slots=True)
class Seat:
    """A person's place in one account, with the account's own facts, as one statement found them."""

    account_id: UUID
    kind: AccountKind
    name: str
    slug: str
    created_at: datetime
    default_quota: int
    member_id: UUID
    role: Role
    quota: int
    joined_at: datetime
    now: datetime

    @property
    def permissions(self) -> frozenset[Permission]:
        """What the person may do in this account."""
        return permissions_of(self.kind, self.role)


@dataclass(slots=True)
class Viewer:
    """Who asks, in one request: made by a window, given to every verb."""

    database: Database
    settings: Settings
    user: User | None = None
    signed_in_at: datetime | None = None
    session_id: UUID | None = None
    kind: AuditActorKind = AuditActorKind.USER
    request_id: str | None = None
    ip: str | None = None
    seats: dict[UUID, Seat] = field(default_factory=dict)

    @property
    def person(self) -> User:
        """The signed-in user. Raises `Unauthenticated`."""
        if self.user is None:
            raise Unauthenticated
        return self.user


@dataclass(slots=True)
class Actor:
    """Who acts, in which account, with which permissions; `session` is there in writing verbs only."""

    viewer: Viewer
    now: datetime
    seat: Seat | None = None
    transaction: Session | None = None
    action: str = ""
    recorded: int = 0

    @property
    def settings(self) -> Settings:
        """Every setting."""
        return self.viewer.settings

    @property
    def user(self) -> User:
        """The signed-in user."""
        return self.viewer.person

    @property
    def session(self) -> Session:
        """The writing transaction that this verb is."""
        if self.transaction is None:
            raise RuntimeError("a reading verb has no transaction")
        return self.transaction

    @property
    def place(self) -> Seat:
        """The actor's seat in the account that the verb acts on."""
        if self.seat is None:
            raise RuntimeError("this verb acts on no account")
        return self.seat

    def can(self, permission: Permission) -> bool:
        """Tell whether the actor holds a permission in this account."""
        return permission in self.place.permissions

    def must_outrank(self, member: Member, *, unless_own_as: Role | None = None) -> None:
        """Refuse acting on people of the same or a higher rank (PRODUCT.md, role matrix)."""
        own = member.id == self.place.member_id
        if own and self.place.role == unless_own_as:
            return
        if own or member.role >= self.place.role:
            raise Forbidden("You may do this only to people whose role is below yours.")

    def must_be_verified(self) -> None:
        """Refuse people whose e-mail the identity provider has not verified."""
        if not self.user.email_verified:
            raise EmailNotVerified

    def record(
        self,
        target: Table,
        *,
        name: str,
        before: dict[str, Any] | None = None,
        after: dict[str, Any] | None = None,
        account_id: UUID | None = None,
        action: str | None = None,
    ) -> None:
        """Add one audit event to the transaction: this verb's action on `target`, called `name`."""
        user = self.viewer.user
        kind = self.viewer.kind
        event = AuditEvent(
            account_id=account_id or self.place.account_id,
            action=action or self.action,
            actor_kind=kind,
            actor_id=user.id if user else None,
            actor_name=user.name if user else kind.value.lower(),
            target_kind=target.KIND,
            target_id=getattr(target, "id"),  # noqa: B009 - Table itself declares no columns
            target_name=name[:254],
            before=before,
            after=after,
            request_id=self.viewer.request_id,
            ip=self.viewer.ip,
            at=self.now,
        )
        self.session.add(event)
        self.recorded += 1

    def send(
        self, kind: str, recipient: str, account_id: UUID, fields: dict[str, Any], **invitation: Any
    ) -> None:
        """Put a letter into the outbox, in this transaction."""
        letter = OutboxLetter(
            kind=kind,
            recipient=recipient,
            account_id=account_id,
            fields=fields,
            created_at=self.now,
            due_at=self.now,
            **invitation,
        )
        self.session.add(letter)


def picture(row: Table) -> dict[str, Any]:
    """Show what an audit event tells of a row, as JSON."""
    return {name: _plain(name, getattr(row, name)) for name in row.AUDITED}


def _plain(name: str, value: Any) -> Any:
    if name.endswith("quota") and isinstance(value, int):
        return quota_text(value)
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, Role):
        return value.name
    return getattr(value, "value", value)


def changes(before: dict[str, Any], after: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Keep what differs between two pictures of one row."""
    names = [name for name in after if before.get(name) != after[name]]
    return {name: before.get(name) for name in names}, {name: after[name] for name in names}


async def target_name(session: Session, row: Table) -> str:
    """Name a row for an audit event, in words that outlive it."""
    if isinstance(row, Member):
        return (await session.exec(select(col(User.name)).where(col(User.id) == row.user_id))).scalar_one()
    return str(getattr(row, "name", None) or getattr(row, "email", ""))


# ---- seats


SEAT_COLUMNS = (
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


def seats_of(user_id: UUID) -> Select[Any]:
    """Select a person's seats, ended ones too; the caller says in which accounts."""
    return (
        select(*SEAT_COLUMNS)
        .join_from(Member, Account, col(Account.id) == col(Member.account_id))
        .where(col(Member.user_id) == user_id)
    )


def seat_from(row: Any) -> Seat:
    """Make a seat from a row of `seats_of`. Raises `NotFound`, or `Dissolved` for a former member."""
    if row is None or (row.ended_at is not None and row.dissolved_at is None):
        raise NotFound
    if row.dissolved_at is not None:
        raise Dissolved
    facts = row._mapping  # noqa: SLF001 - a Row's public accessor
    return Seat(**{name: facts[name] for name in Seat.__slots__})


async def look_up_seats(viewer: Viewer, where: ColumnElement[bool]) -> dict[UUID, Seat | Refusal]:
    """Find the viewer's seats that meet a condition, by one statement, and keep them for this request."""
    found: dict[UUID, Seat | Refusal] = {}
    for row in await viewer.database.rows(seats_of(viewer.person.id).where(where)):
        try:
            seat = seat_from(row)
        except Refusal as refusal:
            found[row.account_id] = refusal
        else:
            found[row.account_id] = viewer.seats[row.account_id] = seat
    return found


# ---- verbs


@dataclass(frozen=True)
class Declaration:
    """What a verb says of itself; the docs' role matrix, `@requires` and the tests walk these."""

    name: str
    module: str
    kind: str
    permission: Permission | None = None
    on: type[Table] | None = None
    fresh: bool = False


VERBS: dict[str, Declaration] = {}


def _declare(function: Callable[..., Any], kind: str, **facts: Any) -> Declaration:
    declaration = Declaration(function.__name__, function.__module__, kind, **facts)
    VERBS[f"{declaration.module}.{declaration.name}"] = declaration
    return declaration


def _check(seat: Seat, declared: Declaration) -> None:
    if declared.permission is not None and declared.permission not in seat.permissions:
        raise Forbidden


class Reading(Generic[P, R]):
    """A reading verb over accounts: `verb(viewer, id)` for one, `verb.many(viewer, ids)` in one statement."""

    def __init__(
        self,
        function: Callable[Concatenate[Viewer, Sequence[Seat], P], Awaitable[dict[UUID, R]]],
        permission: Permission | None,
    ) -> None:
        functools.update_wrapper(self, function)
        self._function = function
        self.declared = _declare(function, "reads", permission=permission, on=Account)

    async def many(
        self, viewer: Viewer, account_ids: Sequence[UUID], /, *args: P.args, **kwargs: P.kwargs
    ) -> dict[UUID, R | Refusal]:
        """Answer for each account, in its own refusal or result."""
        answers: dict[UUID, R | Refusal] = {}
        missing = [one for one in account_ids if one not in viewer.seats]
        found = await look_up_seats(viewer, col(Account.id).in_(missing)) if missing else {}
        allowed: list[Seat] = []
        for account_id in account_ids:
            seat = viewer.seats.get(account_id) or found.get(account_id) or NotFound()
            if isinstance(seat, Seat) and self.declared.permission in {None, *seat.permissions}:
                allowed.append(seat)
            else:
                answers[account_id] = seat if isinstance(seat, Refusal) else Forbidden()
        if allowed:
            answers.update(await self._function(viewer, allowed, *args, **kwargs))
        return answers

    async def __call__(
        self, viewer: Viewer, account_id: UUID, /, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Answer for one account. Raises `NotFound`, `Forbidden`, `Dissolved`."""
        answer = (await self.many(viewer, [account_id], *args, **kwargs))[account_id]
        if isinstance(answer, Refusal):
            raise answer
        return answer


def reads(
    permission: Permission | None, *, on: type[Account]
) -> Callable[
    [Callable[Concatenate[Viewer, Sequence[Seat], P], Awaitable[dict[UUID, R]]]], Reading[P, R]
]:
    """Declare a reading verb over accounts; a permission of None asks for membership alone."""
    del on
    return lambda function: Reading(function, permission)


class Writing(Generic[Row, P, R]):
    """A writing verb: a transaction on one row, with its audit event."""

    def __init__(
        self,
        function: Callable[Concatenate[Actor, Row, P], Awaitable[R]],
        on: type[Row],
        permission: Permission,
        *,
        fresh: bool,
    ) -> None:
        functools.update_wrapper(self, function)
        self._function = function
        self._on = on
        self.declared = _declare(function, "writes", permission=permission, on=on, fresh=fresh)

    async def __call__(
        self, viewer: Viewer, row_id: UUID, /, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Do it. Raises `NotFound`, then `Forbidden`, then what the verb itself refuses."""
        person = viewer.person
        async with viewer.database.write() as session:
            account, member, row, at = await _row_and_seat(session, self._on, row_id, person.id)
            seat = _seat_of(account, member, at)
            _check(seat, self.declared)
            actor = Actor(viewer, at, seat, session, self.declared.name)
            if self.declared.fresh:
                _must_be_fresh(viewer, at)
            before = picture(row)
            result = await self._function(actor, row, *args, **kwargs)
            await _record_change(actor, row, before)
            await session.flush()
        viewer.seats.pop(account.id, None)
        if member.ended_at is None and account.dissolved_at is None:
            viewer.seats[account.id] = _seat_of(account, member, at)
        return result


def writes(
    permission: Permission, *, on: type[Row], fresh: bool = False
) -> Callable[[Callable[Concatenate[Actor, Row, P], Awaitable[R]]], Writing[Row, P, R]]:
    """Declare a writing verb on one row; `fresh` asks for a sign-in of the last ten minutes."""
    return lambda function: Writing(function, on, permission, fresh=fresh)


async def _row_and_seat(
    session: Session, on: type[Row], row_id: UUID, user_id: UUID
) -> tuple[Account, Member, Row, datetime]:
    """Lock account, seat and row, in this order, by one statement. Raises `NotFound`, `Dissolved`."""
    seat = aliased(Member)
    target: Any = Account if on is Account else aliased(on)
    account_of_row = Account.id if on is Account else target.account_id
    statement = select(Account, seat, target, now()).join(seat, seat.account_id == Account.id)
    if on is not Account:
        statement = statement.join(target, account_of_row == Account.id)
    statement = statement.where(target.id == row_id, seat.user_id == user_id)
    tables = [Account, seat] if on is Account else [Account, seat, target]
    found = (await session.exec(locked(statement, *tables))).first()
    if found is None:
        raise NotFound
    account, member, row, at = found
    if account.dissolved_at is not None:
        raise Dissolved
    if member.ended_at is not None or getattr(row, "ended_at", None) is not None:
        raise NotFound
    return account, member, row, at


def _seat_of(account: Account, member: Member, at: datetime) -> Seat:
    return Seat(
        account.id,
        account.kind,
        account.name,
        account.slug,
        account.created_at,
        account.default_quota,
        member.id,
        member.role,
        member.quota,
        member.joined_at,
        at,
    )


def _must_be_fresh(viewer: Viewer, at: datetime) -> None:
    allowed = timedelta(minutes=viewer.settings.fresh_sign_in_minutes)
    if viewer.signed_in_at is None or at - viewer.signed_in_at > allowed:
        raise ReauthenticationRequired


async def _record_change(actor: Actor, row: Table, picture_before: dict[str, Any]) -> None:
    """Write the audit event of the row that a verb was called on; changes elsewhere it records itself."""
    before, after = changes(picture_before, picture(row))
    if after:
        actor.record(row, name=await target_name(actor.session, row), before=before, after=after)
    if actor.session.dirty and not actor.recorded:
        raise RuntimeError(f"{actor.action} changed something and recorded no audit event")


def signed_in(
    function: Callable[Concatenate[Viewer, P], Awaitable[R]],
) -> Callable[Concatenate[Viewer, P], Awaitable[R]]:
    """Declare a reading verb that needs a person but no one account."""
    _declare(function, "signed_in")

    @functools.wraps(function)
    async def verb(viewer: Viewer, /, *args: P.args, **kwargs: P.kwargs) -> R:
        viewer.person  # noqa: B018 - refuses the signed-out
        return await function(viewer, *args, **kwargs)

    return verb


def signed_in_writes(
    function: Callable[Concatenate[Actor, P], Awaitable[R]],
) -> Callable[Concatenate[Viewer, P], Awaitable[R]]:
    """Declare a writing verb that needs a person but no seat; it records its own audit events."""
    _declare(function, "signed_in_writes")

    @functools.wraps(function)
    async def verb(viewer: Viewer, /, *args: P.args, **kwargs: P.kwargs) -> R:
        viewer.person  # noqa: B018 - refuses the signed-out
        return await _transaction(viewer, function, *args, **kwargs)

    return verb


def system(
    function: Callable[Concatenate[Actor, P], Awaitable[R]],
) -> Callable[Concatenate[Viewer, P], Awaitable[R]]:
    """Declare a writing verb for sign-in, webhooks, sweepers and the command line; no window's user reaches it."""
    _declare(function, "system")

    @functools.wraps(function)
    async def verb(viewer: Viewer, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return await _transaction(viewer, function, *args, **kwargs)

    return verb


def anyone(
    function: Callable[Concatenate[Viewer, P], Awaitable[R]],
) -> Callable[Concatenate[Viewer, P], Awaitable[R]]:
    """Declare a reading verb whose argument is itself the proof: a session's secret, a letter's token."""
    _declare(function, "anyone")
    return function


async def _transaction(
    viewer: Viewer, function: Callable[..., Awaitable[R]], *args: Any, **kwargs: Any
) -> R:
    async with viewer.database.write() as session:
        at = (await session.exec(select(now()))).scalar_one()
        actor = Actor(viewer, at, None, session, function.__name__)
        result = await function(actor, *args, **kwargs)
        await session.flush()
    viewer.seats.clear()
    return result
