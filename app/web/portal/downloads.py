"""Downloads: what a page shows now, the same range and filters, as CSV that is written while it is read."""

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from app.errors import Invalid
from app.ids import KINDS, wire_id
from app.resolvers import audit, ledger, usage, usage_overviews
from app.resolvers.audit import AuditFilter, AuditRow
from app.resolvers.ledger import LedgerQuery
from app.resolvers.usage import Place, RecordsQuery, UsageQuery
from app.web.forms import only
from app.web.portal import audit_log, credit_page, dashboard
from app.web.portal.frame import Room, room_of
from app.web.portal.ranges import Range
from app.web.portal.usage_asked import Asked, read_asked
from app.web.rest.formats import CSV, Row, exact_moment, written
from app.web.rest.ledger import COLUMNS as LEDGER_COLUMNS
from app.web.rest.ledger import ledger_row
from app.web.rest.lists import stream
from app.web.rest.record_lines import record_lines
from app.web.rest.usage_rows import BUCKET_COLUMNS, RECORD_COLUMNS, bucket_row
from app.web.rest.window import Visit

AUDIT_COLUMNS = (
    *("at", "action", "actor_kind", "actor_id", "actor_name"),
    *("target_kind", "target_id", "target_name", "before", "after"),
    *("ip", "request_id", "id"),
)


async def records(request: Request) -> Response:
    """Write the records of the Usage page, newest first."""
    room = await room_of(request, "usage")
    asked = _asked(room)
    query = RecordsQuery(asked.range.start, asked.range.end, asked.which)
    verb = usage_overviews.own_record_export if asked.mine else usage.export_records
    place = Place(descending=True)
    export = await verb(room.viewer, room.seat.account_id, query, place)
    stack = AsyncExitStack()
    opened = await stack.enter_async_context(export())
    chunks = record_lines(CSV, opened.parts)
    return _csv(room, stack, chunks, RECORD_COLUMNS, named("usage", asked.range))


async def sums(request: Request) -> Response:
    """Write the sums of the dashboard's chart, each series on its own."""
    room = await room_of(request, "dashboard")
    asked, split, _figure = dashboard.read(room)
    must_be_right(asked)
    span = asked.range
    query = UsageQuery(span.start, span.end, span.granularity, (split,), asked.which)
    verb = usage_overviews.own_bucket_export if asked.mine else usage.export_buckets
    export = await verb(room.viewer, room.seat.account_id, query, Place())
    stack = AsyncExitStack()
    opened = await stack.enter_async_context(export())
    chunks = written(CSV, BUCKET_COLUMNS, opened.parts, bucket_row)
    return _csv(room, stack, chunks, BUCKET_COLUMNS, named("dashboard", span))


async def entries(request: Request) -> Response:
    """Write the ledger of the Credits page as it is filtered, oldest first, with the balance after each entry."""
    room = await room_of(request, "credits")
    kind = only(request.query_params, "kind") or ""
    query = LedgerQuery(kinds=credit_page.read_kinds(kind))
    export = await ledger.export_ledger(room.viewer, room.seat.account_id, query)
    stack = AsyncExitStack()
    opened = await stack.enter_async_context(export())
    chunks = written(CSV, LEDGER_COLUMNS, opened.parts, ledger_row)
    return _csv(room, stack, chunks, LEDGER_COLUMNS, f"ledger-{kind}" if kind else "ledger")


async def events(request: Request) -> Response:
    """Write the events of the audit log, newest first."""
    room = await room_of(request, "audit")
    asked = audit_log.read_asked(room)
    if asked.errors:
        raise Invalid(**asked.errors)
    await audit.audit_choices(room.viewer, room.seat.account_id, asked.ids)
    chunks = written(CSV, AUDIT_COLUMNS, _pages(room, asked.which), _event)
    name = named("audit", asked.range) if asked.range else "audit"
    return _csv(room, AsyncExitStack(), chunks, AUDIT_COLUMNS, name)


async def _pages(room: Room, which: AuditFilter) -> AsyncGenerator[list[AuditRow]]:
    """Read the log page by page: what is added meanwhile comes before what has been read."""
    after, more = None, True
    while more:
        page = await audit.audit_log(
            room.viewer, room.seat.account_id, which, room.viewer.settings.page_size, after
        )
        yield list(page.rows)
        more = page.has_next
        after = page.cursor(len(page.rows) - 1) if more else None


def _event(row: AuditRow) -> Row:
    actor = audit_log.KIND_OF_ACTOR.get(row.actor_kind)
    return {
        "at": exact_moment(row.at),
        "action": row.action,
        "actor_kind": row.actor_kind.value.lower(),
        "actor_id": wire_id(actor, row.actor_id) if actor and row.actor_id else None,
        "actor_name": row.actor_name,
        "target_kind": row.target_kind,
        "target_id": _target(row),
        "target_name": row.target_name,
        "before": _json(row.before),
        "after": _json(row.after),
        "ip": row.ip,
        "request_id": row.request_id,
        "id": wire_id("audit_event", row.id),
    }


def _target(row: AuditRow) -> str | None:
    known = row.target_id is not None and row.target_kind in KINDS
    return wire_id(str(row.target_kind), row.target_id) if known and row.target_id else None


def _json(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False)


def _asked(room: Room) -> Asked:
    asked = read_asked(room, room.path("usage"), {})
    must_be_right(asked)
    return asked


def must_be_right(asked: Asked) -> None:
    """Refuse dates that are none: a page shows another range then, a download must not. Raises `Invalid`."""
    if asked.errors:
        raise Invalid(**asked.errors)


def named(what: str, span: Range) -> str:
    """Name a file by what it holds and its days, without an ending."""
    return f"{what}-{span.first_day}-{span.last_day}"


def _csv(
    room: Room,
    stack: AsyncExitStack,
    chunks: AsyncGenerator[bytes],
    columns: Sequence[str],
    name: str,
) -> Response:
    disposition = f'attachment; filename="{room.seat.slug}-{name}.csv"'
    visit = Visit(room.request, room.viewer)
    headers = {"Content-Disposition": disposition, "Cache-Control": "no-store"}
    return stream(visit, stack, chunks, CSV, columns, headers)
