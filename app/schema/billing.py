"""Billing: invoices, whom they are made out to, alerts and top-ups, and what can be done to them."""

from datetime import datetime
from typing import Annotated, Any

import strawberry

from app.ids import id_of
from app.integrations.stripe import TaxIdOf
from app.money import money_text
from app.resolvers import alerts, billing, top_ups
from app.resolvers.alerts import AlertRow
from app.resolvers.invoices import InvoiceRow
from app.resolvers.top_ups import TopUpRow
from app.schema.context import Info, acting, given
from app.schema.enums import TopUpStatus
from app.schema.nodes import Node, node_id
from app.schema.scalars import Credits


@strawberry.type(
    description="An amount in a real currency, as a decimal string with its ISO 4217 code."
)
class Money:
    """An amount."""

    amount: str
    currency: str


def _money(minor: int, currency: str) -> Money:
    return Money(amount=money_text(minor, currency), currency=currency)


@strawberry.type(description="An invoice by Stripe.")
class Invoice(Node):
    """An invoice."""

    number: str | None
    total: Money
    tax: Money | None
    refunded: Money | None = strawberry.field(
        description="What of it was given back; null for nothing."
    )
    credits: Credits = strawberry.field(description="What it bought.")
    status: str = strawberry.field(description="Stripe's word: open, paid, void, uncollectible.")
    hosted_url: str | None = strawberry.field(
        description="Stripe's page of it, as long as Stripe keeps it."
    )
    pdf_url: str | None
    created_at: datetime


def invoice(row: InvoiceRow) -> Invoice:
    """Show an invoice."""
    return Invoice(
        id=node_id("invoice", row.id),
        number=row.number,
        total=_money(row.total_minor, row.currency),
        tax=None if row.tax_minor is None else _money(row.tax_minor, row.currency),
        refunded=_money(row.refunded_minor, row.currency) if row.refunded_minor else None,
        credits=Credits(row.credits_micro),
        status=row.status,
        hosted_url=row.hosted_url,
        pdf_url=row.pdf_url,
        created_at=row.created_at,
    )


@strawberry.type(description="A tax id, by Stripe's name of its kind: eu_vat, us_ein, …")
class TaxId:
    """A tax id."""

    type: str
    value: str


@strawberry.type(description="Whom invoices are made out to. It is kept at Stripe.")
class BillingDetails:
    """Whom invoices are made out to."""

    legal_name: str | None
    email: str | None
    country: str | None = strawberry.field(description="Two letters (ISO 3166-1).")
    city: str | None
    postal_code: str | None
    line1: str | None
    line2: str | None
    state: str | None
    tax_ids: list[TaxId]


NAMES = ("legal_name", "email", *billing.ADDRESS)


def billing_details(row: billing.BillingDetails) -> BillingDetails:
    """Show the details."""
    return BillingDetails(
        **{name: getattr(row, name) for name in NAMES},
        tax_ids=[TaxId(type=one.type, value=one.value) for one in row.tax_ids],
    )


@strawberry.type(
    description="Mailed once when available falls below; armed again when more was paid in and it has risen above."
)
class BalanceAlert(Node):
    """A threshold."""

    threshold: Credits
    emails: list[str] = strawberry.field(description="Who would get the letter now.")
    last_sent_at: datetime | None


def balance_alert(row: AlertRow) -> BalanceAlert:
    """Show a threshold."""
    return BalanceAlert(
        id=node_id("balance_alert", row.id),
        threshold=Credits(row.threshold_micro),
        emails=list(row.emails),
        last_sent_at=row.last_sent_at,
    )


@strawberry.type(description="Credits bought by Stripe Checkout.")
class TopUp(Node):
    """A top-up."""

    status: TopUpStatus
    url: str | None = strawberry.field(description="Stripe's Checkout page while it is open.")
    credits: Credits
    created_at: datetime


def top_up(row: TopUpRow) -> TopUp:
    """Show a top-up."""
    return TopUp(
        id=node_id("top_up", row.id),
        status=row.status,
        url=row.url,
        credits=Credits(row.amount_micro),
        created_at=row.created_at,
    )


@strawberry.type(description="A visit to Stripe's billing portal.")
class BillingPortalSession:
    """A visit to Stripe's billing portal."""

    url: str = strawberry.field(description="Works for some minutes.")


@strawberry.input(description="A tax id, by Stripe's name of its kind: eu_vat, us_ein, …")
class TaxIdInput:
    """A tax id."""

    type: str
    value: str


@strawberry.input(description="What is left out stays, null clears.")
class BillingDetailsInput:
    """News of the details."""

    legal_name: str | None = strawberry.UNSET
    email: str | None = strawberry.UNSET
    country: str | None = strawberry.UNSET
    city: str | None = strawberry.UNSET
    postal_code: str | None = strawberry.UNSET
    line1: str | None = strawberry.UNSET
    line2: str | None = strawberry.UNSET
    state: str | None = strawberry.UNSET
    tax_ids: list[TaxIdInput] | None = strawberry.UNSET


def _news(details: BillingDetailsInput) -> dict[str, Any]:
    news = {name: getattr(details, name) for name in (*NAMES, "tax_ids")}
    news = {name: value for name, value in news.items() if value is not strawberry.UNSET}
    if news.get("tax_ids"):
        news["tax_ids"] = [TaxIdOf(one.type, one.value) for one in news["tax_ids"]]
    return news


@strawberry.type
class BillingMutations:
    """What can be done about money."""

    @strawberry.mutation(description="Starts a Stripe Checkout; send the browser to `url`.")
    async def create_top_up(self, info: Info, account_id: strawberry.ID, credits: Credits) -> TopUp:
        """Start one."""
        made = await top_ups.create_top_up(acting(info), id_of("account", account_id), credits)
        return top_up(await info.context.load(top_ups.top_up, made))

    @strawberry.mutation(
        description="Opens Stripe's own billing portal for invoices and payment methods."
    )
    async def create_billing_portal_session(
        self, info: Info, account_id: strawberry.ID
    ) -> BillingPortalSession:
        """Open it."""
        account = id_of("account", account_id)
        return BillingPortalSession(url=await billing.open_billing_portal(acting(info), account))

    @strawberry.mutation(
        description="Leaves an account with these thresholds and no others; an empty list turns alerts off."
    )
    async def set_balance_alerts(
        self,
        info: Info,
        account_id: strawberry.ID,
        thresholds: list[Credits],
        emails: Annotated[
            list[str] | None, strawberry.argument(description="Null: the Owner and the Admins.")
        ] = strawberry.UNSET,
    ) -> list[BalanceAlert]:
        """Set them."""
        account = id_of("account", account_id)
        await alerts.set_balance_alerts(acting(info), account, thresholds, given(emails))
        return [balance_alert(row) for row in await info.context.load(alerts.list_alerts, account)]

    @strawberry.mutation(description="Changes whom invoices are made out to, at Stripe.")
    async def update_billing_details(
        self, info: Info, account_id: strawberry.ID, details: BillingDetailsInput
    ) -> BillingDetails:
        """Change them."""
        account = id_of("account", account_id)
        news = _news(details)
        return billing_details(await billing.update_billing_details(acting(info), account, news))
