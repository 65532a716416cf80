"""The stand-in's objects, with the fields that Stripe's have (https://docs.stripe.com/api, 2026-10-28.endive)."""

import re
from collections.abc import Iterable
from copy import deepcopy
from datetime import datetime
from typing import Any

from app.sandbox.stripe.store import Plain, new_id

API_VERSION = "2026-10-28.endive"
CHECKOUT_SECONDS = 24 * 3600
ADDRESS = ("city", "country", "line1", "line2", "postal_code", "state")
TAX_PERCENT = 20
TAX_IDS = {
    "eu_vat": r"[A-Z]{2}[0-9A-Z]{8,12}",
    "gb_vat": r"GB[0-9]{9}([0-9]{3})?",
    "us_ein": r"[0-9]{2}-?[0-9]{7}",
    "ch_vat": r"CHE-?[0-9.]{9,11} (MWST|TVA|IVA)",
    "ca_bn": r"[0-9]{9}",
    "au_abn": r"[0-9]{11}",
    "in_gst": r"[0-9A-Z]{15}",
    "jp_trn": r"T[0-9]{13}",
}
"""The kinds that the stand-in knows, and how they are written; Stripe knows some hundred."""


def seconds(at: datetime) -> int:
    """Tell a moment as Stripe does."""
    return int(at.timestamp())


def nothing(names: str) -> Plain:
    """Name fields that say nothing."""
    return dict.fromkeys(names.split())


def address_of(given: Plain | str) -> Plain | None:
    """Read an address from a form; an empty text takes it away."""
    if not isinstance(given, dict):
        return None
    found = {name: given.get(name) or None for name in ADDRESS}
    return found if any(found.values()) else None


def customer(at: datetime, given: Plain) -> Plain:
    """Make a customer from what a form says."""
    settings = nothing("custom_fields default_payment_method footer rendering_options")
    return {
        "id": new_id("cus"),
        "object": "customer",
        **nothing("default_source description discount phone shipping test_clock"),
        "address": address_of(given.get("address", "")),
        "balance": 0,
        "created": seconds(at),
        "currency": None,
        "delinquent": False,
        "email": given.get("email") or None,
        "invoice_prefix": new_id("x")[2:10].upper(),
        "invoice_settings": settings,
        "livemode": False,
        "metadata": given.get("metadata") or {},
        "name": given.get("name") or None,
        "next_invoice_sequence": 1,
        "preferred_locales": [],
        "tax_exempt": "none",
    }


def tax_id(at: datetime, owner: str, kind: str, value: str) -> Plain:
    """Make a tax id of a customer."""
    return {
        "id": new_id("txi"),
        "object": "tax_id",
        "country": value[:2].upper() if kind == "eu_vat" else None,
        "created": seconds(at),
        "customer": owner,
        "customer_account": None,
        "livemode": False,
        "owner": {"customer": owner, "customer_account": None, "type": "customer"},
        "type": kind,
        "value": value,
        "verification": {"status": "unverified", "verified_address": None, "verified_name": None},
    }


def automatic_tax(*, enabled: bool, complete: bool) -> Plain:
    """Say whether taxes are computed."""
    status = ("complete" if complete else "requires_location_inputs") if enabled else None
    liability = {"type": "self"} if enabled else None
    return {"enabled": enabled, "liability": liability, "provider": None, "status": status}


def checkout(at: datetime, given: Plain, page: str) -> Plain:
    """Open a Checkout Session from what a form says, its one price being checked already."""
    price = given["line_items"][0]["price_data"]
    amount = int(price["unit_amount"]) * int(given["line_items"][0].get("quantity", 1))
    enabled = given.get("automatic_tax", {}).get("enabled") == "true"
    invoice = given.get("invoice_creation", {})
    made = new_id("cs_test")
    return {
        "id": made,
        "_text": price["product_data"]["name"],
        "object": "checkout.session",
        **nothing(
            "after_expiration billing_address_collection client_secret consent "
            "collected_information consent_collection currency_conversion "
            "customer_account customer_creation customer_details customer_email "
            "integration_identifier invoice locale managed_payments origin_context "
            "payment_intent payment_link payment_method_configuration_details "
            "permissions recovered_from saved_payment_method_options setup_intent "
            "shipping_address_collection shipping_cost submit_type subscription "
            "wallet_options"
        ),
        "adaptive_pricing": {"enabled": False},
        "allow_promotion_codes": given.get("allow_promotion_codes") == "true",
        "amount_subtotal": amount,
        "amount_total": amount,
        "automatic_tax": automatic_tax(enabled=enabled, complete=False),
        "cancel_url": given.get("cancel_url"),
        "client_reference_id": given.get("client_reference_id"),
        "created": seconds(at),
        "currency": price["currency"].lower(),
        "custom_fields": [],
        "custom_text": nothing("after_submit shipping_address submit terms_of_service_acceptance"),
        "customer": given.get("customer"),
        "discounts": [],
        "expires_at": seconds(at) + CHECKOUT_SECONDS,
        "invoice_creation": {
            "enabled": invoice.get("enabled") == "true",
            "invoice_data": {
                **nothing(
                    "account_tax_ids custom_fields description footer issuer rendering_options"
                ),
                "metadata": invoice.get("invoice_data", {}).get("metadata") or {},
            },
        },
        "livemode": False,
        "metadata": given.get("metadata") or {},
        "mode": "payment",
        "payment_method_collection": "if_required",
        "payment_method_options": {},
        "payment_method_types": ["card"],
        "payment_status": "unpaid",
        "phone_number_collection": {"enabled": False},
        "shipping_options": [],
        "status": "open",
        "success_url": given.get("success_url"),
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "ui_mode": "hosted_page",
        "url": f"{page}/{made}",
    }


def refund(at: datetime, payment: Plain, amount: int, status: str) -> Plain:
    """Make a refund of a payment."""
    return {
        "id": new_id("re"),
        "object": "refund",
        **nothing("balance_transaction reason receipt_number source_transfer_reversal"),
        **nothing("customer_account payment_method transfer_reversal"),
        "amount": amount,
        "charge": payment["charge"],
        "created": seconds(at),
        "currency": payment["currency"],
        "customer": payment["customer"],
        "destination_details": {
            "type": "card",
            "card": {
                "type": "refund",
                "reference_status": "pending",
                "reference_type": "acquirer_reference_number",
            },
        },
        "metadata": {},
        "payment_intent": payment["id"],
        "status": status,
    }


def dispute(at: datetime, payment: Plain, status: str) -> Plain:
    """Make a dispute of what is left of a payment: `needs_response`, or an inquiry's `warning_needs_response`."""
    evidence = (
        "access_activity_log billing_address cancellation_policy cancellation_policy_disclosure "
        "cancellation_rebuttal customer_communication customer_email_address customer_name "
        "customer_purchase_ip customer_signature duplicate_charge_documentation "
        "duplicate_charge_explanation duplicate_charge_id product_description receipt "
        "refund_policy refund_policy_disclosure refund_refusal_explanation service_date "
        "service_documentation shipping_address shipping_carrier shipping_date "
        "shipping_documentation shipping_tracking_number uncategorized_file uncategorized_text"
    )
    return {
        "id": new_id("du"),
        "object": "dispute",
        "amount": payment["amount"] - payment["refunded"],
        "balance_transactions": [],
        "charge": payment["charge"],
        "created": seconds(at),
        "currency": payment["currency"],
        "enhanced_eligibility_types": [],
        "intended_submission_method": None,
        "evidence": {**nothing(evidence), "enhanced_evidence": {}},
        "evidence_details": {
            "due_by": seconds(at) + 7 * 24 * 3600,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
            "submission_method": "not_submitted",
        },
        "is_charge_refundable": status.startswith("warning"),
        "livemode": False,
        "metadata": {},
        "payment_intent": payment["id"],
        "payment_method_details": {
            "type": "card",
            "card": {
                "brand": "visa",
                "case_type": "inquiry" if status.startswith("warning") else "chargeback",
                "network": "visa",
                "network_reason_code": "10.4",
            },
        },
        "reason": "fraudulent",
        "status": status,
    }


def event(at: datetime, kind: str, about: Plain, request: Plain) -> Plain:
    """Tell that something happened; what it is about is told as it is now."""
    return {
        "id": new_id("evt"),
        "object": "event",
        "api_version": API_VERSION,
        "created": seconds(at),
        "data": {"object": about},
        "livemode": False,
        "pending_webhooks": 0,
        "request": request,
        "type": kind,
    }


def shown(one: Plain, expand: Iterable[str] = ()) -> Plain:
    """Give a copy without what is our own, and without what is told only to those who ask."""
    hidden = {"payments", "tax_ids"} - set(expand)
    return {k: v for k, v in deepcopy(one).items() if not k.startswith("_") and k not in hidden}


def listed(found: Iterable[Plain], url: str, *, has_more: bool = False) -> dict[str, Any]:
    """Make a page of a list."""
    return {"object": "list", "data": list(found), "has_more": has_more, "url": url}


def tax_id_problem(kind: str, value: str) -> str | None:
    """Say what is wrong with a tax id: its kind, or how it is written. Only some kinds are known closely."""
    shape = TAX_IDS.get(kind)
    if shape is None:
        return f"Invalid tax id type: {kind}"
    return None if re.fullmatch(shape, value) else f"Invalid value for {kind}."
