"""Exports: the files that one has asked for, how far each is, and fetching it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from app.errors import CapReached, Invalid
from app.ids import id_of, wire_id
from app.permissions import AccountKind
from app.resolvers import exports
from app.resolvers.exports import ExportAsked, ExportRow, ExportStatus, ExportWhat, FileFormat
from app.resolvers.usage import NOUN, Dimension
from app.web.portal import dashboard, ranges
from app.web.portal.download_menu import LABELS
from app.web.portal.downloads import must_be_right, named
from app.web.portal.frame import Room, room_of
from app.web.portal.usage_asked import Asked, read_asked
from app.web.sign_in import see_other

MEDIA_TYPES = {
    FileFormat.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    FileFormat.PARQUET: "application/vnd.apache.parquet",
}
UNDER_WAY = (ExportStatus.WAITING, ExportStatus.RUNNING)
KILO = 1000


@dataclass(frozen=True, slots=True)
class ExportLine:
    """One export in words. `total` is 0 as long as it is not known; paths are empty where there is nothing to do."""

    id: str
    title: str
    range_words: str
    details: Sequence[tuple[str, str]]
    format: str
    status: str
    done: int
    total: int
    words: str
    size: str
    created_at: datetime
    expires_at: datetime
    path: str
    repeat_path: str
    delete_path: str


@dataclass(frozen=True, slots=True)
class ExportsPage:
    """One's own exports in an account. It follows while any is under way."""

    template: ClassVar[str] = "exports.html"

    here: str
    lines: Sequence[ExportLine]
    live: bool
    notice: str
    now: datetime
    hours: int


async def show(request: Request) -> Response:
    """List them."""
    room = await room_of(request, "usage")
    return await room.page(await _page(room), part="exports/list.html")


async def _page(room: Room, notice: str = "") -> ExportsPage:
    rows = await exports.list_exports(room.viewer, room.seat.account_id)
    return ExportsPage(
        here=room.path("exports"),
        lines=[_line(room, row) for row in rows],
        live=any(row.status in UNDER_WAY for row in rows),
        notice=notice,
        now=room.seat.now,
        hours=room.viewer.settings.export_hours,
    )


def _line(room: Room, row: ExportRow) -> ExportLine:
    asked = row.asked
    title, details = "Usage records", list(asked.filters.items())
    if asked.what is ExportWhat.SUMS:
        title = "Sums of the dashboard"
        by = f"{NOUN[asked.split].lower()} and {asked.granularity.value.lower()}"
        details.insert(0, ("By", by))
    if row.own and room.seat.kind is AccountKind.ORGANIZATION:
        details.insert(0, ("Whose", "only mine"))
    own_path = room.path("exports", wire_id("export", row.id))
    return ExportLine(
        id=wire_id("export", row.id),
        title=title,
        range_words=ranges.words(asked.start, asked.end),
        details=details,
        format=LABELS[asked.format],
        status=row.status.value,
        done=row.rows_done,
        total=row.rows_total or 0,
        words=_words(row),
        size=size_words(row.size or 0),
        created_at=row.created_at,
        expires_at=row.expires_at,
        path=own_path if row.status is ExportStatus.READY else "",
        repeat_path=f"{own_path}/repeat" if row.status is ExportStatus.FAILED else "",
        delete_path=f"{own_path}/delete",
    )


def _words(row: ExportRow) -> str:
    if row.status is ExportStatus.FAILED:
        return row.problem or ""
    if row.status is ExportStatus.READY:
        return f"{row.rows_total or 0:,} rows"
    if row.status is ExportStatus.WAITING:
        return "Waits for its turn."
    if row.rows_total is None:
        return "Begins."
    if row.rows_done == row.rows_total:
        return f"All {row.rows_total:,} rows are read; the file is being put together."
    return f"{row.rows_done:,} of {row.rows_total:,} rows"


def size_words(size: int) -> str:
    """Say a file's size: 812 B, 4.2 kB, 17.0 MB."""
    if size < KILO:
        return f"{size} B"
    for unit in ("kB", "MB"):
        tenths = size * 10 // KILO
        size //= KILO
        if size < KILO:
            return f"{tenths // 10}.{tenths % 10} {unit}"
    return f"{size // KILO}.{size % KILO // 100} GB"


async def ask_records(request: Request) -> Response:
    """Ask for the records of the Usage page."""
    room = await room_of(request, "usage")
    form = await room.form()
    return await _ask(
        room, form, read_asked(room, room.path("usage"), {}), ExportWhat.RECORDS, "usage"
    )


async def ask_sums(request: Request) -> Response:
    """Ask for the sums of the dashboard's chart."""
    room = await room_of(request, "dashboard")
    form = await room.form()
    asked, split, _figure = dashboard.read(room)
    return await _ask(room, form, asked, ExportWhat.SUMS, "dashboard", split)


def _format(form: Mapping[str, str]) -> FileFormat:
    """Read the format of a form. Raises `Invalid`."""
    try:
        return FileFormat(form.get("format", "").upper())
    except ValueError:
        raise Invalid(format="Choose Excel or Parquet.") from None


async def _ask(
    room: Room,
    form: Mapping[str, str],
    asked: Asked,
    what: ExportWhat,
    name: str,
    split: Dimension = Dimension.MODEL,
) -> Response:
    must_be_right(asked)
    span = asked.range
    wanted = ExportAsked(
        what,
        _format(form),
        span.start,
        span.end,
        asked.which,
        f"{room.seat.slug}-{named(name, span)}",
        split,
        span.granularity,
    )
    verb = exports.ask_own_export if asked.mine else exports.ask_export
    try:
        await verb(room.viewer, room.seat.account_id, wanted)
    except CapReached as refusal:
        return await room.page(await _page(room, refusal.detail), status=refusal.status)
    return see_other(room.path("exports"))


async def fetch(request: Request) -> Response:
    """Send a file."""
    room = await room_of(request, "usage")
    export_id = id_of("export", request.path_params["export"])
    file = await exports.export_file(room.viewer, export_id)
    return StreamingResponse(
        file.parts(),
        media_type=MEDIA_TYPES[file.format],
        headers={
            "Content-Disposition": f'attachment; filename="{file.name}"',
            "Content-Length": str(file.size),
            "Cache-Control": "no-store",
        },
    )


async def repeat(request: Request) -> Response:
    """Let one that has failed be tried again."""
    room = await room_of(request, "usage")
    await room.form()
    await exports.repeat_export(room.viewer, id_of("export", request.path_params["export"]))
    return room.done("It is tried again.", to=room.path("exports"))


async def delete(request: Request) -> Response:
    """Delete one."""
    room = await room_of(request, "usage")
    await room.form()
    await exports.delete_export(room.viewer, id_of("export", request.path_params["export"]))
    return room.done("The export is deleted.", to=room.path("exports"))
