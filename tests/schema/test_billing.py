"""Billing over GraphQL: a top-up is started, watched and paid; details, alerts, invoices; refusals that change nothing."""

from dataclasses import replace
from typing import Any

import pytest

from app.resolvers import payments
from tests.schema.conftest import Window
from tests.till import Till

BILLING = """query($slug: String!) { account(slug: $slug) {
    balance { credits purchased refunded }
    invoices { totalCount edges { node { id number status credits pdfUrl
        total { amount currency } tax { amount } refunded { amount } } } }
    alerts { threshold emails lastSentAt }
    billingDetails { legalName email country city taxIds { type value } } } }"""
TOP_UP = "query($id: ID!) { node(id: $id) { ... on TopUp { id status url credits } } }"
CREATE = """mutation($account: ID!, $credits: Credits!) {
    createTopUp(accountId: $account, credits: $credits) { id status url credits } }"""
ALERTS = """mutation($account: ID!, $thresholds: [Credits!]!, $emails: [String!]) {
    setBalanceAlerts(accountId: $account, thresholds: $thresholds, emails: $emails) { id threshold emails } }"""
DETAILS = """mutation($account: ID!, $details: BillingDetailsInput!) {
    updateBillingDetails(accountId: $account, details: $details) { legalName email city taxIds { type value } } }"""
PORTAL = "mutation($account: ID!) { createBillingPortalSession(accountId: $account) { url } }"


@pytest.fixture
def till(window: Window, acme: str) -> Till:
    assert acme
    made = Till()
    window.people = {name: replace(one, stripe=made) for name, one in window.people.items()}
    return made


async def test_a_top_up_is_started_watched_and_paid(window: Window, acme: str, till: Till) -> None:
    made = (await window.data("adam", CREATE, account=acme, credits="50"))["createTopUp"]
    session = next(iter(till.checkouts))
    assert made == {
        "id": made["id"],
        "status": "OPEN",
        "url": till.checkouts[session].url,
        "credits": "50.000000",
    }
    us = window.people["adam"]
    await payments.take_event(us, till.pay(session, tax=950), "{}")
    await payments.take_event(us, till.event("invoice.paid", {"id": f"in_{session[8:]}"}), "{}")
    await payments.take_event(us, till.give_back(session, 595), "{}")
    seen = await window.data("olga", TOP_UP, id=made["id"])
    assert seen["node"] == {**made, "status": "PAID", "url": None}
    shown = (await window.data("olga", BILLING, slug="acme"))["account"]
    assert shown["balance"] == {
        "credits": "45.000000",
        "purchased": "50.000000",
        "refunded": "5.000000",
    }
    invoice = shown["invoices"]["edges"][0]["node"]
    assert shown["invoices"]["totalCount"] == 1
    assert invoice | {"id": None, "number": None, "pdfUrl": None} == {
        "id": None,
        "number": None,
        "pdfUrl": None,
        "status": "paid",
        "credits": "50.000000",
        "total": {"amount": "59.50", "currency": "USD"},
        "tax": {"amount": "9.50"},
        "refunded": {"amount": "5.95"},
    }
    again = await window.data("adam", "query($id: ID!) { node(id: $id) { id } }", id=invoice["id"])
    assert again["node"] == {"id": invoice["id"]}


async def test_details_are_changed_at_stripe_by_name(window: Window, acme: str, till: Till) -> None:
    vat = [{"type": "eu_vat", "value": "DE123456789"}]
    first = {"legalName": "Acme GmbH", "city": "Bonn", "country": "DE", "taxIds": vat}
    await window.data("olga", DETAILS, account=acme, details=first)
    second = (await window.data("adam", DETAILS, account=acme, details={"city": None}))[
        "updateBillingDetails"
    ]
    assert second == {
        "legalName": "Acme GmbH",
        "email": "olga@example.com",
        "city": None,
        "taxIds": vat,
    }
    assert till.customers["cus_1"].address.country == "DE"
    answer = await window.data("olga", PORTAL, account=acme)
    assert answer["createBillingPortalSession"]["url"] == "https://billing.stripe.test/cus_1"
    log = """query { organization(slug: "acme") { auditLog(first: 2) { edges { node {
        action actorName before after } } } } }"""
    events = (await window.data("olga", log))["organization"]["auditLog"]["edges"]
    assert events[0]["node"] == {
        "action": "update_billing_details",
        "actorName": "Adam",
        "before": {"city": "Bonn"},
        "after": {"city": None},
    }


async def test_alerts_are_set_and_seen(window: Window, acme: str, till: Till) -> None:
    assert till.asked == []
    made = await window.data("adam", ALERTS, account=acme, thresholds=["25", "10.5"])
    assert [(one["threshold"], one["emails"]) for one in made["setBalanceAlerts"]] == [
        ("10.500000", ["olga@example.com", "adam@example.com"]),
        ("25.000000", ["olga@example.com", "adam@example.com"]),
    ]
    shown = await window.data("olga", BILLING, slug="acme")
    assert len(shown["account"]["alerts"]) == 2
    nothing = dict.fromkeys(("legalName", "email", "country", "city"))
    assert shown["account"]["billingDetails"] == nothing | {"taxIds": []}


@pytest.mark.parametrize(
    ("query", "given"),
    [
        (CREATE, {"credits": "50"}),
        (ALERTS, {"thresholds": ["5"]}),
        (DETAILS, {"details": {"city": "Bonn"}}),
        (PORTAL, {}),
    ],
)
async def test_whoever_may_not_changes_nothing(
    window: Window, acme: str, till: Till, query: str, given: dict[str, Any]
) -> None:
    before = await window.scene.snapshot()
    assert await window.code("mia", query, account=acme, **given) == "FORBIDDEN"
    assert await window.code("sam", query, account=acme, **given) == "NOT_FOUND"
    assert await window.code(None, query, account=acme, **given) == "UNAUTHENTICATED"
    assert await window.scene.snapshot() == before
    assert till.asked == []


async def test_a_member_sees_the_rest_of_the_account(window: Window, acme: str, till: Till) -> None:
    assert acme
    answer = await window.ask("mia", BILLING, slug="acme")
    account = answer["data"]["account"]
    assert account == dict.fromkeys(("balance", "invoices", "alerts", "billingDetails"))
    assert {one["extensions"]["code"] for one in answer["errors"]} == {"FORBIDDEN"}
    assert till.asked == []


@pytest.mark.parametrize(
    ("details", "field"),
    [
        ({"country": "Germany"}, "country"),
        ({"email": "nobody"}, "email"),
        ({"legalName": "x" * 201}, "legalName"),
        ({"taxIds": [{"type": "VAT!", "value": "1"}]}, "taxIds"),
    ],
)
async def test_details_that_make_no_sense_are_named(
    window: Window, acme: str, till: Till, details: dict[str, Any], field: str
) -> None:
    answer = await window.ask("olga", DETAILS, account=acme, details=details)
    extensions = answer["errors"][0]["extensions"]
    assert (extensions["code"], extensions["fields"][0]["field"]) == ("INVALID", field)
    assert till.asked == []


async def test_while_stripe_is_away_checkout_says_so_and_the_rest_stands(
    window: Window, acme: str, till: Till
) -> None:
    await window.data("olga", CREATE, account=acme, credits="50")
    till.away = True
    assert await window.code("olga", CREATE, account=acme, credits="50") == "UNAVAILABLE"
    answer = await window.ask("olga", BILLING, slug="acme")
    assert answer["errors"][0]["path"] == ["account", "billingDetails"]
    assert answer["errors"][0]["extensions"]["code"] == "UNAVAILABLE"
    assert answer["data"]["account"]["invoices"]["totalCount"] == 0
