"""Invoicing: an invoice is kept as Stripe last told of it."""

from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlmodel import col

from app.access import Actor
from app.database import insert_or_ignore, locked
from app.ids import read_wire_id
from app.integrations import stripe
from app.models import BillingCustomer, Invoice, TopUp

FINAL = {"paid", "void", "uncollectible"}


async def keep_invoice(actor: Actor, told: stripe.Invoice) -> bool:
    """Keep an invoice to one of our customers; tell whether anything of it was new."""
    customer = col(BillingCustomer.customer) == told.customer
    statement = select(col(BillingCustomer.account_id)).where(customer)
    account_id = (await actor.session.execute(statement)).scalar_one_or_none()
    if account_id is None:
        return False
    fresh = Invoice(
        account_id=account_id,
        top_up_id=await _top_up_of(actor, account_id, told),
        invoice=told.id,
        created_at=told.created,
        **_facts(told),
    )
    if await insert_or_ignore(actor.session, fresh, ("invoice",)):
        return True
    by_id: Any = locked(select(Invoice).where(col(Invoice.invoice) == told.id))
    row: Invoice = (await actor.session.execute(by_id)).scalar_one()
    if row.status in FINAL and told.status not in FINAL:
        # What was asked earlier and comes later.
        return False
    news = {name: value for name, value in _facts(told).items() if getattr(row, name) != value}
    for name, value in news.items():
        setattr(row, name, value)
    return bool(news)


def _facts(told: stripe.Invoice) -> dict[str, Any]:
    return {
        "number": told.number,
        "status": told.status,
        "total_minor": told.total,
        "tax_minor": told.tax,
        "currency": told.currency.upper(),
        "hosted_url": told.hosted_url,
        "pdf_url": told.pdf_url,
    }


async def _top_up_of(actor: Actor, account_id: UUID, told: stripe.Invoice) -> UUID | None:
    """Find the top-up that an invoice is about: by what we wrote on it, within its own account."""
    named = read_wire_id(told.metadata.get("top_up_id", ""))
    if named is None or named[0] != "top_up":
        return None
    statement = select(col(TopUp.id)).where(
        col(TopUp.id) == named[1], col(TopUp.account_id) == account_id
    )
    found: UUID | None = (await actor.session.execute(statement)).scalar_one_or_none()
    return found
