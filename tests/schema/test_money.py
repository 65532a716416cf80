"""Balance and ledger in GraphQL: what each role sees, and nodes."""

from app.ids import id_of
from app.ledger.posting import post
from app.models import LedgerKind
from app.money import MICRO
from tests.schema.conftest import Window

BALANCE = (
    "query($id: ID!) { node(id: $id) { ... on Account { balance"
    " { credits held available purchased granted used refunded adjusted asOf } } } }"
)
LEDGER = (
    "query($id: ID!, $after: String) { node(id: $id) { ... on Account { ledger(first: 1, after: $after)"
    " { totalCount pageInfo { hasNextPage endCursor } edges { node"
    " { id kind amount balanceAfter description source createdAt actor { name } } } } } } }"
)


async def _give(window: Window, acme: str) -> None:
    account_id = id_of("account", acme)
    async with window.scene.database.write() as session:
        gift, used = LedgerKind.GRANT, LedgerKind.USAGE
        giver = window.people["olga"].person.id
        await post(session, account_id, gift, 10 * MICRO, description="Hello", actor_id=giver)
        await post(session, account_id, used, MICRO // 4)


async def test_owner_and_admin_see_balance_and_ledger(window: Window, acme: str) -> None:
    await _give(window, acme)
    for who in ("olga", "adam"):
        balance = (await window.data(who, BALANCE, id=acme))["node"]["balance"]
        assert balance.pop("asOf").endswith("Z")
        assert balance == {
            "credits": "9.750000",
            "held": "0.000000",
            "available": "9.750000",
            "purchased": "0.000000",
            "granted": "10.000000",
            "used": "0.250000",
            "refunded": "0.000000",
            "adjusted": "0.000000",
        }
        newest = (await window.data(who, LEDGER, id=acme))["node"]["ledger"]
        assert newest["totalCount"] == 2
        assert newest["pageInfo"]["hasNextPage"] is True
        after = newest["pageInfo"]["endCursor"]
        older = (await window.data(who, LEDGER, id=acme, after=after))["node"]["ledger"]
        used, gift = newest["edges"][0]["node"], older["edges"][0]["node"]
        assert (used["kind"], used["amount"], used["balanceAfter"], used["actor"]) == (
            "USAGE",
            "-0.250000",
            "9.750000",
            None,
        )
        assert used["source"] == f"usage:{used['createdAt'][:10]}"
        assert (gift["kind"], gift["description"], gift["actor"]) == (
            "GRANT",
            "Hello",
            {"name": "Olga"},
        )


async def test_a_member_is_refused_both_and_a_stranger_sees_nothing(
    window: Window, acme: str
) -> None:
    await _give(window, acme)
    for query in (BALANCE, LEDGER):
        assert await window.code("mia", query, id=acme) == "FORBIDDEN"
        assert await window.data("sam", query, id=acme) == {"node": None}


async def test_an_entry_is_a_node_for_those_who_may_see_it(window: Window, acme: str) -> None:
    await _give(window, acme)
    listed = (await window.data("olga", LEDGER, id=acme))["node"]["ledger"]
    entry = listed["edges"][0]["node"]["id"]
    query = "query($id: ID!) { node(id: $id) { id ... on LedgerEntry { kind } } }"
    assert (await window.data("adam", query, id=entry))["node"] == {"id": entry, "kind": "USAGE"}
    assert await window.code("mia", query, id=entry) == "FORBIDDEN"
    assert await window.data("sam", query, id=entry) == {"node": None}


async def test_balances_of_all_accounts_take_one_statement(
    window: Window, acme: str, statements: list[str]
) -> None:
    await _give(window, acme)
    query = "{ viewer { accounts { balance { credits } } } }"
    await window.data("olga", query)
    statements.clear()
    found = (await window.data("olga", query))["viewer"]["accounts"]
    assert [one["balance"]["credits"] for one in found] == ["0.000000", "9.750000"]
    assert len([one for one in statements if "FROM wallets" in one]) == 1
