"""Exports: files of what a page shows, asked for, listed, fetched and deleted by the one person who asked."""

import importlib.util
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlmodel import col

from app.access import Actor, Seat, Viewer, reads, writes
from app.database import now
from app.errors import CapReached, ExportNotReady, Forbidden, Invalid, NotFound, Refusal
from app.models import (
    Account,
    Export,
    ExportPart,
    ExportStatus,
    ExportWhat,
    FileFormat,
)
from app.permissions import Permission
from app.resolvers import _export_tables
from app.resolvers._export_asked import ExportAsked
from app.resolvers._export_tables import Column, Kind, TableHead, Values
from app.resolvers._exports import Export as OpenExport
from app.resolvers._exports import Opened
from app.resolvers._usage_overviews import filter_labels

__all__ = [
    "FORMATS",
    "Column",
    "ExportAsked",
    "ExportRow",
    "ExportStatus",
    "ExportWhat",
    "FileFormat",
    "Kind",
    "Opened",
    "TableHead",
    "Values",
]

ENDINGS = {FileFormat.XLSX: "xlsx", FileFormat.PARQUET: "parquet"}
FORMATS = tuple(
    one
    for one in FileFormat
    if one is not FileFormat.PARQUET or importlib.util.find_spec("pyarrow") is not None
)
"""What can be written here: Parquet where its library is installed."""


@dataclass(frozen=True, slots=True)
class ExportRow:
    """An export as its person sees it. `size` is in bytes; `problem` a sentence, where it has failed."""

    id: UUID
    own: bool
    asked: ExportAsked
    name: str
    status: ExportStatus
    rows_done: int
    rows_total: int | None
    size: int | None
    problem: str | None
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class ExportFile:
    """A file to be sent: its parts, read one after the other, are `size` bytes together."""

    name: str
    format: FileFormat
    size: int
    parts: Callable[[], AsyncGenerator[bytes]]


def _check(_viewer: Viewer, asked: ExportAsked) -> None:
    if asked.format not in FORMATS:
        raise Invalid(format="This format cannot be written here.")
    asked.check()


@writes(Permission.VIEW_ACCOUNT_USAGE, on=Account, check=_check)
async def ask_export(actor: Actor, account: Account, asked: ExportAsked) -> UUID:
    """Ask for a file of everybody's usage. Raises `Invalid`, `CapReached`, and `NotFound` for foreign ids."""
    return await _ask(actor, account, asked, Permission.VIEW_ACCOUNT_USAGE)


@writes(Permission.VIEW_OWN_USAGE, on=Account, check=_check)
async def ask_own_export(actor: Actor, account: Account, asked: ExportAsked) -> UUID:
    """Ask for a file of one's own usage. Raises `Invalid`, `CapReached`, and `NotFound` for ids not one's own."""
    return await _ask(actor, account, asked, Permission.VIEW_OWN_USAGE)


async def _ask(actor: Actor, account: Account, asked: ExportAsked, needs: Permission) -> UUID:
    own_only = needs is Permission.VIEW_OWN_USAGE
    labels = await filter_labels(actor.viewer, actor.place, asked.which, own_only=own_only)
    cap = actor.settings.export_cap
    # One's place in the account is locked: two forms at once are counted one after the other.
    kept = select(func.count()).where(*_kept(account.id, actor.user.id, actor.place))
    if (await actor.session.execute(kept)).scalar_one() >= cap:
        raise CapReached(
            f"You have {cap} exports here, which is the most. Delete one that you no longer need.",
            cap="exports",
        )
    named = asked.named({one: label.name or "unnamed" for one, label in labels.items()})
    export = Export(
        account_id=account.id,
        user_id=actor.user.id,
        what=asked.what,
        format=asked.format,
        needs=needs.value,
        asked=named.text(),
        name=f"{asked.name}.{ENDINGS[asked.format]}",
        created_at=actor.now,
        expires_at=_expiry(actor),
    )
    actor.session.add(export)
    actor.record(export, name=export.name)
    return export.id


def _expiry(actor: Actor) -> datetime:
    return actor.now + timedelta(hours=actor.settings.export_hours)


def _kept(account_id: UUID, user_id: UUID, seat: Seat) -> list[Any]:
    """List the conditions of a person's exports that are still there, and still for their role."""
    held = [one.value for one in seat.permissions]
    return [
        col(Export.account_id) == account_id,
        col(Export.user_id) == user_id,
        col(Export.expires_at) > now(),
        col(Export.needs).in_(sorted(held)),
    ]


@reads(Permission.VIEW_OWN_USAGE, on=Account)
async def list_exports(
    viewer: Viewer, seats: Mapping[UUID, Seat]
) -> dict[UUID, Sequence[ExportRow]]:
    """List the viewer's own exports, newest first; those that their role no longer covers are left out."""
    person = viewer.person
    shown: dict[UUID, Sequence[ExportRow]] = {}
    for one, seat in seats.items():
        kept = select(Export.__table__).where(*_kept(one, person.id, seat))  # type: ignore[attr-defined]
        rows = await viewer.database.rows(kept.order_by(col(Export.id).desc()))
        shown[one] = [_row(row) for row in rows]
    return shown


def _row(row: Any) -> ExportRow:
    own = row.needs == Permission.VIEW_OWN_USAGE.value
    same = (getattr(row, name) for name in ExportRow.__slots__[3:])
    return ExportRow(row.id, own, ExportAsked.read(row.asked), *same)


@reads(Permission.VIEW_OWN_USAGE, on=Export)
async def export_file(
    viewer: Viewer, seats: Mapping[UUID, Seat]
) -> dict[UUID, ExportFile | Refusal]:
    """Give one's own file. Raises `NotFound` for another's, `Forbidden` after a loss of rights, `ExportNotReady`."""
    table = Export.__table__  # type: ignore[attr-defined]
    rows = await viewer.database.rows(
        select(table, now().label("now")).where(table.c.id.in_(list(seats)))
    )
    return {row.id: _file(viewer, seats[row.id], row) for row in rows}


def _file(viewer: Viewer, seat: Seat, row: Any) -> ExportFile | Refusal:
    try:
        _must_be_own(viewer, seat, row, row.now)
    except Refusal as refusal:
        return refusal
    if row.status is not ExportStatus.READY:
        return ExportNotReady()
    return ExportFile(row.name, row.format, row.size, partial(_parts, viewer, row.id, row.size))


def _must_be_own(viewer: Viewer, seat: Seat, row: Any, at: datetime) -> None:
    if row.user_id != viewer.person.id or row.expires_at <= at:
        raise NotFound
    if Permission(row.needs) not in seat.permissions:
        raise Forbidden


async def _parts(viewer: Viewer, export_id: UUID, size: int) -> AsyncGenerator[bytes]:
    """Read part by part, each by a statement of its own: a slow reader keeps no connection."""
    number = 0
    while size > 0:
        part = select(col(ExportPart.content)).where(
            col(ExportPart.export_id) == export_id, col(ExportPart.number) == number
        )
        row = await viewer.database.row(part)
        if row is None:
            raise NotFound  # it has run out while it was sent
        yield row.content
        size -= len(row.content)
        number += 1


@writes(Permission.VIEW_OWN_USAGE, on=Export)
async def delete_export(actor: Actor, export: Export) -> None:
    """End one's own export now; the sweeper takes its file away. Raises as `export_file` does."""
    _must_be_own(actor.viewer, actor.place, export, actor.now)
    export.expires_at = actor.now
    actor.record(export, name=export.name)


@writes(Permission.VIEW_OWN_USAGE, on=Export)
async def repeat_export(actor: Actor, export: Export) -> None:
    """Let an export that has failed be tried again. Raises as `export_file` does, `ExportNotReady` while it is under way."""
    _must_be_own(actor.viewer, actor.place, export, actor.now)
    if export.status is not ExportStatus.FAILED:
        raise ExportNotReady
    export.status = ExportStatus.WAITING
    export.tries, export.rows_done, export.rows_total, export.problem = 0, 0, None, None
    export.expires_at = _expiry(actor)
    actor.record(export, name=export.name)


@reads(Permission.VIEW_ACCOUNT_USAGE, on=Account)
async def open_export(
    viewer: Viewer, seats: Mapping[UUID, Seat], asked: ExportAsked
) -> dict[UUID, OpenExport[TableHead, Sequence[Values]] | Refusal]:
    """Open the rows of `ask_export`, with their types. Raises `NotFound` for ids that are foreign by now."""
    return await _opened(viewer, seats, asked, own_only=False)


@reads(Permission.VIEW_OWN_USAGE, on=Account)
async def open_own_export(
    viewer: Viewer, seats: Mapping[UUID, Seat], asked: ExportAsked
) -> dict[UUID, OpenExport[TableHead, Sequence[Values]] | Refusal]:
    """Open the rows of `ask_own_export`, with their types."""
    return await _opened(viewer, seats, asked, own_only=True)


async def _opened(
    viewer: Viewer, seats: Mapping[UUID, Seat], asked: ExportAsked, *, own_only: bool
) -> dict[UUID, OpenExport[TableHead, Sequence[Values]] | Refusal]:
    answers: dict[UUID, OpenExport[TableHead, Sequence[Values]] | Refusal] = {}
    for one, seat in seats.items():
        await filter_labels(viewer, seat, asked.which, own_only=own_only)
        answers[one] = partial(_export_tables.open_table, viewer, seat, asked, own_only=own_only)
    return answers
