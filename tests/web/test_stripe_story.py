"""Money that comes and goes by Stripe's webhook alone, and over a restart: the service as it is served, with the stand-in."""

import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from app.database import Database
from app.ledger.verification import verify
from app.settings import Settings
from tests.web.conftest import Browser, served

DESK = "/sandbox/stripe"
OURS = {"Sec-Fetch-Site": "same-origin"}
ACCOUNT = """{ viewer { personalAccount {
    id balance { credits purchased refunded } invoices { totalCount }
} } }"""
CREATE = 'mutation($a: ID!) { createTopUp(accountId: $a, credits: "50") { url } }'


@pytest.fixture
def site(database_url: str) -> Iterator[Settings]:
    """Serve the service; whoever watches what is coming asks often."""
    with served(database_url, rate_limit_address=1_000_000) as settings:
        yield settings


def _graphql(browser: Browser, query: str, **variables: Any) -> Any:
    answer = browser.post(
        "/graphql",
        json={"query": query, "variables": variables},
        headers={**OURS, "Accept": "application/json"},
    ).json()
    assert "errors" not in answer, answer
    return answer["data"]


def _account(browser: Browser) -> Any:
    return _graphql(browser, ACCOUNT)["viewer"]["personalAccount"]


def _credits(browser: Browser) -> str:
    """Tell the balance once every event has been taken."""
    _until(lambda: "0 waiting" in browser.get(DESK).text)
    return str(_account(browser)["balance"]["credits"])


def _until(so: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not so():
        assert time.monotonic() < end, "events were not taken"


def _pay(browser: Browser, outcome: str) -> str:
    """Buy fifty credits and never come back from Stripe; tell the payment's id."""
    made = _graphql(browser, CREATE, a=_account(browser)["id"])["createTopUp"]
    given = {"outcome": outcome}
    answer = browser.post(made["url"], data=given, headers=OURS, follow_redirects=False)
    assert answer.status_code == 303, answer.text
    found = re.search(r"payments/(pi_\w+)", browser.get(DESK).text)
    assert found is not None
    return found[1]


def _desk(browser: Browser, path: str, **fields: str) -> None:
    """Move something at the stand-in."""
    assert browser.post(f"{DESK}/{path}", data=fields, headers=OURS).status_code == 200


async def test_money_comes_and_goes_by_webhooks_alone_at_once_and_backwards(
    browser: Browser, database: Database
) -> None:
    browser.sign_in("ann@example.com")
    _desk(browser, "deliveries", copies="20", paused="1", reverse="1")
    payment = _pay(browser, "paid")
    _desk(browser, f"payments/{payment}", what="refund", amount="1000")
    _desk(browser, f"payments/{payment}", what="dispute")
    assert _account(browser)["balance"]["credits"] == "0.000000"
    _desk(browser, "deliveries", copies="20", reverse="1")
    assert _credits(browser) == "0.000000"
    account = _account(browser)
    assert account["balance"] == {
        "credits": "0.000000",
        "purchased": "50.000000",
        "refunded": "50.000000",
    }
    # Nobody has landed: the invoice came by its own event.
    assert account["invoices"]["totalCount"] == 1
    dispute = re.search(r'value="(du_\w+)"', browser.get(DESK).text)
    assert dispute is not None
    _desk(browser, f"payments/{payment}", what="won", about=dispute[1])
    assert _credits(browser) == "40.000000"
    delayed = _pay(browser, "delayed")
    assert _credits(browser) == "40.000000"
    _desk(browser, f"payments/{delayed}", what="arrives")
    assert _credits(browser) == "90.000000"
    assert (await verify(database)).wrong is None


def test_credits_are_bought_again_after_a_restart(database_url: str) -> None:
    """On PostgreSQL the stand-in has then forgotten the customer, as if it had been deleted at Stripe."""
    number = 0
    for expected in ("50.000000", "100.000000"):
        # At one and the same address: who somebody is depends on the issuer's.
        with (
            served(database_url, number, rate_limit_address=1_000_000) as settings,
            Browser(settings) as browser,
        ):
            number = int(settings.base_url.rpartition(":")[2])
            browser.sign_in("ann@example.com")
            _pay(browser, "paid")
            assert _credits(browser) == expected
