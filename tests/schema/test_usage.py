"""Usage through GraphQL: reports, records, members' month; what each role sees; statements."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from app.ids import id_of, wire_id
from app.money import MICRO
from app.resolvers import api_keys, members
from tests.schema.conftest import Window
from tests.usage_rows import Made, book

DAY = datetime(2026, 5, 5, tzinfo=UTC)
RANGE = {"from": "2026-05-01T00:00:00Z", "to": "2026-06-01T00:00:00Z"}
REPORT = """query($id: ID!, $range: UsageRange!, $by: [UsageDimension!]! = [], $filter: UsageFilter,
    $granularity: Granularity! = DAY, $zone: String! = "UTC") {
  node(id: $id) { ... on Account {
    usage(range: $range, groupBy: $by, filter: $filter, granularity: $granularity, timeZone: $zone) {
      completeThrough
      totals { requests promptTokens cachedTokens cacheWriteTokens completionTokens reasoningTokens cost }
      buckets { start model tag member { id user { name } } apiKey { id name } totals { requests cost } }
    } } } }"""
MY_REPORT = """query($id: ID!, $range: UsageRange!) { node(id: $id) { ... on Account {
    myUsage(range: $range, granularity: TOTAL, groupBy: [MEMBER]) { totals { requests }
      buckets { member { user { name } } totals { requests } } } } } }"""
RECORDS = """query($id: ID!, $range: UsageRange!, $after: String, $filter: UsageFilter) {
  node(id: $id) { ... on Account { usageRecords(range: $range, first: 2, after: $after, filter: $filter) {
    totalCount pageInfo { hasNextPage endCursor } edges { node { id eventId occurredAt model promptTokens
      cachedTokens cacheWriteTokens completionTokens reasoningTokens cost tag corrects
      member { user { name } } apiKey { name } } } } } } }"""
MY_RECORDS = """query($id: ID!, $range: UsageRange!) { node(id: $id) { ... on Account {
    myUsageRecords(range: $range) { totalCount edges { node { id member { user { name } } } } } } } }"""
RECORD = "query($id: ID!) { node(id: $id) { ... on UsageRecord { id eventId corrects } } }"


async def used(window: Window, acme: str) -> dict[str, UUID]:
    """Let Adam and Mia call models; the ids of members and keys."""
    account_id = id_of("account", acme)
    ids: dict[str, UUID] = {}
    for name in ("adam", "mia"):
        viewer = window.scene.fresh(window.people[name])
        ids[name] = await window.scene.member_id(account_id, viewer)
        ids[f"{name}'s key"] = (await api_keys.create_api_key(viewer, account_id, name)).id
    calls = [
        Made(DAY, ids["adam"], ids["adam's key"], cost_micro=MICRO, tag="x"),
        Made(DAY + timedelta(hours=23), ids["mia"], ids["mia's key"], model="zeta"),
        Made(DAY + timedelta(hours=24), ids["mia"], ids["mia's key"], model="zeta"),
    ]
    made = await book(window.scene.database, account_id, calls)
    undo = Made(
        DAY,
        ids["adam"],
        ids["adam's key"],
        tokens=(-1, 0, 0, 0, 0),
        cost_micro=-1,
        corrects=made[0],
    )
    ids["correction"] = (await book(window.scene.database, account_id, [undo]))[0]
    ids["adam's record"] = made[0]
    return ids


async def test_a_report_adds_up_by_buckets_and_dimensions(window: Window, acme: str) -> None:
    ids = await used(window, acme)
    asked = {"id": acme, "range": RANGE, "by": ["MEMBER", "API_KEY", "MODEL", "TAG"]}
    report = (await window.data("olga", REPORT, **asked))["node"]["usage"]
    assert report["completeThrough"].endswith("Z")
    assert report["totals"] == {
        "requests": 3,
        "promptTokens": 2999,
        "cachedTokens": 300,
        "cacheWriteTokens": 30,
        "completionTokens": 750,
        "reasoningTokens": 150,
        "cost": "1.005999",
    }
    shown = [
        (one["start"], one["model"], one["tag"], one["member"]["user"]["name"], one["totals"])
        for one in report["buckets"]
    ]
    first, second = "2026-05-05T00:00:00Z", "2026-05-06T00:00:00Z"
    assert sorted(shown, key=repr) == [
        (first, "openai/gpt-4.1", "x", "Adam", {"requests": 1, "cost": "1.000000"}),
        (first, "openai/gpt-4.1", None, "Adam", {"requests": 0, "cost": "-0.000001"}),
        (first, "zeta", None, "Mia", {"requests": 1, "cost": "0.003000"}),
        (second, "zeta", None, "Mia", {"requests": 1, "cost": "0.003000"}),
    ]
    keys = {one["apiKey"]["id"] for one in report["buckets"]}
    assert keys == {wire_id("api_key", ids[f"{name}'s key"]) for name in ("adam", "mia")}


async def test_what_was_not_grouped_by_is_null_and_days_follow_the_time_zone(
    window: Window, acme: str
) -> None:
    await used(window, acme)
    asked = {"id": acme, "range": RANGE, "zone": "Asia/Kolkata"}
    buckets = (await window.data("olga", REPORT, **asked))["node"]["usage"]["buckets"]
    assert [(one["start"], one["totals"]["requests"]) for one in buckets] == [
        ("2026-05-04T18:30:00Z", 1),
        ("2026-05-05T18:30:00Z", 2),
    ]
    nothing = {"model": None, "tag": None, "member": None, "apiKey": None}
    assert all({name: one[name] for name in nothing} == nothing for one in buckets)


async def test_filters_choose_and_foreign_ids_are_refused(window: Window, acme: str) -> None:
    ids = await used(window, acme)
    mia = wire_id("member", ids["mia"])
    for which, count in (
        ({"memberIds": [mia]}, 2),
        ({"models": ["zeta"]}, 2),
        ({"models": []}, 0),
        ({"models": ["no/such"]}, 0),
        ({"tags": ["x"]}, 1),
        ({"apiKeyIds": [wire_id("api_key", ids["adam's key"])]}, 1),
        ({}, 3),
    ):
        asked = {"id": acme, "range": RANGE, "filter": which}
        report = (await window.data("adam", REPORT, **asked))["node"]["usage"]
        assert report["totals"]["requests"] == count, which
    foreign = await window.scene.organization(window.people["sam"], "Other")
    sam = await window.scene.member_id(foreign, window.people["sam"])
    for which in (
        {"memberIds": [mia, wire_id("member", sam)]},
        {"memberIds": [wire_id("api_key", ids["mia's key"])]},
        {"apiKeyIds": ["nonsense"]},
    ):
        asked = {"id": acme, "range": RANGE, "filter": which}
        assert await window.code("olga", REPORT, **asked) == "NOT_FOUND"
        assert await window.code("olga", RECORDS, **asked) == "NOT_FOUND"


async def test_what_makes_no_sense_is_invalid(window: Window, acme: str) -> None:
    turned = {"from": RANGE["to"], "to": RANGE["from"]}
    for more in (
        {"range": turned},
        {"range": {"from": "2024-01-01T00:00:00Z", "to": RANGE["to"]}},
        {"zone": "Mars/Base"},
        {"by": ["MODEL", "MODEL"]},
        {"granularity": "HOUR", "range": {"from": "2026-01-01T00:00:00Z", "to": RANGE["to"]}},
        {"filter": {"models": ["a"] * 1001}},
    ):
        assert (
            await window.code("olga", REPORT, **{"id": acme, "range": RANGE, **more}) == "INVALID"
        )


async def test_a_member_sees_their_own_and_is_refused_the_rest(window: Window, acme: str) -> None:
    ids = await used(window, acme)
    mine = (await window.data("mia", MY_REPORT, id=acme, range=RANGE))["node"]["myUsage"]
    assert mine == {
        "totals": {"requests": 2},
        "buckets": [{"member": {"user": {"name": "Mia"}}, "totals": {"requests": 2}}],
    }
    own = (await window.data("mia", MY_RECORDS, id=acme, range=RANGE))["node"]["myUsageRecords"]
    assert own["totalCount"] == len(own["edges"]) == 2
    assert {one["node"]["member"]["user"]["name"] for one in own["edges"]} == {"Mia"}
    for query in (REPORT, RECORDS):
        assert await window.code("mia", query, id=acme, range=RANGE) == "FORBIDDEN"
        assert await window.data("sam", query, id=acme, range=RANGE) == {"node": None}
    record = wire_id("usage_record", ids["adam's record"])
    assert await window.data("mia", RECORD, id=record) == {"node": None}
    assert (await window.data("mia", RECORD, id=own["edges"][0]["node"]["id"]))["node"] is not None


async def test_records_are_paged_newest_first_and_are_nodes(window: Window, acme: str) -> None:
    ids = await used(window, acme)
    newest = (await window.data("olga", RECORDS, id=acme, range=RANGE))["node"]["usageRecords"]
    assert newest["totalCount"] == 4
    assert newest["edges"][0]["node"]["occurredAt"] == "2026-05-06T00:00:00Z"
    after = newest["pageInfo"]["endCursor"]
    asked = {"id": acme, "range": RANGE, "after": after}
    older = (await window.data("olga", RECORDS, **asked))["node"]["usageRecords"]
    assert older["pageInfo"]["hasNextPage"] is False
    corrected = wire_id("usage_record", ids["adam's record"])
    shown = [one["node"] for one in older["edges"]]
    assert [one["corrects"] for one in shown] == [corrected, None]
    assert shown[1] == {
        "id": corrected,
        "eventId": "event-1",
        "occurredAt": "2026-05-05T00:00:00Z",
        "model": "openai/gpt-4.1",
        "promptTokens": 1000,
        "cachedTokens": 100,
        "cacheWriteTokens": 10,
        "completionTokens": 250,
        "reasoningTokens": 50,
        "cost": "1.000000",
        "tag": "x",
        "corrects": None,
        "member": {"user": {"name": "Adam"}},
        "apiKey": {"name": "adam"},
    }
    found = (await window.data("olga", RECORD, id=shown[0]["id"]))["node"]
    assert found == {"id": shown[0]["id"], "eventId": "event-4", "corrects": corrected}


async def test_usage_keeps_the_name_of_somebody_who_has_left(window: Window, acme: str) -> None:
    ids = await used(window, acme)
    await members.remove_member(window.scene.fresh(window.people["olga"]), ids["mia"])
    asked = {"id": acme, "range": RANGE, "by": ["MEMBER", "API_KEY"], "granularity": "TOTAL"}
    buckets = (await window.data("olga", REPORT, **asked))["node"]["usage"]["buckets"]
    names = {(one["member"]["user"]["name"], one["apiKey"]["name"]) for one in buckets}
    assert names == {("Adam", "adam"), ("Mia", "mia")}
    assert await window.data("mia", MY_REPORT, id=acme, range=RANGE) == {"node": None}


async def test_members_show_their_month_to_themselves_and_to_admins(
    window: Window, acme: str
) -> None:
    ids = await used(window, acme)
    member = """query($id: ID!) { node(id: $id) { ... on Member {
      quota monthlyUsage held remaining lastUsedAt } } }"""
    shown = {
        "quota": "-1",
        "monthlyUsage": "0.000000",
        "held": "0.000000",
        "remaining": None,
        "lastUsedAt": "2026-05-06T00:00:00Z",
    }
    mia = wire_id("member", ids["mia"])
    for who in ("olga", "adam", "mia"):
        assert (await window.data(who, member, id=mia))["node"] == shown
    owner = "query($id: ID!) { node(id: $id) { ... on Organization { owner { quota monthlyUsage held } } } }"
    hidden = {"quota": None, "monthlyUsage": None, "held": None}
    assert (await window.data("mia", owner, id=acme))["node"]["owner"] == hidden
    listed = """query($id: ID!) { node(id: $id) { ... on Organization {
      members(orderBy: MONTHLY_USAGE, direction: DESC) { edges { node { monthlyUsage } } } } } }"""
    edges = (await window.data("olga", listed, id=acme))["node"]["members"]["edges"]
    assert [one["node"]["monthlyUsage"] for one in edges] == ["0.000000"] * 3


async def test_members_and_keys_of_a_report_take_one_statement_each(
    window: Window, acme: str, statements: list[str]
) -> None:
    await used(window, acme)
    asked = {"id": acme, "range": RANGE, "by": ["MEMBER", "API_KEY"]}
    await window.data("olga", REPORT, **asked)
    statements.clear()
    await window.data("olga", REPORT, **asked)
    # Seat; holds; sums; seats of members and of keys; members; keys.
    assert len(statements) == 7
    statements.clear()
    query = """query($range: UsageRange!) { viewer { accounts {
      myUsage(range: $range) { totals { cost } } } } }"""
    await window.data("mia", query, range=RANGE)
    assert len([one for one in statements if "usage_day" in one]) == 1
