"""Invoicing: an invoice is kept as Stripe last told of it."""

from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlmodel import col

from app.access import Actor
from app.database import insert_or_ignore, locked
from app.ids import read_wire_id
from app.integrations import stripe
from app.models import Invoice, TopUp
from app.resolvers._booking import account_of

FINAL = {"paid", "void", "uncollectible"}


async def keep_invoice(actor: Actor, told: stripe.Invoice) -> bool:
    """Keep an invoice to one of our customers; tell whether anything of it was new."""
    account_id, top_up_id = await _about(actor, told)
    if account_id is None:
        return False
    fresh = Invoice(
        account_id=account_id,
        top_up_id=top_up_id,
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


async def _about(actor: Actor, told: stripe.Invoice) -> tuple[UUID | None, UUID | None]:
    """Tell whose invoice it is, by its customer, and which of their top-ups, by what we wrote on it.

    A customer whom the account had before is known from the top-up.
    """
    if told.customer is None:
        return None, None
    account_id = await account_of(actor, told.customer)
    kind, named = read_wire_id(told.metadata.get("top_up_id", "")) or (None, None)
    if kind != "top_up":
        return account_id, None
    before = col(TopUp.customer) == told.customer
    own = before if account_id is None else col(TopUp.account_id) == account_id
    top_up = select(col(TopUp.id), col(TopUp.account_id)).where(col(TopUp.id) == named, own)
    found = (await actor.session.execute(top_up)).first()
    return (account_id, None) if found is None else (found.account_id, found.id)
