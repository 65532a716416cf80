"""The way in to every verb: who calls, which row, which seat, permission, transaction, audit event."""

import functools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import aliased
from sqlmodel import col

from app.actors import Actor, picture
from app.database import AnySelect, Session, locked, now
from app.errors import Dissolved, Forbidden, NotFound, ReauthenticationRequired, Refusal
from app.models import Account, Member, Table
from app.permissions import Permission
from app.seats import Seat, Viewer, look_up_seats

P = ParamSpec("P")
R = TypeVar("R")
Row = TypeVar("Row", bound=Table)

__all__ = [
    "VERBS",
    "Actor",
    "Declaration",
    "Seat",
    "Viewer",
    "anyone",
    "in_steps",
    "reads",
    "signed_in",
    "signed_in_writes",
    "system",
    "writes",
]


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
    """A reading verb: `verb(viewer, id)` for one row, `verb.many(viewer, ids)` for many by the same statements."""

    def __init__(
        self,
        function: Callable[
            Concatenate[Viewer, Mapping[UUID, Seat], P], Awaitable[Mapping[UUID, R | Refusal]]
        ],
        on: type[Table],
        permission: Permission | None,
    ) -> None:
        functools.update_wrapper(self, function)
        self._function = function
        self._on = on
        self.declared = _declare(function, "reads", permission=permission, on=on)

    async def many(
        self, viewer: Viewer, ids: Sequence[UUID], /, *args: P.args, **kwargs: P.kwargs
    ) -> dict[UUID, R | Refusal]:
        """Answer for each id, by its own result or its own refusal."""
        answers: dict[UUID, R | Refusal] = {}
        found = await look_up_seats(viewer, self._on, ids)
        allowed: dict[UUID, Seat] = {}
        for one in ids:
            seat = found.get(one) or NotFound()
            if isinstance(seat, Refusal):
                answers[one] = seat
            elif self.declared.permission in {None, *seat.permissions}:
                allowed[one] = seat
            else:
                answers[one] = Forbidden()
        if allowed:
            results = await self._function(viewer, allowed, *args, **kwargs)
            for one in allowed:
                answers[one] = results[one] if one in results else NotFound()
        return answers

    async def __call__(
        self, viewer: Viewer, row_id: UUID, /, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Answer for one row. Raises `NotFound`, `Forbidden`, `Dissolved`."""
        answer = (await self.many(viewer, [row_id], *args, **kwargs))[row_id]
        if isinstance(answer, Refusal):
            raise answer
        return answer


def reads(
    permission: Permission | None, *, on: type[Table]
) -> Callable[
    [Callable[Concatenate[Viewer, Mapping[UUID, Seat], P], Awaitable[Mapping[UUID, R | Refusal]]]],
    Reading[P, R],
]:
    """Declare a reading verb; it gets the seat for each id that is asked for and may be answered.

    A permission of None asks for membership alone: the verb then says itself what of a row is seen.
    """
    return lambda function: Reading(function, on, permission)


class Writing(Generic[Row, P, R]):
    """A writing verb: a transaction on one row, with its audit event."""

    def __init__(
        self,
        function: Callable[Concatenate[Actor, Row, P], Awaitable[R]],
        on: type[Row],
        permission: Permission,
        *,
        fresh: bool,
        check: Callable[Concatenate[Viewer, P], object] | None,
    ) -> None:
        functools.update_wrapper(self, function)
        self._function = function
        self._on = on
        self._check_arguments = check
        self.declared = _declare(function, "writes", permission=permission, on=on, fresh=fresh)

    async def __call__(
        self, viewer: Viewer, row_id: UUID, /, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Do it. Raises `NotFound`, then `Forbidden`, then what the verb itself refuses."""
        return (await self.each(viewer, [row_id], *args, **kwargs))[0]

    async def each(
        self, viewer: Viewer, row_ids: Sequence[UUID], /, *args: P.args, **kwargs: P.kwargs
    ) -> list[R]:
        """Do it to many rows of one account, all or none, in one transaction."""
        person = viewer.person
        if self._check_arguments is not None:
            self._check_arguments(viewer, *args, **kwargs)
        ids = list(dict.fromkeys(row_ids))
        async with viewer.database.write() as session:
            account, member, rows, at = await _rows_and_seat(session, self._on, ids, person.id)
            seat = _seat_of(account, member, at)
            _check(seat, self.declared)
            if self.declared.fresh and not is_fresh(viewer, at):
                raise ReauthenticationRequired
            results = []
            for one in ids:
                actor = Actor(viewer, at, seat, session, self.declared.name)
                before = picture(rows[one])
                results.append(await self._function(actor, rows[one], *args, **kwargs))
                await actor.record_change(rows[one], before)
                _must_be_recorded(actor)
            await session.flush()
        viewer.seats.pop(account.id, None)
        if member.ended_at is None and account.dissolved_at is None:
            viewer.seats[account.id] = _seat_of(account, member, at)
        return results


def writes(
    permission: Permission,
    *,
    on: type[Row],
    fresh: bool = False,
    check: Callable[Concatenate[Viewer, P], object] | None = None,
) -> Callable[[Callable[Concatenate[Actor, Row, P], Awaitable[R]]], Writing[Row, P, R]]:
    """Declare a writing verb on one row.

    `fresh` asks for a sign-in of the last ten minutes; `check` refuses arguments that make no sense
    anywhere, before any row is looked up.
    """
    return lambda function: Writing(function, on, permission, fresh=fresh, check=check)


async def _rows_and_seat(
    session: Session, on: type[Row], row_ids: Sequence[UUID], user_id: UUID
) -> tuple[Account, Member, dict[UUID, Row], datetime]:
    """Lock account, seat and rows of one account, in this order, by one statement.

    Raises `NotFound` unless the seat and every row are there and of one account, and `Dissolved`.
    """
    seat = aliased(Member)
    target: Any = Account if on is Account else aliased(on)
    statement: AnySelect = select(Account, seat, target).join(
        seat, col(seat.account_id) == col(Account.id)
    )
    if on is not Account:
        statement = statement.join(target, target.account_id == col(Account.id))
    statement = statement.where(target.id.in_(row_ids), col(seat.user_id) == user_id)
    tables = [Account, seat] if on is Account else [Account, seat, target]
    ordered = locked(statement.order_by(target.id), *tables)
    found = (await session.execute(ordered)).all()
    rows = {row.id: row for _account, _seat, row in found}
    if len(rows) != len(row_ids) or len({account.id for account, *_rest in found}) != 1:
        raise NotFound
    account, member, _row = found[0]
    if account.dissolved_at is not None:
        raise Dissolved
    if any(getattr(row, "ended_at", None) is not None for row in (member, *rows.values())):
        raise NotFound
    # Asked for once the rows are ours, so that events stand in the order in which they happened.
    at = (await session.execute(select(now()))).scalar_one()
    return account, member, rows, at


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


def is_fresh(viewer: Viewer, at: datetime) -> bool:
    """Tell whether the sign-in is fresh enough for what asks for a fresh one."""
    allowed = timedelta(minutes=viewer.settings.fresh_sign_in_minutes)
    return viewer.signed_in_at is not None and at - viewer.signed_in_at <= allowed


def _must_be_recorded(actor: Actor) -> None:
    # `dirty` also holds rows whose fields were set to what they were already.
    changed = any(actor.session.is_modified(row) for row in actor.session.dirty)
    if changed and not actor.recorded:
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


def in_steps(
    function: Callable[Concatenate[Viewer, P], Awaitable[R]],
) -> Callable[Concatenate[Viewer, P], Awaitable[R]]:
    """Declare a verb of several steps: verbs that check and write, with a hosted service asked between, never in, them."""
    _declare(function, "in_steps")
    return function


async def _transaction(
    viewer: Viewer, function: Callable[..., Awaitable[R]], *args: Any, **kwargs: Any
) -> R:
    async with viewer.database.write() as session:
        at = (await session.execute(select(now()))).scalar_one()
        actor = Actor(viewer, at, None, session, function.__name__)
        result = await function(actor, *args, **kwargs)
        await session.flush()
    viewer.seats.clear()
    return result
