"""The role matrix of PRODUCT.md where it speaks of billing; rows read as in `matrix`."""

from typing import Any
from uuid import UUID

from app.models import Invoice
from app.money import MICRO
from app.resolvers import alerts, billing, invoices, top_ups
from app.resolvers.invoices import InvoiceQuery
from tests.resolvers.world import Act, Row, World
from tests.till import NOW


async def buy(world: World) -> None:
    """Give an account a top-up, an invoice and an alert."""
    owner = world.caller("owner")
    top_up = await top_ups.open_top_up(owner, world.account_id, 10 * MICRO)
    await alerts.set_balance_alerts(owner, world.account_id, [MICRO])
    alert = (await alerts.list_alerts(owner, world.account_id))[0]
    async with owner.database.write() as session:
        made = Invoice(
            account_id=world.account_id,
            top_up_id=top_up.id,
            invoice=f"in_{top_up.id.hex}",
            status="paid",
            total_minor=1000,
            currency="USD",
            created_at=NOW,
        )
        session.add(made)
        invoice_id: UUID = made.id
    world.billing = {"top_up": top_up.id, "invoice": invoice_id, "alert": alert.id}


def _of(verb: Any, *arguments: Any) -> Act:
    return lambda world, viewer: verb(viewer, world.account_id, *arguments)


def _on(verb: Any, thing: str) -> Act:
    return lambda world, viewer: verb(viewer, world.billing[thing])


FOR_ADMINS = "ok ok 403 404 401"

BILLING_ROWS = [
    Row("top_ups.open_top_up", "buy credits", _of(top_ups.open_top_up, 50 * MICRO), FOR_ADMINS),
    Row("top_ups.top_up", "watch one", _on(top_ups.top_up, "top_up"), FOR_ADMINS),
    Row("invoices.list_invoices", "list", _of(invoices.list_invoices), FOR_ADMINS),
    Row("invoices.count_invoices", "count", _of(invoices.count_invoices), FOR_ADMINS),
    Row(
        "invoices.invoice_rows",
        "a page for finance",
        _of(invoices.invoice_rows, InvoiceQuery(), 10),
        FOR_ADMINS,
    ),
    Row(
        "invoices.export_invoices",
        "an export for finance",
        _of(invoices.export_invoices, InvoiceQuery()),
        FOR_ADMINS,
    ),
    Row("invoices.invoice", "one invoice", _on(invoices.invoice, "invoice"), FOR_ADMINS),
    Row("alerts.list_alerts", "list", _of(alerts.list_alerts), FOR_ADMINS),
    Row("alerts.balance_alert", "one alert", _on(alerts.balance_alert, "alert"), FOR_ADMINS),
    Row(
        "alerts.set_balance_alerts",
        "set them",
        _of(alerts.set_balance_alerts, [5 * MICRO], ["finance@example.com"]),
        FOR_ADMINS,
    ),
    Row(
        "billing.billing_details",
        "whom invoices are made out to",
        _of(billing.billing_details),
        FOR_ADMINS,
    ),
    Row(
        "billing.managed_account",
        "details and Stripe's portal",
        _of(billing.managed_account),
        FOR_ADMINS,
    ),
]
