"""`GET /ledger`: every movement of credits, in order."""

from contextlib import AsyncExitStack
from typing import Any

from starlette.responses import Response

from app.errors import BadRequest
from app.ids import wire_id
from app.resolvers import ledger
from app.resolvers.ledger import LedgerQuery, LedgerRow
from app.web.rest.formats import JSON, Row, amount, exact_moment, format_of, span_text, written
from app.web.rest.lists import List, page, stream
from app.web.rest.parameters import Parameters
from app.web.rest.window import Visit
from app.zones import zone

KNOWN = ("from", "to", "time_zone", "order", "limit", "cursor", "format")
COLUMNS = (
    *("id", "number", "kind", "amount", "balance_after", "description", "source"),
    *("created_at", "final"),
)


def ledger_row(row: LedgerRow) -> Row:
    """Show an entry; one that is not final, today's run of usage, comes again with its last figures."""
    return {
        "id": wire_id("ledger_entry", row.id),
        "number": row.number,
        "kind": row.kind.value.lower(),
        "amount": amount(row.amount_micro),
        "balance_after": amount(row.balance_after_micro),
        "description": row.description,
        "source": row.source,
        "created_at": exact_moment(row.created_at),
        "final": not row.growing,
    }


async def show(visit: Visit) -> Response:
    """Answer entries."""
    parameters = Parameters(visit.request, KNOWN)
    kind = format_of(visit.request, parameters)
    start, end = parameters.span(zone(parameters.zone_name()))
    limit = parameters.limit(visit.viewer.settings.page_rows)
    which = List(visit, parameters)
    query = LedgerQuery(start, end, parameters.descending(), _number(which.place()))
    visit.range = span_text(start, end)
    if kind == JSON:
        return await _page(which, query, limit)
    return await _stream(which, query, kind)


def _number(key: list[Any] | None) -> int | None:
    if key is None:
        return None
    if len(key) != 1 or type(key[0]) is not int:
        raise BadRequest("This cursor is not one of ours.")
    return key[0]


async def _page(which: List, query: LedgerQuery, limit: int) -> Response:
    visit = which.visit
    rows = await ledger.ledger_rows(visit.viewer, visit.seat.account_id, query, limit + 1)
    more, shown = len(rows) > limit, rows[:limit]
    if query.descending:
        last = shown[-1].number if more else None
    else:
        # What still grows is given again, so the feed goes on before it.
        settled = [row.number for row in shown if not row.growing]
        last = settled[-1] if settled else query.after or 0
    key = None if last is None else [last]
    return page(which, [ledger_row(row) for row in shown], has_more=more, key=key)


async def _stream(which: List, query: LedgerQuery, kind: str) -> Response:
    visit = which.visit
    export = await ledger.export_ledger(visit.viewer, visit.seat.account_id, query)
    stack = AsyncExitStack()
    opened = await stack.enter_async_context(export())
    headers = {}
    if not query.descending:
        last = max(opened.head, query.after or 0)
        headers["X-Next-Cursor"] = which.cursors.write([last])
    return stream(
        visit, stack, written(kind, COLUMNS, opened.parts, ledger_row), kind, COLUMNS, headers
    )
