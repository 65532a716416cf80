"""`GET /balance`: adds up, tells the past, costs little when nothing has changed."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

from app.ledger.posting import post
from app.models import LedgerKind
from app.money import MICRO
from tests.ledger.books import keep_books
from tests.web.rest.conftest import Finance


async def move(finance: Finance, kind: LedgerKind, micro: int) -> None:
    async with finance.scene.database.write() as session:
        await post(session, finance.account_id, kind, micro)


def check(body: dict[str, Any]) -> None:
    life = {name: Decimal(value) for name, value in body["lifetime"].items()}
    gained = life["purchased"] + life["granted"] + life["adjusted"]
    assert Decimal(body["credits"]) == gained - life["refunded"] - life["used"]
    if body["held"] is not None:
        left = Decimal(body["credits"]) - Decimal(body["held"])
        assert Decimal(body["available"]) == max(Decimal(0), left)


async def test_a_balance_adds_up_and_has_every_field_of_the_contract(finance: Finance) -> None:
    await keep_books(finance.scene.database, finance.account_id, granted=100)
    await move(finance, LedgerKind.TOP_UP, 5 * MICRO)
    await move(finance, LedgerKind.REFUND, MICRO)
    body = await finance.json("/balance")
    check(body)
    assert body.pop("as_of").endswith("Z")
    month = body.pop("month")
    assert month["used"] == "0.000019"
    assert month["start"].endswith("-01T00:00:00Z")
    assert body.pop("account")["id"].startswith("acc_")
    assert body == {
        "object": "balance",
        "unit": "credit",
        "currency": "USD",
        "currency_per_unit": "1",
        "credits": "4.000081",
        "held": "0.000003",
        "available": "4.000078",
        "lifetime": {
            "purchased": "5.000000",
            "granted": "0.000100",
            "used": "0.000019",
            "refunded": "1.000000",
            "adjusted": "0.000000",
        },
    }


async def test_a_past_balance_is_what_it_was_then(
    finance: Finance, shift_clock: Callable[[timedelta], None]
) -> None:
    await move(finance, LedgerKind.GRANT, 7 * MICRO)
    then = (await finance.json("/balance"))["as_of"]
    shift_clock(timedelta(days=1))
    await move(finance, LedgerKind.USAGE, 2 * MICRO)
    now = await finance.json("/balance")
    past = await finance.json(f"/balance?at={then}")
    check(past)
    assert (past["credits"], past["held"], past["available"]) == ("7.000000", None, None)
    assert (past["as_of"], now["credits"]) == (then, "5.000000")
    day = then[:10]
    assert (await finance.json(f"/balance?at={day}"))["credits"] == "0.000000"
    assert (await finance.json(f"/balance?at={day}"))["as_of"] == f"{day}T00:00:00Z"


async def test_a_poll_that_finds_nothing_new_costs_a_304(finance: Finance) -> None:
    first = await finance.get("/balance")
    assert first.headers["cache-control"] == "private, no-cache"
    tag = first.headers["etag"]
    for known in (tag, f'"other", {tag}', tag.removeprefix("W/"), "*"):
        again = await finance.get("/balance", if_none_match=known)
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == tag
        assert again.headers["cache-control"] == "private, no-cache"
        assert "ratelimit" in again.headers
    await move(finance, LedgerKind.GRANT, 1)
    changed = await finance.get("/balance", if_none_match=tag)
    assert changed.status_code == 200
    assert changed.headers["etag"] != tag


async def test_a_balance_takes_one_statement_with_its_key(finance: Finance) -> None:
    await finance.get("/balance")
    seen: list[str] = []
    finance.app.state.services.database.on_statement(seen.append)
    await finance.get("/balance")
    assert len([one for one in seen if "wallets" in one or "key_secrets" in one]) == 1
