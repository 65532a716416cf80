"""Invoicing: an invoice is kept as Stripe last told of it."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlmodel import col

from app.access import Actor
from app.database import insert_new, locked
from app.ids import read_wire_id
from app.integrations import stripe
from app.models import BillingCustomer, Invoice, TopUp

FINAL = {"paid", "void", "uncollectible"}


async def keep_invoices(actor: Actor, told: Sequence[stripe.Invoice]) -> list[bool]:
    """Keep those to our customers, by the same few statements; tell of each whether anything of it was new."""
    whose = await _whose(actor, told)
    fresh: dict[str, Invoice] = {}
    for one, (account_id, top_up_id) in zip(told, whose, strict=True):
        if account_id is not None and one.id not in fresh:
            fresh[one.id] = Invoice(
                account_id=account_id,
                top_up_id=top_up_id,
                invoice=one.id,
                created_at=one.created,
                **_facts(one),
            )
    rows = [fresh[invoice] for invoice in sorted(fresh)]
    inserted = await insert_new(actor.session, rows, ("invoice",)) if rows else []
    new = {row.id for row in inserted}
    answers = []
    for one in told:
        row = fresh.get(one.id)
        answers.append(row is not None and (row.id in new or await _change(actor, one)))
        if row is not None:
            new.discard(row.id)
    return answers


async def _change(actor: Actor, told: stripe.Invoice) -> bool:
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


async def _whose(
    actor: Actor, told: Sequence[stripe.Invoice]
) -> list[tuple[UUID | None, UUID | None]]:
    """Tell whose each invoice is, by its customer, and which of their top-ups, by what we wrote on it.

    A customer whom the account had before is known from the top-up.
    """
    customers = {one.customer for one in told if one.customer is not None}
    statement = select(col(BillingCustomer.customer), col(BillingCustomer.account_id)).where(
        col(BillingCustomer.customer).in_(customers)
    )
    accounts = {row.customer: row.account_id for row in await actor.session.execute(statement)}
    named = [read_wire_id(one.metadata.get("top_up_id", "")) or ("", None) for one in told]
    columns = (col(TopUp.id), col(TopUp.account_id), col(TopUp.customer))
    ids = {top_up_id for kind, top_up_id in named if kind == "top_up"}
    found = await actor.session.execute(select(*columns).where(col(TopUp.id).in_(ids)))
    top_ups = {row.id: row for row in found}
    answers = []
    for one, (_kind, top_up_id) in zip(told, named, strict=True):
        account_id, top_up = accounts.get(one.customer), top_ups.get(top_up_id)
        if account_id is None and top_up is not None and top_up.customer == one.customer:
            account_id = top_up.account_id if one.customer is not None else None
        own = top_up is not None and top_up.account_id == account_id
        answers.append((account_id, top_up_id if own else None))
    return answers
