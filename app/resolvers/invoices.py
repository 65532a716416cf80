"""Invoices: what Stripe made out to an account, as it last told of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlmodel import col

from app.access import Seat, Viewer, in_steps, reads
from app.database import AnySelect
from app.errors import NotFound
from app.models import Account, Invoice, Reversal, ReversalKind, TopUp
from app.pages import Cursors, Page, check_first, page_of
from app.permissions import Permission
from app.resolvers._exports import Export, export_of
from app.resolvers._lists import after_key, moment_key, plain_key, rows_of_each

DRAFT = "draft"
KEY = (col(Invoice.created_at), col(Invoice.id))


@dataclass(frozen=True, slots=True)
class InvoiceRow:
    """One invoice; `…_minor` are in the currency's smallest unit, `credits_micro` what it bought."""

    id: UUID
    account_id: UUID
    invoice: str
    number: str | None
    status: str
    total_minor: int
    tax_minor: int | None
    refunded_minor: int
    currency: str
    credits_micro: int
    hosted_url: str | None
    pdf_url: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class InvoiceQuery:
    """Which invoices: `start` inclusive, `end` exclusive, by when they were made; `after` is the last row that is known."""

    start: datetime | None = None
    end: datetime | None = None
    descending: bool = True
    after: tuple[datetime, UUID] | None = None


def _invoices() -> AnySelect:
    refunded = (
        select(func.coalesce(func.sum(col(Reversal.amount_minor)), 0))
        .where(
            col(Reversal.top_up_id) == col(Invoice.top_up_id),
            col(Reversal.kind) == ReversalKind.REFUND,
            col(Reversal.returned_at).is_(None),
        )
        .scalar_subquery()
    )
    told = {
        "refunded_minor": refunded,
        "credits_micro": func.coalesce(col(TopUp.amount_micro), 0),
    }
    columns = [
        told[name].label(name) if name in told else col(getattr(Invoice, name))
        for name in InvoiceRow.__slots__
    ]
    return (
        select(*columns)
        .join_from(Invoice, TopUp, col(TopUp.id) == col(Invoice.top_up_id), isouter=True)
        .where(col(Invoice.status) != DRAFT)
    )


def _row(row: Any) -> InvoiceRow:
    facts = row._mapping  # noqa: SLF001 - a Row's public accessor
    return InvoiceRow(**{**facts, "refunded_minor": int(row.refunded_minor)})


def _matching(account_id: UUID, query: InvoiceQuery) -> AnySelect:
    statement = _invoices().where(col(Invoice.account_id) == account_id)
    if query.start is not None:
        statement = statement.where(col(Invoice.created_at) >= query.start)
    if query.end is not None:
        statement = statement.where(col(Invoice.created_at) < query.end)
    if query.after is not None:
        statement = statement.where(after_key(KEY, query.after, descending=query.descending))
    order = [part.desc() if query.descending else part for part in KEY]
    return statement.order_by(*order)


@reads(Permission.VIEW_BILLING, on=Account)
async def list_invoices(
    viewer: Viewer, seats: Mapping[UUID, Seat], first: int = 20, after: str | None = None
) -> dict[UUID, Page[InvoiceRow]]:
    """List invoices, newest first. Raises `Invalid`, `BadRequest`."""
    check_first(first, viewer.settings)
    cursors = {one: Cursors(viewer.settings, ("invoices", one.hex)) for one in seats}
    last = {one: moment_key(cursors[one].read(after)) for one in seats}

    def select_for(account_id: UUID) -> AnySelect:
        key: Any = last[account_id]
        return _matching(account_id, InvoiceQuery(after=key and tuple(key))).limit(first + 1)

    found = await rows_of_each(viewer, seats, select_for)
    return {
        one: page_of([_row(row) for row in rows], first, last[one], cursors[one], _key)
        for one, rows in found.items()
    }


def _key(row: InvoiceRow) -> list[Any]:
    return plain_key([row.created_at, row.id])


@reads(Permission.VIEW_BILLING, on=Account)
async def count_invoices(viewer: Viewer, seats: Mapping[UUID, Seat]) -> dict[UUID, int]:
    """Count the invoices that `list_invoices` goes through."""
    statement = (
        select(col(Invoice.account_id), func.count())
        .where(col(Invoice.account_id).in_(seats), col(Invoice.status) != DRAFT)
        .group_by(col(Invoice.account_id))
    )
    rows = await viewer.database.rows(statement)
    return dict.fromkeys(seats, 0) | dict(tuple(row) for row in rows)


@reads(Permission.VIEW_BILLING, on=Account)
async def invoice_rows(
    viewer: Viewer, seats: Mapping[UUID, Seat], query: InvoiceQuery, limit: int
) -> dict[UUID, list[InvoiceRow]]:
    """List at most `limit` invoices in either order: a page of the finance window."""
    found = await rows_of_each(viewer, seats, lambda one: _matching(one, query).limit(limit))
    return {one: [_row(row) for row in rows] for one, rows in found.items()}


@reads(Permission.VIEW_BILLING, on=Account)
async def export_invoices(
    viewer: Viewer, seats: Mapping[UUID, Seat], query: InvoiceQuery
) -> dict[UUID, Export[None, list[InvoiceRow]]]:
    """Give every invoice that matches, as `invoice_rows` does, from one snapshot."""
    return {one: export_of(viewer, _matching(one, query), _row) for one in seats}


@reads(Permission.VIEW_BILLING, on=Invoice)
async def invoice(viewer: Viewer, seats: Mapping[UUID, Seat]) -> dict[UUID, InvoiceRow]:
    """Show one invoice."""
    rows = await viewer.database.rows(_invoices().where(col(Invoice.id).in_(seats)))
    return {row.id: _row(row) for row in rows}


@in_steps
async def pdf_of_invoice(viewer: Viewer, invoice_id: UUID) -> str:
    """Ask Stripe for the address of an invoice's PDF, which works for some days only.

    Raises `NotFound`, `Forbidden`, `Unavailable`.
    """
    row = await invoice(viewer, invoice_id)
    fresh = await viewer.at_stripe.invoice(row.invoice)
    if fresh.pdf_url is None:
        raise NotFound
    return fresh.pdf_url
