"""Invoices of the stand-in: made when a Checkout is paid, as Stripe's `invoice_creation` does."""

from datetime import datetime

from app.sandbox.stripe.objects import automatic_tax, listed, nothing, seconds
from app.sandbox.stripe.store import Plain, new_id


def invoice(
    at: datetime, checkout: Plain, customer: Plain, tax_ids: list[Plain], pages: str
) -> Plain:
    """Make the paid invoice of a paid Checkout, made out to its customer as that is now."""
    made, total = new_id("in"), checkout["amount_total"]
    tax = checkout["total_details"]["amount_tax"]
    enabled = checkout["automatic_tax"]["enabled"]
    taxes = [_tax(tax, total - tax)] if enabled else []
    return {
        "id": made,
        "object": "invoice",
        **_empty(),
        **_for(customer, tax_ids),
        "amount_due": total,
        "amount_overpaid": 0,
        "amount_paid": total,
        "amount_remaining": 0,
        "amount_shipping": 0,
        "attempt_count": 1,
        "attempted": True,
        "auto_advance": False,
        "automatic_tax": automatic_tax(enabled=enabled, complete=True) | {"disabled_reason": None},
        "billing_reason": "manual",
        "collection_method": "charge_automatically",
        "created": seconds(at),
        "currency": checkout["currency"],
        "default_tax_rates": [],
        "discounts": [],
        "effective_at": seconds(at),
        "hosted_invoice_url": f"{pages}/{made}",
        "invoice_pdf": f"{pages}/{made}/pdf",
        "issuer": {"type": "self"},
        "lines": listed([_line(at, made, checkout, taxes)], f"/v1/invoices/{made}/lines"),
        "livemode": False,
        "metadata": checkout["invoice_creation"]["invoice_data"]["metadata"],
        "payment_settings": nothing("default_mandate payment_method_options payment_method_types"),
        "payments": listed([_payment(at, made, checkout)], f"/v1/invoice_payments?invoice={made}"),
        "period_end": seconds(at),
        "period_start": seconds(at),
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "starting_balance": 0,
        "status": "paid",
        "status_transitions": {
            "finalized_at": seconds(at),
            "marked_uncollectible_at": None,
            "paid_at": seconds(at),
            "voided_at": None,
        },
        "subtotal": checkout["amount_subtotal"],
        "subtotal_excluding_tax": checkout["amount_subtotal"],
        "total": total,
        "total_discount_amounts": [],
        "total_excluding_tax": total - tax,
        "total_taxes": taxes,
    }


def _empty() -> Plain:
    return nothing(
        "account_name account_tax_ids application automatically_finalizes_at "
        "custom_fields customer_account customer_phone customer_shipping "
        "default_payment_method default_source description due_date "
        "ending_balance footer from_invoice last_finalization_error "
        "latest_revision next_payment_attempt on_behalf_of parent "
        "receipt_number rendering shipping_cost shipping_details "
        "statement_descriptor test_clock "
        "total_pretax_credit_amounts webhooks_delivered_at"
    )


def _for(customer: Plain, tax_ids: list[Plain]) -> Plain:
    number = customer["next_invoice_sequence"]
    return {
        "account_country": "US",
        "customer": customer["id"],
        "customer_address": customer["address"],
        "customer_email": customer["email"],
        "customer_name": customer["name"],
        "customer_tax_exempt": customer["tax_exempt"],
        "customer_tax_ids": [{"type": one["type"], "value": one["value"]} for one in tax_ids],
        "number": f"{customer['invoice_prefix']}-{number:04}",
    }


def _tax(amount: int, taxable: int) -> Plain:
    return {
        "amount": amount,
        "tax_behavior": "exclusive",
        "tax_rate_details": {"tax_rate": "txr_sandbox"},
        "taxability_reason": "standard_rated",
        "taxable_amount": taxable,
        "type": "tax_rate_details",
    }


def _line(at: datetime, owner: str, checkout: Plain, taxes: list[Plain]) -> Plain:
    return {
        "id": new_id("il"),
        "object": "line_item",
        "amount": checkout["amount_subtotal"],
        "currency": checkout["currency"],
        "description": checkout["_text"],
        "discount_amounts": [],
        "discountable": True,
        "discounts": [],
        "invoice": owner,
        "livemode": False,
        "metadata": {},
        "parent": None,
        "period": {"end": seconds(at), "start": seconds(at)},
        "pretax_credit_amounts": [],
        "pricing": None,
        "quantity": 1,
        "quantity_decimal": "1",
        "subscription": None,
        "subtotal": checkout["amount_subtotal"],
        "taxes": taxes,
    }


def _payment(at: datetime, owner: str, checkout: Plain) -> Plain:
    paid_by = checkout["payment_intent"]
    return {
        "id": new_id("inpay"),
        "object": "invoice_payment",
        "amount_paid": checkout["amount_total"],
        "amount_requested": checkout["amount_total"],
        "created": seconds(at),
        "currency": checkout["currency"],
        "invoice": owner,
        "is_default": True,
        "livemode": False,
        "payment": {"type": "payment_intent", "payment_intent": paid_by},
        "status": "paid",
        "status_transitions": {"canceled_at": None, "paid_at": seconds(at)},
    }
