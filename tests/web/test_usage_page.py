"""Usage: records newest first, filtered by the address, with totals of all pages; one record in full."""

import re
from collections.abc import Awaitable, Callable
from html import unescape

import pytest

from app.web.words import rounded
from tests.scene import Scene
from tests.usage_rows import Made, book
from tests.web.portal import Tab
from tests.web.usage_world import UsageWorld, acme_with_usage, cost

Open = Callable[..., Awaitable[Tab]]
PATH = "/a/acme/usage"


@pytest.fixture
async def world(scene: Scene) -> UsageWorld:
    return await acme_with_usage(scene)


def records(page: str) -> list[str]:
    return re.findall(r'<tr id="(use_[0-9a-f]+)">', page)


async def test_records_are_paged_newest_first_and_their_totals_are_those_of_all_pages(
    world: UsageWorld, tab: Open
) -> None:
    ann, calls = await tab("ann"), world.of_month()
    page, shown = (await ann.get(PATH)).text, []
    while True:
        assert f"{len(calls)} requests" in page
        assert f"{rounded(cost(calls))} credits" in page
        shown += records(page)
        found = re.search(r'href="([^"]*after=[^"]*)"', page)
        if not found:
            break
        page = (await ann.get(unescape(found.group(1)))).text
        assert "First page" in page
    expected = sorted((one.occurred_at, n) for n, one in enumerate(world.calls) if one in calls)
    assert shown == [world.record(n) for _at, n in reversed(expected)]
    assert len(await ann.statements(f"{PATH}?filter=open&member={world.member('bob')}")) <= 12


async def test_filters_in_the_address_choose_records(world: UsageWorld, tab: Open) -> None:
    ann = await tab("ann")
    for query, chosen in (
        ("model=a", lambda one: one.model == "a"),
        (f"member={world.member('bob')}", lambda one: world.who(one.member_id) == "bob"),
        (f"key={world.key('adam')}", lambda one: one.api_key_id == world.keys["adam"]),
        ("tag=search&model=b", lambda one: one.tag == "search" and one.model == "b"),
    ):
        page = (await ann.get(f"{PATH}?{query}&range=90d&filter=open")).text
        expected = [n for n, one in enumerate(world.calls) if chosen(one)]
        assert {*records(page)} == {world.record(n) for n in expected}
        assert f"{rounded(cost(world.calls[n] for n in expected))} credits" in page
        assert "selected" in page
        assert "Without the filter" in page
    bar = (await ann.get(f"{PATH}?model=a&tag=search&from=2026-03-02&to=2026-03-02")).text
    crumbs = bar.partition('aria-label="Breadcrumb"')[2].partition("</nav>")[0]
    assert re.findall(r'<a href="([^"]+)">([^<]+)</a>', crumbs) == [
        ("/a/acme", "Dashboard"),
        ("/a/acme?model=a", "a"),
        ("/a/acme?model=a&amp;tag=search", "search"),
    ]
    assert "Calls of 2 March 2026" in crumbs
    back = (await ann.get("/a/acme?model=a&by=member&range=90d")).text
    assert '<a href="/a/acme?range=90d&amp;by=member">Dashboard</a>' in back
    assert "Breadcrumb" not in (await ann.get("/a/acme")).text
    offered = (await ann.get(f"{PATH}?filter=open")).text
    assert 'value="&lt;b&gt;meta&lt;/b&gt;"' in offered
    assert "Key of bob" in offered
    nothing = (await ann.get(f"{PATH}?model=nowhere")).text
    assert "Take all filters away" in nothing


async def test_a_member_sees_their_own_records_alone(
    world: UsageWorld, scene: Scene, tab: Open
) -> None:
    bob, eve = await tab("bob"), await tab("eve")
    page = (await bob.get(f"{PATH}?range=90d&filter=open")).text
    own = {
        world.record(n) for n, one in enumerate(world.calls) if world.who(one.member_id) == "bob"
    }
    assert {*records(page)} == own
    assert "Ann" not in page
    assert '<th scope="col">Member</th>' not in page
    assert "Each model call appears here" in (await eve.get(PATH)).text
    before = await scene.snapshot()
    refused = {
        "?whose=all": 403,
        f"?member={world.member('ann')}": 404,
        f"?key={world.key('ann')}": 404,
        f"/{world.record(0)}": 404,
        "/use_nothing": 404,
    }
    for query, status in refused.items():
        assert (await bob.get(f"{PATH}{query}")).status_code == status
    stranger = await scene.person("sam")
    await scene.organization(stranger, "Other")
    sam = await tab("sam")
    assert (await sam.get(PATH)).status_code == 404
    assert (await sam.get(f"/a/other/usage?member={world.member('bob')}")).status_code == 404
    assert (await sam.get(f"/a/other/usage?key={world.key('bob')}")).status_code == 404
    assert (await sam.get(f"/a/other/usage/{world.record(2)}")).status_code == 404
    assert {key: rows for key, rows in (await scene.snapshot()).items() if "usage" in key} == {
        key: rows for key, rows in before.items() if "usage" in key
    }


async def test_a_record_opens_with_its_corrections(
    world: UsageWorld, scene: Scene, tab: Open
) -> None:
    first = world.calls[2]
    correction = Made(
        first.occurred_at,
        first.member_id,
        first.api_key_id,
        first.model,
        first.tag,
        (-1, 0, 0, 0, 0),
        -1_000_000,
        corrects=world.ids[2],
    )
    [correction_id] = await book(scene.database, world.account, [correction])
    for name in ("bob", "ann"):
        reader = await tab(name)
        page = (await reader.get(f"{PATH}/{world.record(2)}")).text
        assert "3.000009 credits" in page
        assert "Key of bob" in page
        assert "-1.000000 credits" in page
        part = await reader.part(f"{PATH}/{world.record(2)}")
        assert "<html" not in part.text
        link = f"/a/acme/usage/use_{correction_id.hex}"
        assert link in part.text
        assert "an earlier record" in (await reader.get(link)).text
    assert len(await (await tab("bob")).statements(f"{PATH}/{world.record(2)}")) <= 12


async def test_new_records_follow_on_the_first_page_unless_paused(
    world: UsageWorld, scene: Scene, tab: Open
) -> None:
    ann = await tab("ann")
    first = await ann.part(PATH)
    assert "data-live" in first.text
    again = {"If-None-Match": first.headers["etag"]}
    assert (await ann.part(PATH, **again)).status_code == 304
    await book(
        scene.database, world.account, [Made(world.now, world.members["bob"], world.keys["bob"])]
    )
    assert (await ann.part(PATH, **again)).status_code == 200
    paused = await ann.part(f"{PATH}?live=off")
    assert "data-live" not in paused.text
