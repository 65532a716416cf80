"""`GET /invoices`: what Stripe made out to the account, as it last told of them."""

from contextlib import AsyncExitStack
from datetime import datetime
from typing import Any
from uuid import UUID

from starlette.responses import Response

from app.errors import BadRequest
from app.ids import wire_id
from app.money import money_text
from app.resolvers import invoices
from app.resolvers.invoices import InvoiceQuery, InvoiceRow
from app.web.rest.formats import (
    JSON,
    Figure,
    Row,
    amount,
    exact_moment,
    format_of,
    span_text,
    written,
)
from app.web.rest.lists import List, page, stream
from app.web.rest.parameters import Parameters
from app.web.rest.window import Visit
from app.zones import zone

KNOWN = ("from", "to", "time_zone", "order", "limit", "cursor", "format")
COLUMNS = (
    *("id", "number", "status", "currency", "total", "tax", "refunded", "credits"),
    *("hosted_url", "pdf_url", "created_at"),
)


def invoice_row(row: InvoiceRow) -> Row:
    """Show an invoice; `total`, `tax` and `refunded` are of its currency, `credits` what it bought."""

    def money(minor: int | None) -> Figure | None:
        return None if minor is None else Figure(money_text(minor, row.currency))

    return {
        "id": wire_id("invoice", row.id),
        "number": row.number,
        "status": row.status,
        "currency": row.currency,
        "total": money(row.total_minor),
        "tax": money(row.tax_minor),
        "refunded": money(row.refunded_minor),
        "credits": amount(row.credits_micro),
        "hosted_url": row.hosted_url,
        "pdf_url": row.pdf_url,
        "created_at": exact_moment(row.created_at),
    }


async def show(visit: Visit) -> Response:
    """Answer invoices."""
    parameters = Parameters(visit.request, KNOWN)
    kind = format_of(visit.request, parameters)
    start, end = parameters.span(zone(parameters.zone_name()))
    limit = parameters.limit(visit.viewer.settings.page_rows)
    which = List(visit, parameters)
    query = InvoiceQuery(start, end, parameters.descending(), _last(which.place()))
    visit.range = span_text(start, end)
    if kind == JSON:
        return await _page(which, query, limit)
    export = await invoices.export_invoices(visit.viewer, visit.seat.account_id, query)
    stack = AsyncExitStack()
    opened = await stack.enter_async_context(export())
    chunks = written(kind, COLUMNS, opened.parts, invoice_row)
    return stream(visit, stack, chunks, kind, COLUMNS, {})


def _last(key: list[Any] | None) -> tuple[datetime, UUID] | None:
    if key is None:
        return None
    try:
        at, text = key
        return datetime.fromisoformat(at), UUID(text)
    except (ValueError, TypeError, AttributeError):
        raise BadRequest("This cursor is not one of ours.") from None


async def _page(which: List, query: InvoiceQuery, limit: int) -> Response:
    visit = which.visit
    rows = await invoices.invoice_rows(visit.viewer, visit.seat.account_id, query, limit + 1)
    more, shown = len(rows) > limit, rows[:limit]
    key = [shown[-1].created_at.isoformat(), shown[-1].id.hex] if more else None
    return page(which, [invoice_row(row) for row in shown], has_more=more, key=key)
