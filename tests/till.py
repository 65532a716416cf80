"""A till: Stripe in memory, as our own class shows it, for tests of what we do with its answers."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from app.errors import NotFound
from app.integrations.stripe import (
    Checkout,
    CheckoutOrder,
    Customer,
    Dispute,
    Event,
    Invoice,
    Refund,
    StripeAway,
    StripeRefused,
)

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@dataclass
class Till:
    """Sessions, refunds and disputes that a test moves by hand; `away` makes every call fail."""

    livemode: bool = False
    away: bool = False
    customers: dict[str, Customer] = field(default_factory=dict)
    checkouts: dict[str, Checkout] = field(default_factory=dict)
    refunds: dict[str, Refund] = field(default_factory=dict)
    disputes: dict[str, Dispute] = field(default_factory=dict)
    invoices: dict[str, Invoice] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    at: datetime = NOW
    """When everything here was made."""
    first: int = 1
    """Where its ids begin: another till's are other ones."""
    _keys: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._numbers = count(self.first)

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if self.away:
            raise StripeAway

    # ---- what the service asks

    async def create_customer(
        self, *, account_id: str, name: str, email: str, idempotency_key: str
    ) -> Customer:
        self._ask("create_customer")
        known = self._keys.get(idempotency_key)
        if known is None:
            known = self._keys[idempotency_key] = f"cus_{next(self._numbers)}"
            self.customers[known] = Customer(
                known, name, email, None, [], {"account_id": account_id}
            )
        return self.customers[known]

    async def customer(self, customer: str) -> Customer:
        self._ask("customer")
        return _found(self.customers, customer)

    async def update_customer(
        self, customer: str, *, idempotency_key: str, **news: Any
    ) -> Customer:
        del idempotency_key
        self._ask("update_customer")
        given = {name: value for name, value in news.items() if value is not None}
        self.customers[customer] = replace(_found(self.customers, customer), **given)
        return self.customers[customer]

    async def set_tax_ids(self, customer: str, tax_ids: Any) -> None:
        self._ask("set_tax_ids")
        found = _found(self.customers, customer)
        self.customers[customer] = replace(found, tax_ids=list(tax_ids))

    async def create_checkout(self, order: CheckoutOrder) -> Checkout:
        self._ask("create_checkout")
        if order.customer not in self.customers:
            raise StripeRefused("resource_missing", "customer")
        number = next(self._numbers)
        made = Checkout(
            id=f"cs_test_{number}",
            url=f"https://checkout.stripe.test/{number}",
            status="open",
            payment_status="unpaid",
            amount_subtotal=order.amount,
            amount_total=order.amount,
            currency=order.currency,
            customer=order.customer,
            payment_intent=None,
            invoice=None,
            metadata={"account_id": order.account_id, "top_up_id": order.top_up_id},
            livemode=self.livemode,
            created=self.at,
            expires_at=self.at + timedelta(days=1),
        )
        self.checkouts[made.id] = made
        return made

    async def checkout(self, checkout: str) -> Checkout:
        self._ask("checkout")
        return _found(self.checkouts, checkout)

    async def checkout_of_payment(self, payment_intent: str) -> Checkout | None:
        self._ask("checkout_of_payment")
        return next(
            (one for one in self.checkouts.values() if one.payment_intent == payment_intent), None
        )

    async def refunds_of(self, payment_intent: str) -> list[Refund]:
        self._ask("refunds_of")
        return [one for one in self.refunds.values() if one.payment_intent == payment_intent]

    async def disputes_of(self, payment_intent: str) -> list[Dispute]:
        self._ask("disputes_of")
        return [one for one in self.disputes.values() if one.payment_intent == payment_intent]

    async def refunds_since(self, since: datetime) -> AsyncIterator[Refund]:
        self._ask("refunds_since")
        for one in self.refunds.values():
            if one.created >= since:
                yield one

    async def disputes_since(self, since: datetime) -> AsyncIterator[Dispute]:
        self._ask("disputes_since")
        for one in self.disputes.values():
            if one.created >= since:
                yield one

    async def invoice(self, invoice: str) -> Invoice:
        self._ask("invoice")
        return _found(self.invoices, invoice)

    async def portal_session(self, customer: str, return_url: str, idempotency_key: str) -> str:
        del return_url, idempotency_key
        self._ask("portal_session")
        return f"https://billing.stripe.test/{customer}"

    async def events_since(self, since: datetime) -> AsyncIterator[Event]:
        self._ask("events_since")
        for one in reversed(self.events):
            if one.created >= since:
                yield one

    async def checkouts_since(self, since: datetime) -> AsyncIterator[Checkout]:
        self._ask("checkouts_since")
        for one in reversed(self.checkouts.values()):
            if one.created >= since:
                yield one

    # ---- what people do there

    def change(self, session: str, **news: Any) -> Checkout:
        """Let a session be another."""
        self.checkouts[session] = replace(self.checkouts[session], **news)
        return self.checkouts[session]

    def pay(self, session: str, *, tax: int = 0, discount: int = 0, delayed: bool = False) -> Event:
        """Let somebody press Pay; the event that Stripe makes of it."""
        number = session.removeprefix("cs_test_")
        total = self.checkouts[session].amount_subtotal + tax - discount
        self.change(
            session,
            url=None,
            status="complete",
            payment_status="unpaid" if delayed else "paid",
            amount_total=total,
            payment_intent=f"pi_{number}",
            invoice=f"in_{number}",
        )
        self._invoice(session, tax)
        self.event("invoice.paid", {"id": f"in_{number}"})
        return self.event("checkout.session.completed", {"id": session})

    def _invoice(self, session: str, tax: int) -> None:
        paid = self.checkouts[session]
        assert paid.invoice is not None
        self.invoices[paid.invoice] = Invoice(
            id=paid.invoice,
            number=f"R9S-{paid.invoice.removeprefix('in_')}",
            customer=paid.customer,
            status="paid",
            subtotal=paid.amount_subtotal,
            total=paid.amount_total,
            tax=tax or None,
            currency=paid.currency,
            hosted_url=f"https://invoice.stripe.test/{paid.invoice}",
            pdf_url=f"https://invoice.stripe.test/{paid.invoice}.pdf",
            created=self.at,
            payment_intent=paid.payment_intent,
            metadata=paid.metadata,
        )

    def arrive(self, session: str) -> Event:
        """Let a delayed payment come in."""
        self.change(session, payment_status="paid")
        return self.event("checkout.session.async_payment_succeeded", {"id": session})

    def give_back(self, session: str, amount: int, status: str = "succeeded") -> Event:
        """Refund a part of a payment."""
        payment = self.checkouts[session].payment_intent
        number = next(self._numbers)
        made = Refund(
            f"re_{number}", payment, amount, "usd", status, self.at + timedelta(seconds=number)
        )
        self.refunds[made.id] = made
        return self.event("refund.created", {"id": made.id, "payment_intent": payment})

    def dispute(self, session: str, amount: int, status: str = "needs_response") -> Event:
        """Let the customer's bank take a part of a payment back."""
        payment = self.checkouts[session].payment_intent
        number = next(self._numbers)
        made = Dispute(
            f"dp_{number}", payment, amount, "usd", status, self.at + timedelta(seconds=number)
        )
        self.disputes[made.id] = made
        return self.event("charge.dispute.created", {"id": made.id, "payment_intent": payment})

    def close(self, thing: str, status: str) -> Event:
        """Bring a refund or dispute to another state."""
        if thing in self.refunds:
            self.refunds[thing] = replace(self.refunds[thing], status=status)
            payment = self.refunds[thing].payment_intent
            return self.event("refund.updated", {"id": thing, "payment_intent": payment})
        self.disputes[thing] = replace(self.disputes[thing], status=status)
        payment = self.disputes[thing].payment_intent
        return self.event("charge.dispute.closed", {"id": thing, "payment_intent": payment})

    def event(self, kind: str, about: dict[str, Any]) -> Event:
        """Make an event, which Stripe keeps."""
        number = next(self._numbers)
        made = Event(f"evt_{number}", kind, self.at, self.livemode, about, "2026-10-28.endive")
        self.events.append(made)
        return made


def _found(things: dict[str, Any], name: str) -> Any:
    if name not in things:
        raise NotFound
    return things[name]
