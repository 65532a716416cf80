"""The dashboard: whose usage it shows to whom, with which figures, and where they lead."""

import re
from collections.abc import Awaitable, Callable
from html import unescape

import pytest

from app.resolvers import members, operations
from app.web.words import rounded
from tests.scene import Scene
from tests.usage_rows import Made, book
from tests.web.portal import Tab
from tests.web.usage_world import UsageWorld, acme_with_usage, cost

Open = Callable[..., Awaitable[Tab]]
PATH = "/a/acme"


@pytest.fixture
async def world(scene: Scene) -> UsageWorld:
    return await acme_with_usage(scene)


def tile(page: str, label: str) -> str:
    found = re.search(rf"<small>{label}</small>\s*<b[^>]*>(?:<a[^>]*>)?([^<]*)<", page)
    assert found, f"no tile {label}"
    return unescape(found.group(1))


async def test_everybodys_usage_is_shown_to_those_who_may_see_it(
    world: UsageWorld, tab: Open
) -> None:
    for name in ("ann", "adam"):
        page = (await (await tab(name)).get(PATH)).text
        calls = world.of_month()
        assert "Everybody in Acme" in page
        assert tile(page, "Credits used") == rounded(cost(calls))
        assert tile(page, "Requests") == str(len(calls))
        assert tile(page, "People active") == "3"
        assert "By member" in page
        assert "Key of bob" not in page
        mine = (await (await tab(name)).get(f"{PATH}?whose=mine")).text
        assert tile(mine, "Credits used") == rounded(cost(world.of_month(name)))
        assert "By member" not in mine


async def test_a_member_sees_their_own_usage_and_is_refused_the_rest(
    world: UsageWorld, scene: Scene, tab: Open
) -> None:
    bob = await tab("bob")
    page = await bob.get(PATH)
    assert "Your own calls in Acme" in page.text
    assert tile(page.text, "Credits used") == rounded(cost(world.of_month("bob")))
    assert "Organization</a>" not in page.text
    assert "Ann" not in page.text
    before = await scene.snapshot()
    forced = await bob.get(f"{PATH}?whose=all")
    assert forced.status_code == 403
    assert rounded(cost(world.of_month())) not in forced.text
    for foreign in (f"member={world.member('ann')}", f"key={world.key('ann')}"):
        assert (await bob.get(f"{PATH}?{foreign}")).status_code == 404
    assert await scene.snapshot() == before


async def test_what_is_left_of_ones_quota_stands_first(
    world: UsageWorld, scene: Scene, tab: Open
) -> None:
    bob, owner = await tab("bob"), await scene.owner(world.account)
    used = cost(world.of_month("bob"))
    assert tile((await bob.get(PATH)).text, "Left of your quota") == "no limit"
    await members.set_member_quota(owner, world.members["bob"], used + 5_000_000)
    page = (await bob.get(PATH)).text
    assert tile(page, "Left of your quota") == "5.00"
    assert "Starts again on 1 " in page
    await members.set_member_quota(owner, world.members["bob"], 0)
    assert "your calls are refused" in (await bob.get(PATH)).text
    personal = (await bob.get((await bob.get("/")).url.path)).text
    assert "Left of your quota" in personal, "the last used account comes first"


async def test_credits_that_run_low_are_said_to_those_who_see_the_balance(
    world: UsageWorld, scene: Scene, tab: Open
) -> None:
    ann, bob = await tab("ann"), await tab("bob")
    path = f"{PATH}?range=90d"
    assert "There are no credits left" in (await ann.get(path)).text
    await operations.grant(scene.signed_out(), "acme", 1_000_000, "a start")
    low = (await ann.get(path)).text
    assert "Credits run low. At the pace of this range 1.00 credits last until" in low
    for page in (
        await bob.get(path),
        await ann.get(f"{path}&model=a"),
        await ann.get(f"{path}&whose=mine"),
    ):
        assert "Credits run low" not in page.text
    await operations.grant(scene.signed_out(), "acme", 10**17, "a lot")
    assert "Credits run low" not in (await ann.get(path)).text
    assert world.calls


async def test_the_chart_adds_up_whatever_it_is_split_by(world: UsageWorld, tab: Open) -> None:
    ann, calls = await tab("ann"), world.of_month()
    for split in ("model", "member", "key", "tag"):
        page = (await ann.get(f"{PATH}?by={split}&table=1")).text
        table = page[page.index("<caption") : page.index("</tfoot>")]
        sums = re.findall(r'<td class="end number"\s+title="([\d.,]+) credits">', table)
        columns = table.count('<th scope="col"') - 1
        rows = [sums[n : n + columns] for n in range(0, len(sums), columns)]
        micro = [[int(re.sub(r"\D", "", cell)) for cell in row] for row in rows]
        assert all(sum(row[:-1]) == row[-1] for row in micro), "series sum to their day"
        assert [sum(day) for day in zip(*micro[:-1], strict=True)] == micro[-1]
        assert micro[-1][-1] == cost(calls)
    assert "2 more" in (await ann.get(PATH)).text, "no series is lost"
    hostile = (await ann.get(f"{PATH}?model=%3Cb%3Emeta%3C%2Fb%3E&figure=requests&range=30d")).text
    assert "&lt;b&gt;meta&lt;/b&gt;" in hostile
    assert "<b>meta</b>" not in hostile


async def test_every_part_of_the_chart_leads_to_its_records(world: UsageWorld, tab: Open) -> None:
    ann = await tab("ann")
    page = (await ann.get(f"{PATH}?model=openai/gpt-4.1&by=member")).text
    assert "Without the filter model openai/gpt-4.1" in page
    calls = [one for one in world.of_month() if one.model == "openai/gpt-4.1"]
    assert tile(page, "Credits used") == rounded(cost(calls))
    links = {unescape(one) for one in re.findall(r'href="([^"]*/usage\?[^"]*)"', page)}
    of_parts = [one for one in links if "from=" in one and "member=" in one]
    shown = 0
    for link in of_parts:
        assert "model=openai" in link
        records = (await ann.get(link)).text
        name = next(one for one in world.members if world.member(one) in link)
        day = re.search(r"from=([\d-]+)", link)
        assert day
        expected = [
            one
            for one in calls
            if world.who(one.member_id) == name and f"{one.occurred_at:%Y-%m-%d}" == day.group(1)
        ]
        assert f"{rounded(cost(expected))} credits" in records
        shown += cost(expected)
    assert shown == cost(calls)


async def test_ranges_and_their_mistakes_stand_in_the_address(world: UsageWorld, tab: Open) -> None:
    ann = await tab("ann")
    last = (await ann.get(f"{PATH}?range=last-month")).text
    assert tile(last, "Credits used") == rounded(cost(world.calls) - cost(world.of_month()))
    assert "UTC" in last
    today = (await ann.get(f"{PATH}?range=today")).text
    assert "Credits by hour" in today
    assert "unfinished" in today
    wrong = await ann.get(f"{PATH}?from=2026-03-02&to=2026-03-01")
    assert wrong.status_code == 422
    assert "The last day lies before the first one." in wrong.text
    assert tile(wrong.text, "Requests") == str(len(world.of_month()))
    for bad, status in (("by=colour", 422), ("figure=x", 422), ("range=1&range=2", 400)):
        assert (await ann.get(f"{PATH}?{bad}")).status_code == status
    empty = (await ann.get(f"{PATH}?from=2020-01-01&to=2020-01-03")).text
    assert "No calls in this range" in empty
    assert "Go to your keys" in empty


async def test_new_figures_follow_and_cost_three_statements_while_nothing_changes(
    world: UsageWorld, scene: Scene, tab: Open
) -> None:
    ann = await tab("ann")
    first = await ann.part(PATH)
    assert "<html" not in first.text
    again = {"If-None-Match": first.headers["etag"], "X-Live": "1"}
    seen: list[str] = []
    ann.database.on_statement(seen.append)
    unchanged = await ann.part(PATH, **again)
    assert (unchanged.status_code, unchanged.text) == (304, "")
    assert len(seen) <= 3
    new = Made(world.now, world.members["bob"], world.keys["bob"], cost_micro=7_000_000)
    await book(scene.database, world.account, [new])
    changed = await ann.part(PATH, **again)
    assert changed.status_code == 200
    assert tile(changed.text, "Credits used") == rounded(cost([*world.of_month(), new]))


async def test_the_dashboard_costs_at_most_twelve_statements(world: UsageWorld, tab: Open) -> None:
    ann = await tab("ann")
    filtered = f"?by=key&member={world.member('bob')}&key={world.key('bob')}&range=7d"
    for query in ("", filtered):
        assert len(await ann.statements(f"{PATH}{query}")) <= 12
    assert len(await (await tab("bob")).statements(PATH)) <= 12
