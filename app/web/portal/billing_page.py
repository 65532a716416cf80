"""Billing: invoices, and whom they are made out to; both are Stripe's, where they are changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from starlette.requests import Request
from starlette.responses import Response

from app.errors import Unavailable
from app.ids import id_of, wire_id
from app.money import money_text
from app.resolvers import billing, invoices
from app.resolvers.billing import BillingDetails
from app.resolvers.invoices import InvoiceRow
from app.web.forms import only
from app.web.portal.bars import address
from app.web.portal.frame import Room, room_of
from app.web.sign_in import see_other

ROWS = 20
STYLES = {"paid": "good", "open": "warn", "uncollectible": "bad", "void": ""}


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """One invoice; `pdf_path` is empty where there is no PDF."""

    number: str
    at: datetime
    status: str
    style: str
    total: str
    tax: str
    refunded: str
    credits_micro: int
    pdf_path: str


@dataclass(frozen=True, slots=True)
class BillingPage:
    """Invoices and billing details; `details` is None while Stripe does not answer."""

    template: ClassVar[str] = "billing.html"

    count: int
    lines: Sequence[InvoiceLine]
    details: BillingDetails | None
    may_change: bool
    first_path: str
    next_path: str


async def show(request: Request) -> Response:
    """Show the page."""
    room = await room_of(request, "billing")
    return await room.page(await _page(room), part="billing/invoices.html")


async def open_portal(request: Request) -> Response:
    """Go to Stripe's billing portal."""
    room = await room_of(request, "billing")
    await room.form()
    return see_other(await billing.open_billing_portal(room.viewer, room.seat.account_id))


async def pdf(request: Request) -> Response:
    """Go to an invoice's PDF at Stripe, whose addresses last some days only. Raises `NotFound`, `Unavailable`."""
    room = await room_of(request, "billing")
    invoice_id = id_of("invoice", request.path_params["invoice"])
    return see_other(await invoices.pdf_of_invoice(room.viewer, invoice_id))


async def _page(room: Room) -> BillingPage:
    viewer, account_id = room.viewer, room.seat.account_id
    after = only(room.request.query_params, "after")
    found = await invoices.list_invoices(viewer, account_id, ROWS, after)
    last = found.cursor(len(found.rows) - 1) if found.has_next else None
    own = room.path("billing")
    details = None
    if not room.partial:
        try:
            details = await billing.billing_details(viewer, account_id)
        except Unavailable:
            details = None
    return BillingPage(
        count=await invoices.count_invoices(viewer, account_id),
        lines=[_line(room, row) for row in found.rows],
        details=details,
        may_change=room.can(billing.managed_account),
        first_path=own if after else "",
        next_path=address(own, {"after": last}) if last else "",
    )


def _line(room: Room, row: InvoiceRow) -> InvoiceLine:
    def money(minor: int | None) -> str:
        return "" if not minor else f"{money_text(minor, row.currency)} {row.currency}"

    return InvoiceLine(
        number=row.number or "not numbered yet",
        at=row.created_at,
        status=row.status,
        style=STYLES.get(row.status, ""),
        total=f"{money_text(row.total_minor, row.currency)} {row.currency}",
        tax=money(row.tax_minor),
        refunded=money(row.refunded_minor),
        credits_micro=row.credits_micro,
        pdf_path=room.path("billing", "invoices", wire_id("invoice", row.id))
        if row.pdf_url
        else "",
    )
