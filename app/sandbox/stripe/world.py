"""What happens in the stand-in: payments and what becomes of them, each told as events."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from app.sandbox.stripe import objects
from app.sandbox.stripe.errors import ApiError, missing
from app.sandbox.stripe.invoices import invoice
from app.sandbox.stripe.objects import TAX_PERCENT, seconds, shown
from app.sandbox.stripe.store import Plain, Store, new_id

NOBODY = {"id": None, "idempotency_key": None}
PROMOTIONS = {"SAVE10": 10, "FREE": 100}
REFUNDABLE = {"won", "prevented", "warning_needs_response", "warning_closed"}
"""Disputes that leave the money with the seller."""
OUTCOMES = {
    "paid": "The card is charged",
    "declined": "The card is declined",
    "delayed": "A bank transfer: the money is on its way",
    "refunded": "Paid, and refunded at once",
    "disputed": "Paid, and disputed at once",
}
"""What a person may choose on the Checkout page."""


class World:
    """One account at the stand-in. Amounts are in minor units."""

    def __init__(self, store: Store, address: str, deliver: Callable[[Plain], None]) -> None:
        self.store = store
        self.address = address
        self._deliver = deliver

    def get(self, kind: str, given: Any, param: str = "id", status: int = 404) -> Plain:
        """Find an object. Raises `ApiError`."""
        found = self.store.find(kind, given) if isinstance(given, str) else None
        if found is None:
            raise missing(kind, str(given), param, status)
        return found

    def tell(self, at: datetime, kind: str, about: Plain, request: Plain | None = None) -> None:
        """Make an event of something, and send it to whoever listens."""
        made = objects.event(at, kind, shown(about), request or NOBODY)
        self.store.put("event", made)
        self._deliver(made)

    def tax_ids_of(self, customer: str) -> list[Plain]:
        """List a customer's tax ids, oldest first."""
        return list(self.store.newest_first("tax_id", customer=customer))[::-1]

    def expire_old(self, at: datetime) -> None:
        """End the Checkout Sessions whose time is over."""
        for one in list(self.store.newest_first("checkout.session", status="open")):
            if one["expires_at"] <= seconds(at):
                self.expire(at, one)

    def expire(self, at: datetime, checkout: Plain, request: Plain | None = None) -> None:
        """End an open Checkout Session. Raises `ApiError`."""
        if checkout["status"] != "open":
            raise ApiError(
                f'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout Session has a status of `{checkout["status"]}`.'
            )
        checkout |= {"status": "expired", "url": None}
        self.tell(at, "checkout.session.expired", checkout, request)

    def pay(self, at: datetime, checkout: Plain, outcome: str, promotion: str = "") -> None:
        """Complete an open Checkout Session in one of the `OUTCOMES`. Raises `ApiError`."""
        if checkout["status"] != "open":
            raise ApiError("This page is open no more.")
        _reduce(checkout, promotion)
        if outcome == "declined":
            raise ApiError("Your card was declined.", status=402, kind="card_error")
        _add_tax(checkout)
        checkout |= {"status": "complete", "url": None, "customer_details": self._details(checkout)}
        if checkout["amount_total"] == 0:
            checkout["payment_status"] = "no_payment_required"
            self.tell(at, "checkout.session.completed", checkout)
            return
        payment = self._payment(at, checkout)
        if outcome != "delayed":
            self._settle(at, checkout, payment)
        self.tell(at, "checkout.session.completed", checkout)
        if outcome == "refunded":
            self.refund(at, payment, payment["amount"])
        elif outcome == "disputed":
            self.dispute(at, payment)

    def arrive(self, at: datetime, payment: Plain, *, paid: bool) -> None:
        """End the waiting for a delayed payment. Raises `ApiError`."""
        checkout = self.get("checkout.session", payment["checkout"])
        if payment["status"] != "processing":
            raise ApiError("This payment does not wait for money.")
        if paid:
            self._settle(at, checkout, payment)
            self.tell(at, "checkout.session.async_payment_succeeded", checkout)
        else:
            payment["status"] = "failed"
            self.tell(at, "checkout.session.async_payment_failed", checkout)

    def refund(self, at: datetime, payment: Plain, amount: int, status: str = "succeeded") -> Plain:
        """Give back money of a payment. Raises `ApiError`."""
        left = payment["amount"] - payment["refunded"]
        disputes = self.store.newest_first("dispute", payment_intent=payment["id"])
        if any(one["status"] not in REFUNDABLE for one in disputes):
            raise ApiError("This charge has been charged back.", code="charge_disputed")
        if payment["status"] != "succeeded" or not 0 < amount <= left:
            raise ApiError(
                f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})",
                param="amount",
            )
        payment["refunded"] += amount
        made = self.store.put("refund", objects.refund(at, payment, amount, status))
        self.tell(at, "refund.created", made)
        return made

    def end_refund(self, at: datetime, refund: Plain, *, succeeded: bool) -> None:
        """Let a refund succeed, or fail: then the money is the seller's again. Raises `ApiError`."""
        if refund["status"] in ("failed", "canceled"):
            raise ApiError("This refund has ended.")
        refund["status"] = "succeeded" if succeeded else "failed"
        if not succeeded:
            self.get("payment", refund["payment_intent"])["refunded"] -= refund["amount"]
            self.tell(at, "refund.failed", refund)
        self.tell(at, "refund.updated", refund)

    def dispute(self, at: datetime, payment: Plain, *, inquiry: bool = False) -> Plain:
        """Let the customer's bank take a payment back, or only ask about it. Raises `ApiError`."""
        if payment["status"] != "succeeded" or payment["refunded"] >= payment["amount"]:
            raise ApiError("There is nothing to dispute.")
        status = "warning_needs_response" if inquiry else "needs_response"
        made = self.store.put("dispute", objects.dispute(at, payment, status))
        self.tell(at, "charge.dispute.created", made)
        if not inquiry:
            self.tell(at, "charge.dispute.funds_withdrawn", made)
        return made

    def end_dispute(self, at: datetime, dispute: Plain, *, won: bool) -> None:
        """Decide a dispute; an inquiry is closed. Raises `ApiError`."""
        if dispute["status"] in ("won", "lost", "warning_closed"):
            raise ApiError("This dispute has ended.")
        inquiry = dispute["status"].startswith("warning")
        dispute["status"] = "warning_closed" if inquiry else ("won" if won else "lost")
        self.tell(at, "charge.dispute.closed", dispute)
        if dispute["status"] == "won":
            self.tell(at, "charge.dispute.funds_reinstated", dispute)

    def _payment(self, at: datetime, checkout: Plain) -> Plain:
        payment = {
            "id": new_id("pi"),
            "charge": new_id("ch"),
            "checkout": checkout["id"],
            "customer": checkout["customer"],
            "amount": checkout["amount_total"],
            "currency": checkout["currency"],
            "created": seconds(at),
            "refunded": 0,
            "status": "processing",
        }
        checkout["payment_intent"] = payment["id"]
        return self.store.put("payment", payment)

    def _settle(self, at: datetime, checkout: Plain, payment: Plain) -> None:
        payment["status"], checkout["payment_status"] = "succeeded", "paid"
        customer = self.store.find("customer", checkout["customer"] or "")
        if customer is None or not checkout["invoice_creation"]["enabled"]:
            return
        tax_ids = self.tax_ids_of(customer["id"])
        made = invoice(at, checkout, customer, tax_ids, f"{self.address}/invoices")
        customer["next_invoice_sequence"] += 1
        self.store.put("invoice", made)
        checkout["invoice"] = made["id"]
        self.tell(at, "invoice.paid", made)

    def _details(self, checkout: Plain) -> Plain:
        customer = self.store.find("customer", checkout["customer"] or "") or {}
        return {
            "address": customer.get("address"),
            "business_name": None,
            "email": customer.get("email"),
            "individual_name": None,
            "name": customer.get("name"),
            "phone": None,
            "tax_exempt": "none",
            "tax_ids": [],
        }


def _reduce(checkout: Plain, promotion: str) -> None:
    percent = PROMOTIONS.get(promotion.strip().upper(), 0)
    if promotion and not (checkout["allow_promotion_codes"] and percent):
        raise ApiError("This promotion code is not valid.")
    discount = checkout["amount_subtotal"] * percent // 100
    checkout["total_details"]["amount_discount"] = discount
    checkout["amount_total"] = checkout["amount_subtotal"] - discount


def _add_tax(checkout: Plain) -> None:
    if not checkout["automatic_tax"]["enabled"]:
        return
    checkout["automatic_tax"] = objects.automatic_tax(enabled=True, complete=True)
    tax = checkout["amount_total"] * TAX_PERCENT // 100
    checkout["total_details"]["amount_tax"] = tax
    checkout["amount_total"] += tax
