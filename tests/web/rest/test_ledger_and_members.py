"""`GET /ledger`, `GET /invoices` and `GET /members`: the same rows in three formats, by pages and by streams."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import product
from typing import Any

from app.ledger.posting import post
from app.models import Invoice, LedgerKind
from app.money import MICRO
from app.resolvers import members
from tests.web.rest.conftest import Finance


async def move(finance: Finance, kind: LedgerKind, *amounts: int, **more: Any) -> None:
    async with finance.scene.database.write() as session:
        for micro in amounts:
            await post(session, finance.account_id, kind, micro, **more)


async def invoice(finance: Finance, many: int) -> None:
    async with finance.scene.database.write() as session:
        for number in range(many):
            one = Invoice(
                account_id=finance.account_id,
                invoice=f"in_{number}",
                number=f"ACME-{number}",
                status="paid",
                total_minor=2975 + number,
                tax_minor=475,
                currency="USD",
                created_at=datetime(2026, 11, 1 + number, tzinfo=UTC),
            )
            session.add(one)


def as_text(rows: list[dict[str, Any]]) -> list[dict[str, str]]:
    plain = {None: "", True: "true", False: "false"}
    return [
        {
            name: plain[value] if value is None or isinstance(value, bool) else str(value)
            for name, value in row.items()
        }
        for row in rows
    ]


async def test_pages_and_streams_hold_the_same_rows(finance: Finance) -> None:
    await move(finance, LedgerKind.GRANT, *range(1, 8), description="Gift, “ä”")
    await invoice(finance, 3)
    for path, order in product(("/ledger", "/invoices", "/members"), ("asc", "desc")):
        await _check_forms(finance, path, order)


async def _check_forms(finance: Finance, path: str, order: str) -> None:
    rows = await finance.pages(f"{path}?order={order}&limit=2")
    assert len(rows) == {"/ledger": 7, "/invoices": 3, "/members": 3}[path]
    assert rows == await finance.lines(f"{path}?order={order}")
    assert as_text(rows) == await finance.table(f"{path}?order={order}")
    other = "asc" if order == "desc" else "desc"
    assert (await finance.pages(f"{path}?order={other}&limit=1"))[::-1] == rows


async def test_entries_add_up_to_the_balance(finance: Finance) -> None:
    await move(finance, LedgerKind.GRANT, 5 * MICRO)
    await move(finance, LedgerKind.USAGE, 1, 2, 3)
    await move(finance, LedgerKind.TOP_UP, MICRO)
    await move(finance, LedgerKind.USAGE, 4)
    rows = await finance.pages("/ledger")
    assert [row["kind"] for row in rows] == ["grant", "usage", "top_up", "usage"]
    total = Decimal(0)
    for row in rows:
        total += Decimal(row["amount"])
        assert Decimal(row["balance_after"]) == total
    assert rows[1]["amount"] == "-0.000006"
    assert (await finance.json("/balance"))["credits"] == rows[-1]["balance_after"]


async def test_what_still_grows_is_marked_and_comes_again_when_it_is_final(
    finance: Finance, shift_clock: Callable[[timedelta], None]
) -> None:
    await move(finance, LedgerKind.GRANT, 10)
    await move(finance, LedgerKind.USAGE, 1)
    first = await finance.json("/ledger")
    assert [(row["amount"], row["final"]) for row in first["data"]] == [
        ("0.000010", True),
        ("-0.000001", False),
    ]
    await move(finance, LedgerKind.USAGE, 2)
    shift_clock(timedelta(days=1))
    later = await finance.json(f"/ledger?cursor={first['next_cursor']}")
    assert [(row["amount"], row["final"]) for row in later["data"]] == [("-0.000003", True)]
    assert later["data"][0]["id"] == first["data"][1]["id"]
    stream = await finance.get("/ledger?format=csv")
    after = stream.headers["x-next-cursor"]
    assert (await finance.json(f"/ledger?cursor={after}"))["data"] == []
    await move(finance, LedgerKind.GRANT, 4)
    new = (await finance.json(f"/ledger?cursor={after}"))["data"]
    assert [row["amount"] for row in new] == ["0.000004"]


async def test_a_range_of_entries_is_half_open_by_when_they_were_booked(
    finance: Finance, shift_clock: Callable[[timedelta], None]
) -> None:
    for micro in (1, 2, 3):
        await move(finance, LedgerKind.GRANT, micro)
        shift_clock(timedelta(hours=1))
    moments = [row["created_at"] for row in await finance.pages("/ledger")]
    found = await finance.pages(f"/ledger?from={moments[1]}&to={moments[2]}")
    assert [row["amount"] for row in found] == ["0.000002"]


async def test_invoices_are_told_in_their_currency_and_drafts_and_others_are_not(
    finance: Finance,
) -> None:
    await invoice(finance, 2)
    other = await finance.scene.organization(finance.scene.fresh(finance.owner), "Other")
    async with finance.scene.database.write() as session:
        made = datetime(2026, 11, 1, tzinfo=UTC)
        facts = {"total_minor": 1, "currency": "JPY", "created_at": made}
        for number, (account, status) in enumerate(
            [(finance.account_id, "draft"), (other, "paid")]
        ):
            session.add(Invoice(account_id=account, invoice=f"x{number}", status=status, **facts))
    rows = await finance.pages("/invoices")
    assert [row["number"] for row in rows] == ["ACME-0", "ACME-1"]
    told = {"status": "paid", "total": "29.75", "tax": "4.75", "refunded": "0.00"}
    assert rows[0].items() >= {**told, "currency": "USD", "credits": "0.000000"}.items()
    found = await finance.pages("/invoices?from=2026-11-02")
    assert [row["number"] for row in found] == ["ACME-1"]
    assert (await finance.get("/invoices?cursor=x")).status_code == 400


async def test_members_show_quota_and_what_is_left(finance: Finance) -> None:
    owner = finance.scene.fresh(finance.owner)
    await members.set_member_quota(owner, finance.members["mia"], 300 * MICRO)
    await members.set_member_quota(finance.scene.fresh(finance.owner), finance.members["adam"], 0)
    rows = {row["name"]: row for row in await finance.pages("/members")}
    assert (
        rows["Mia"].items()
        >= {
            "email": "mia@example.com",
            "role": "member",
            "quota": "300.000000",
            "used": "0.000000",
            "held": "0.000000",
            "remaining": "300.000000",
        }.items()
    )
    assert (rows["Adam"]["quota"], rows["Adam"]["remaining"]) == ("0.000000", "0.000000")
    assert (rows["Olga"]["quota"], rows["Olga"]["remaining"]) == ("-1", None)
    assert rows["Olga"]["role"] == "owner"


async def test_cursors_are_bound_to_their_list(finance: Finance) -> None:
    await move(finance, LedgerKind.GRANT, 1, 2, 3)
    ledger = (await finance.json("/ledger?limit=1"))["next_cursor"]
    people = (await finance.json("/members?limit=1"))["next_cursor"]
    for path in (
        f"/members?cursor={ledger}",
        f"/ledger?cursor={people}",
        f"/ledger?order=desc&cursor={ledger}",
        f"/ledger?from=2026-01-01&cursor={ledger}",
        f"/ledger?cursor={ledger}x",
    ):
        assert (await finance.get(path)).status_code == 400, path
    # The size of a page and the format are no part of a list.
    assert len((await finance.json(f"/ledger?limit=5&cursor={ledger}"))["data"]) == 2
    assert len(await finance.lines(f"/ledger?format=ndjson&cursor={ledger}")) == 2
