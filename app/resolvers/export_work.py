"""The work on exports: taking what waits, its progress and parts, how it ends, and sweeping what has run out.

Each verb is a small transaction. A taking is known by its number: who has lost it changes nothing more.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import and_, delete, literal_column, or_, select, update
from sqlmodel import col

from app.access import Actor, system
from app.database import affected, now, skip_locked, upsert
from app.models import Export, ExportPart, ExportStatus, User
from app.permissions import Permission
from app.seats import PERSON_COLUMNS, Person, person_from

LEASE = timedelta(minutes=2)
TRIES = 3
SWEPT_AT_ONCE = 8
GIVEN_UP = "Writing this file was broken off several times. Try again, or choose a shorter range."


@dataclass(frozen=True, slots=True)
class TakenExport:
    """An export to be written now, for whom, and which taking this is. `asked` is the query as JSON."""

    id: UUID
    tries: int
    account_id: UUID
    person: Person
    own: bool
    asked: str


@system
async def take_export(actor: Actor) -> TakenExport | None:
    """Take the oldest export that waits, for two minutes: whoever dies with it leaves it to the next.

    One that was taken three times and never ended is given up, so that it kills nobody else.
    """
    # Named in the statement itself: only so is the index over just these of use.
    unfinished: Any = literal_column("exports.status IN ('WAITING', 'RUNNING')")
    abandoned = and_(col(Export.status) == ExportStatus.RUNNING, col(Export.leased_until) <= now())
    waiting = or_(col(Export.status) == ExportStatus.WAITING, abandoned)
    statement = (
        select(Export)
        .where(unfinished, waiting, col(Export.expires_at) > now())
        .order_by(col(Export.id))
        .limit(1)
    )
    export = (await actor.session.execute(skip_locked(statement))).scalar_one_or_none()
    if export is None:
        return None
    if export.tries >= TRIES:
        export.status, export.problem = ExportStatus.FAILED, GIVEN_UP
        return None
    export.status = ExportStatus.RUNNING
    export.tries += 1
    export.rows_done, export.rows_total = 0, None
    export.leased_until = actor.now + LEASE
    who = select(*PERSON_COLUMNS).where(col(User.id) == export.user_id)
    person = person_from((await actor.session.execute(who)).one())
    own = export.needs == Permission.VIEW_OWN_USAGE.value
    return TakenExport(export.id, export.tries, export.account_id, person, own, export.asked)


async def _still_taken(actor: Actor, taken: TakenExport, **changed: Any) -> bool:
    """Change a taken export, if it is still this taking's."""
    statement = update(Export).where(
        col(Export.id) == taken.id,
        col(Export.status) == ExportStatus.RUNNING,
        col(Export.tries) == taken.tries,
        col(Export.expires_at) > now(),
    )
    return affected(await actor.session.execute(statement.values(**changed))) == 1


@system
async def keep_export(actor: Actor, taken: TakenExport, rows_done: int, rows_total: int) -> bool:
    """Note the progress and keep the lease; tell whether the export is still wanted of this taking."""
    return await _still_taken(
        actor,
        taken,
        rows_done=rows_done,
        rows_total=rows_total,
        leased_until=actor.now + LEASE,
    )


@system
async def keep_part(actor: Actor, taken: TakenExport, number: int, content: bytes) -> bool:
    """Store one part of the file; tell whether the export is still wanted of this taking."""
    if not await _still_taken(actor, taken, leased_until=actor.now + LEASE):
        return False
    row = {"export_id": taken.id, "number": number, "content": content}
    await upsert(
        actor.session,
        ExportPart,
        [row],
        unique=("export_id", "number"),
        replace=("content",),
    )
    return True


@system
async def finish_export(actor: Actor, taken: TakenExport, size: int, parts: int) -> bool:
    """Let the file be fetched, for the hours of the settings; parts of an earlier taking go."""
    ready = await _still_taken(
        actor,
        taken,
        status=ExportStatus.READY,
        size=size,
        leased_until=None,
        finished_at=actor.now,
        expires_at=actor.now + timedelta(hours=actor.settings.export_hours),
    )
    if ready:
        late = delete(ExportPart).where(
            col(ExportPart.export_id) == taken.id, col(ExportPart.number) >= parts
        )
        await actor.session.execute(late)
    return ready


@system
async def export_failed(actor: Actor, taken: TakenExport, refused: str | None) -> bool:
    """Let it be tried again, or say why not: `refused` is the sentence of a refusal for good. Tell whether it is given up."""
    last = taken.tries >= TRIES
    problem = refused or (GIVEN_UP if last else None)
    if problem is None:
        await _still_taken(actor, taken, status=ExportStatus.WAITING, leased_until=None)
        return False
    return await _still_taken(
        actor,
        taken,
        status=ExportStatus.FAILED,
        problem=problem[:200],
        leased_until=None,
        finished_at=actor.now,
    )


@system
async def give_back_export(actor: Actor, taken: TakenExport) -> None:
    """Leave it to another process, or to this one's next start: it was not the export's fault."""
    await _still_taken(
        actor,
        taken,
        status=ExportStatus.WAITING,
        tries=taken.tries - 1,
        leased_until=None,
    )


@system
async def sweep_exports(actor: Actor) -> int:
    """Delete a few parts, or rows without any, of what has run out; tell how many. Call it until there are none."""
    over = select(col(Export.id)).where(col(Export.expires_at) <= now())
    some = (
        select(col(ExportPart.export_id), col(ExportPart.number))
        .where(col(ExportPart.export_id).in_(over))
        .limit(SWEPT_AT_ONCE)
    )
    parts = (await actor.session.execute(some)).all()
    for export_id, number in parts:
        one = and_(col(ExportPart.export_id) == export_id, col(ExportPart.number) == number)
        await actor.session.execute(delete(ExportPart).where(one))
    if parts:
        return len(parts)
    return affected(await actor.session.execute(delete(Export).where(col(Export.id).in_(over))))
