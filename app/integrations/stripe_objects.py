"""What Stripe's objects say, as plain values. Money is in minor units (cents), times are UTC."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, Self

Plain = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Checkout:
    """One Checkout Session. `amount_subtotal` is before discounts and taxes, `amount_total` after them.

    `status`: open, complete, expired. `payment_status`: paid, unpaid, no_payment_required.
    `url` is there while it is open.
    """

    id: str
    url: str | None
    status: str
    payment_status: str
    amount_subtotal: int
    amount_total: int
    currency: str
    customer: str | None
    payment_intent: str | None
    invoice: str | None
    metadata: dict[str, str]
    livemode: bool
    created: datetime
    expires_at: datetime

    @classmethod
    def of(cls, given: Plain) -> Self:
        """Read one of Stripe's."""
        return cls(
            id=given["id"],
            url=given.get("url"),
            status=given["status"],
            payment_status=given["payment_status"],
            amount_subtotal=given["amount_subtotal"],
            amount_total=given["amount_total"],
            currency=given["currency"],
            customer=id_in(given.get("customer")),
            payment_intent=id_in(given.get("payment_intent")),
            invoice=id_in(given.get("invoice")),
            metadata=dict(given.get("metadata") or {}),
            livemode=given["livemode"],
            created=moment(given["created"]),
            expires_at=moment(given["expires_at"]),
        )


@dataclass(frozen=True, slots=True)
class Refund:
    """Money given back. `status`: pending, succeeded, failed, canceled, requires_action."""

    id: str
    payment_intent: str | None
    amount: int
    currency: str
    status: str
    created: datetime

    @classmethod
    def of(cls, given: Plain) -> Self:
        """Read one of Stripe's."""
        return cls(
            id=given["id"],
            payment_intent=id_in(given.get("payment_intent")),
            amount=given["amount"],
            currency=given["currency"],
            status=given.get("status") or "pending",
            created=moment(given["created"]),
        )


@dataclass(frozen=True, slots=True)
class Dispute:
    """Money that the customer's bank took back. `status`: needs_response, under_review, won, lost, prevented, warning_….

    A `warning_…` is an inquiry: no money has moved.
    """

    id: str
    payment_intent: str | None
    amount: int
    currency: str
    status: str
    created: datetime

    @classmethod
    def of(cls, given: Plain) -> Self:
        """Read one of Stripe's."""
        return cls(
            id=given["id"],
            payment_intent=id_in(given.get("payment_intent")),
            amount=given["amount"],
            currency=given["currency"],
            status=given["status"],
            created=moment(given["created"]),
        )


@dataclass(frozen=True, slots=True)
class Invoice:
    """One invoice. `metadata` is that of its Checkout: `account_id` and `top_up_id`.

    Stripe's invoices know nothing of refunds: those are found by `payment_intent`.
    `status`: draft, open, paid, void, uncollectible. `tax` is None where none was computed.
    """

    id: str
    number: str | None
    customer: str | None
    status: str
    subtotal: int
    total: int
    tax: int | None
    currency: str
    hosted_url: str | None
    pdf_url: str | None
    created: datetime
    payment_intent: str | None
    metadata: dict[str, str]

    @classmethod
    def of(cls, given: Plain) -> Self:
        """Read one of Stripe's, its `payments` expanded."""
        taxes = given.get("total_taxes")
        return cls(
            id=given["id"],
            number=given.get("number"),
            customer=id_in(given.get("customer")),
            status=given.get("status") or "draft",
            subtotal=given["subtotal"],
            total=given["total"],
            tax=sum(one["amount"] for one in taxes) if taxes else None,
            currency=given["currency"],
            hosted_url=given.get("hosted_invoice_url"),
            pdf_url=given.get("invoice_pdf"),
            created=moment(given["created"]),
            payment_intent=_paid_by(given),
            metadata=dict(given.get("metadata") or {}),
        )


@dataclass(frozen=True, slots=True)
class TaxIdOf:
    """A tax id as Stripe names its kind: `eu_vat`, `us_ein` and so on."""

    type: str
    value: str


@dataclass(frozen=True, slots=True)
class Address:
    """A postal address; `country` is two letters (ISO 3166-1)."""

    line1: str | None = None
    line2: str | None = None
    city: str | None = None
    postal_code: str | None = None
    state: str | None = None
    country: str | None = None

    @classmethod
    def of(cls, given: Plain) -> Self:
        """Read one of Stripe's."""
        return cls(**{one.name: given.get(one.name) or None for one in fields(cls)})

    def form(self) -> dict[str, str]:
        """Write all of it, so that what is empty here is emptied there."""
        return {one.name: getattr(self, one.name) or "" for one in fields(self)}


@dataclass(frozen=True, slots=True)
class Customer:
    """Whom Stripe's invoices are made out to."""

    id: str
    name: str | None
    email: str | None
    address: Address | None
    tax_ids: list[TaxIdOf]
    metadata: dict[str, str]

    @classmethod
    def of(cls, given: Plain) -> Self:
        """Read one of Stripe's; its `tax_ids` are told where they were expanded."""
        address = given.get("address")
        tax_ids = (given.get("tax_ids") or {}).get("data", [])
        return cls(
            id=given["id"],
            name=given.get("name"),
            email=given.get("email"),
            address=Address.of(address) if address else None,
            tax_ids=[TaxIdOf(one["type"], one["value"]) for one in tax_ids],
            metadata=dict(given.get("metadata") or {}),
        )


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened at Stripe. `object` is how the thing looked then, which may be long ago."""

    id: str
    type: str
    created: datetime
    livemode: bool
    object: dict[str, Any]
    api_version: str | None

    @classmethod
    def of(cls, given: Plain) -> Self:
        """Read one of Stripe's."""
        return cls(
            id=given["id"],
            type=given["type"],
            created=moment(given["created"]),
            livemode=given["livemode"],
            object=dict(given["data"]["object"]),
            api_version=given.get("api_version"),
        )


@dataclass(frozen=True, slots=True)
class CheckoutOrder:
    """What is to be paid: `amount` in minor units, before taxes and discounts.

    `success_url` may hold `{CHECKOUT_SESSION_ID}`, which Stripe fills in.
    """

    account_id: str
    top_up_id: str
    customer: str
    credits_text: str
    amount: int
    currency: str
    success_url: str
    cancel_url: str
    idempotency_key: str

    def form(self, *, tax: bool, promotion_codes: bool) -> dict[str, Any]:
        """Write what Stripe is asked for: a page for one payment, and an invoice after it."""
        ours = {"account_id": self.account_id, "top_up_id": self.top_up_id}
        price: dict[str, Any] = {
            "currency": self.currency,
            "unit_amount": self.amount,
            "product_data": {"name": self.credits_text},
        }
        form: dict[str, Any] = {
            "mode": "payment",
            "customer": self.customer,
            "client_reference_id": self.top_up_id,
            "line_items": [{"quantity": 1, "price_data": price}],
            "success_url": self.success_url,
            "cancel_url": self.cancel_url,
            "metadata": ours,
            "payment_intent_data": {"metadata": ours},
            "invoice_creation": {"enabled": True, "invoice_data": {"metadata": ours}},
            "allow_promotion_codes": promotion_codes,
            # Refunds and disputes are to come in the currency that the credits were sold in.
            "adaptive_pricing": {"enabled": False},
        }
        if tax:
            # Taxes are paid on top of the price, by the address that the customer gives there.
            price["tax_behavior"] = "exclusive"
            form["automatic_tax"] = {"enabled": True}
            form["customer_update"] = {"address": "auto", "name": "auto"}
            form["tax_id_collection"] = {"enabled": True}
        return form


def moment(seconds: int) -> datetime:
    """Read a time of Stripe's: whole seconds since 1970."""
    return datetime.fromtimestamp(seconds, UTC)


def id_in(given: Any) -> str | None:
    """Read what may be an id or the whole thing."""
    found: str | None = given["id"] if isinstance(given, Mapping) else given
    return found


def _paid_by(invoice: Plain) -> str | None:
    payments = (invoice.get("payments") or {}).get("data", [])
    found = (id_in(one["payment"].get("payment_intent")) for one in payments)
    return next((one for one in found if one), None)
