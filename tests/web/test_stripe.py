"""Stripe's webhook and the whole story over HTTP, with the stand-in for Stripe as it is served."""

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import stripe
from sqlalchemy import func, select
from sqlmodel import col

from app.database import Database, now
from app.ledger.verification import verify
from app.models import StripeEvent, TopUp, TopUpStatus, Transfer, Wallet
from app.money import MICRO
from app.settings import Settings
from tests.web.conftest import Browser, served

WEBHOOK = "/webhooks/stripe"
DESK = "/sandbox/stripe"
PREVIOUS = "whsec_previous-while-it-is-changed-0123456789"


@pytest.fixture
def site(database_url: str) -> Iterator[Settings]:
    """Serve the service, which knows two secrets of the webhook."""
    with served(database_url, stripe_webhook_secret_previous=PREVIOUS) as settings:
        yield settings


async def _count(database: Database, model: Any) -> int:
    row = await database.row(select(func.count()).select_from(model))
    assert row is not None
    return int(row[0])


def _event(number: int, **more: Any) -> str:
    return json.dumps(
        {
            "id": f"evt_{number}",
            "object": "event",
            "type": "customer.updated",
            "created": 1_700_000_000,
            "livemode": False,
            "data": {"object": {"id": "cus_1"}},
            **more,
        }
    )


def _signed(body: str, secret: str, at: int) -> str:
    return f"t={at},v1={stripe.WebhookSignature._compute_signature(f'{at}.{body}', secret)}"


async def test_only_what_stripe_has_signed_just_now_is_stored(
    site: Settings, browser: Browser, database: Database
) -> None:
    row = await database.row(select(now()))
    assert row is not None
    clock = int(row[0].timestamp())
    secret = site.stripe_webhook_secret.get_secret_value()
    body = _event(1)
    spaced = body.replace(":", " : ")
    live = _event(1, livemode=True)
    forged = [
        (body, None),
        (body, ""),
        (body, f"t={clock},v1={'0' * 64}"),
        (body, _signed(body, "whsec_another-secret-of-somebody-0123456789", clock)),
        (body, _signed(body, "", clock)),
        (body, _signed(body, secret, clock - 400)),
        (body, _signed(body, secret, clock + 400)),
        (spaced, _signed(body, secret, clock)),
        (live, _signed(live, secret, clock)),
        ("{}", _signed("{}", secret, clock)),
        ("nonsense", _signed("nonsense", secret, clock)),
    ]
    for sent, header in forged:
        headers = {} if header is None else {"Stripe-Signature": header}
        answer = browser.post(WEBHOOK, content=sent, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_request"), header
    assert await _count(database, StripeEvent) == 0
    large = _event(2, padding="x" * 200_000)
    for number, (sent, key) in enumerate(
        [(body, secret), (body, secret), (_event(3), PREVIOUS), (large, secret)]
    ):
        answer = browser.post(
            WEBHOOK, content=sent, headers={"Stripe-Signature": _signed(sent, key, clock)}
        )
        assert answer.status_code == 200, number
    assert await _count(database, StripeEvent) == 3
    too_large = _event(4, padding="x" * 262_144)
    answer = browser.post(
        WEBHOOK, content=too_large, headers={"Stripe-Signature": _signed(too_large, secret, clock)}
    )
    assert answer.status_code == 413
    assert browser.get(WEBHOOK).status_code == 405


async def _until(database: Database, credits_: int, transfers: int) -> None:
    """Wait for the deliveries of the stand-in, which come by themselves."""
    async with asyncio.timeout(60):
        while (await _count(database, Transfer), await _balance(database)) != (transfers, credits_):  # noqa: ASYNC110 - the server runs in another thread
            await asyncio.sleep(0)


async def _balance(database: Database) -> int:
    row = await database.row(select(func.sum(col(Wallet.balance_micro))))
    assert row is not None
    return int(row[0] or 0)


async def test_a_person_buys_at_the_checkout_page_and_every_outcome_ends_in_the_right_balance(
    browser: Browser, database: Database
) -> None:
    home = browser.sign_in("ann@example.com", "Ann")
    credits_path = f"{home.url.path.rstrip('/')}/credits"
    # Stripe tells everything twenty times, the newest first.
    desk = browser.get(DESK)
    browser.submit(desk, "deliveries", copies="20", reverse="on")
    for outcome, status in (
        ("paid", TopUpStatus.PAID),
        ("refunded", TopUpStatus.PAID),
        ("disputed", TopUpStatus.PAID),
        ("delayed", TopUpStatus.PROCESSING),
    ):
        checkout = browser.submit(browser.get(credits_path), "/credits", preset="50")
        assert checkout.url.path.startswith(DESK), checkout.url
        page = browser.submit(checkout, None, outcome=outcome)
        assert page.url.path == credits_path
        row = await database.row(select(col(TopUp.status)).order_by(col(TopUp.created_at).desc()))
        assert row is not None
        assert row[0] is status, outcome
    checkout = browser.submit(browser.get(credits_path), "/credits", credits="12.5")
    declined = browser.submit(checkout, None, outcome="declined")
    assert declined.status_code == 422
    cancelled = browser.post(
        checkout.url, data={"cancel": "1"}, headers={"Sec-Fetch-Site": "same-origin"}
    )
    assert "Nothing was charged" in cancelled.text
    await _until(database, 50 * MICRO, 5)
    billing = browser.get(credits_path.replace("credits", "billing"))
    pdf = re.search(r'href="([^"]*/billing/invoices/[^"]*)"', billing.text)
    assert pdf is not None
    assert browser.get(pdf[1]).content.startswith(b"%PDF")
    assert (await verify(database)).wrong is None
