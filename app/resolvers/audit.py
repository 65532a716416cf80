"""The audit log: who did what, on whom, before and after, when."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlmodel import col

from app.access import Seat, Viewer, reads
from app.database import AnySelect
from app.models import Account, AuditActorKind, AuditEvent
from app.pages import Cursors, Page, check_first, page_of
from app.permissions import Permission
from app.resolvers._audit_choices import AuditChoices, choices_of
from app.resolvers._lists import after_key, moment_key, plain_key, rows_of_each


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which events; None does not filter. `start` is inclusive, `end` exclusive."""

    actions: tuple[str, ...] | None = None
    actor_ids: tuple[UUID, ...] | None = None
    target_ids: tuple[UUID, ...] | None = None
    start: datetime | None = None
    end: datetime | None = None

    def binding(self) -> tuple[Any, ...]:
        """Name the filter for its cursors."""
        return (self.actions, self.actor_ids, self.target_ids, self.start, self.end)


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One event; `before` and `after` hold what changed, as JSON."""

    id: UUID
    account_id: UUID
    action: str
    actor_kind: AuditActorKind
    actor_id: UUID | None
    actor_name: str
    target_kind: str | None
    target_id: UUID | None
    target_name: str | None
    before: Any
    after: Any
    request_id: str | None
    ip: str | None
    at: datetime


COLUMNS = tuple(col(getattr(AuditEvent, name)) for name in AuditRow.__slots__)


def _matching(statement: AnySelect, which: AuditFilter) -> AnySelect:
    for column, values in (
        (AuditEvent.action, which.actions),
        (AuditEvent.actor_id, which.actor_ids),
        (AuditEvent.target_id, which.target_ids),
    ):
        if values is not None:
            statement = statement.where(col(column).in_(values))
    if which.start is not None:
        statement = statement.where(col(AuditEvent.at) >= which.start)
    if which.end is not None:
        statement = statement.where(col(AuditEvent.at) < which.end)
    return statement


def _key(row: AuditRow) -> list[Any]:
    return plain_key([row.at, row.id])


@reads(Permission.VIEW_AUDIT_LOG, on=Account)
async def audit_log(
    viewer: Viewer,
    seats: Mapping[UUID, Seat],
    which: AuditFilter,
    first: int = 50,
    after: str | None = None,
) -> dict[UUID, Page[AuditRow]]:
    """List events, newest first. Raises `Invalid`, `BadRequest`."""
    check_first(first, viewer.settings)
    key = (col(AuditEvent.at), col(AuditEvent.id))
    cursors = {one: Cursors(viewer.settings, ("audit", one.hex, which.binding())) for one in seats}
    last = {one: moment_key(cursors[one].read(after)) for one in seats}

    def select_for(account_id: UUID) -> AnySelect:
        statement = select(*COLUMNS).where(col(AuditEvent.account_id) == account_id)
        statement = _matching(statement, which)
        key_after = last[account_id]
        if key_after is not None:
            statement = statement.where(after_key(key, key_after, descending=True))
        return statement.order_by(*(part.desc() for part in key)).limit(first + 1)

    found = await rows_of_each(viewer, seats, select_for)
    return {
        one: page_of(
            [AuditRow(*row) for row in rows],
            first,
            last[one],
            cursors[one],
            _key,
        )
        for one, rows in found.items()
    }


@reads(Permission.VIEW_AUDIT_LOG, on=Account)
async def count_audit_events(
    viewer: Viewer, seats: Mapping[UUID, Seat], which: AuditFilter
) -> dict[UUID, int]:
    """Count the events that `audit_log` goes through."""
    statement = (
        select(col(AuditEvent.account_id), func.count())
        .where(col(AuditEvent.account_id).in_(seats))
        .group_by(col(AuditEvent.account_id))
    )
    rows = await viewer.database.rows(_matching(statement, which))
    return dict.fromkeys(seats, 0) | dict(rows)


@reads(Permission.VIEW_AUDIT_LOG, on=Account)
async def audit_choices(
    viewer: Viewer, seats: Mapping[UUID, Seat], ids: Sequence[UUID] = ()
) -> dict[UUID, AuditChoices]:
    """Tell what may be filtered by, and name some ids. Raises `NotFound` for one that no event here names."""
    return {one: await choices_of(viewer, seat, ids) for one, seat in seats.items()}


@reads(Permission.VIEW_AUDIT_LOG, on=AuditEvent)
async def audit_event(viewer: Viewer, seats: Mapping[UUID, Seat]) -> dict[UUID, AuditRow]:
    """Show one event."""
    rows = await viewer.database.rows(select(*COLUMNS).where(col(AuditEvent.id).in_(seats)))
    return {row.id: AuditRow(*row) for row in rows}
