"""Downloads: the CSV of a page holds what the page shows, to the last decimal, and is refused where the page is."""

import csv
import io
import re
from collections.abc import Awaitable, Callable

import httpx2
import pytest

from app.money import credits_text
from app.resolvers import organizations
from app.web.words import exact
from tests.scene import Scene
from tests.usage_rows import Made, book
from tests.web.portal import Tab
from tests.web.usage_world import UsageWorld, acme_with_usage, cost

Open = Callable[..., Awaitable[Tab]]
PATH = "/a/acme"


@pytest.fixture
async def world(scene: Scene) -> UsageWorld:
    return await acme_with_usage(scene)


def rows_of(answer: httpx2.Response) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"].startswith('attachment; filename="acme-')
    assert answer.headers["cache-control"] == "no-store"
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


def micro(text: str) -> int:
    return int(text.replace(".", ""))


async def test_records_are_those_of_the_page_with_its_totals(
    world: UsageWorld, scene: Scene, tab: Open
) -> None:
    formula = Made(world.now, world.members["bob"], world.keys["bob"], "=1+1", "@sum")
    await book(scene.database, world.account, [formula])
    ann, bob = await tab("ann"), await tab("bob")
    for query, expected in (
        ("", [*world.of_month(), formula]),
        ("?model=a&range=90d", [one for one in world.calls if one.model == "a"]),
        (f"?member={world.member('bob')}", [*world.of_month("bob"), formula]),
    ):
        page = (await ann.get(f"{PATH}/usage{query}")).text
        rows = rows_of(await ann.get(f"{PATH}/usage.csv{query}"))
        assert sum(micro(row["cost"]) for row in rows) == cost(expected)
        assert f'title="{exact(cost(expected))}"' in page
        ids = re.findall(r'<tr id="(use_[0-9a-f]+)">', page)
        assert {*ids} <= {row["id"] for row in rows}
        assert len(rows) == len(expected)
    own = rows_of(await bob.get(f"{PATH}/usage.csv?range=90d"))
    assert {row["member_name"] for row in own} == {"Bob"}
    assert sum(micro(row["cost"]) for row in own) == cost(
        [formula, *(one for one in world.calls if world.who(one.member_id) == "bob")]
    )
    harmless = next(row for row in own if "1+1" in row["model"])
    assert (harmless["model"], harmless["tag"]) == ("'=1+1", "'@sum")


async def test_sums_are_those_of_the_chart_each_series_on_its_own(
    world: UsageWorld, tab: Open
) -> None:
    for name, calls in (("ann", world.of_month()), ("bob", world.of_month("bob"))):
        one = await tab(name)
        rows = rows_of(await one.get(f"{PATH}/dashboard.csv?by=model"))
        sums = dict.fromkeys((row["model"] for row in rows), 0)
        for row in rows:
            sums[row["model"]] += micro(row["cost"])
        assert sums == {
            model: cost(call for call in calls if call.model == model)
            for model in {call.model for call in calls}
        }
        page = (await one.get(f"{PATH}?table=1")).text
        assert f'title="{credits_text(cost(calls))} credits"' in page
        assert "/dashboard.csv" in page


async def test_the_audit_log_is_whole_over_all_its_pages(
    world: UsageWorld, scene: Scene, tab: Open
) -> None:
    owner = await scene.owner(world.account)
    for n in range(1, 121):
        await organizations.set_default_quota(owner, world.account, n * 1_000_000)
    ann = await tab("ann")
    path = f"{PATH}/management/audit"
    found = re.search(r"(\d+) events", (await ann.get(path)).text)
    assert found
    rows = rows_of(await ann.get(f"{path}.csv"))
    assert len(rows) == int(found[1]) == len({row["id"] for row in rows})
    quotas = [row for row in rows if row["action"] == "set_default_quota"]
    assert [row["after"] for row in quotas[:2]] == [
        '{"default_quota": "120"}',
        '{"default_quota": "119"}',
    ]
    assert rows_of(await ann.get(f"{path}.csv?action=set_default_quota")) == quotas


async def test_what_the_page_refuses_its_download_refuses(
    world: UsageWorld, scene: Scene, tab: Open
) -> None:
    ann, bob = await tab("ann"), await tab("bob")
    await scene.organization(await scene.person("sam"), "Other")
    sam = await tab("sam")
    foreign = (f"member={world.member('ann')}", f"key={world.key('ann')}")
    for page in ("usage.csv", "dashboard.csv"):
        assert (await bob.get(f"{PATH}/{page}?whose=all")).status_code == 403
        assert (await sam.get(f"{PATH}/{page}")).status_code == 404
        assert (await ann.get(f"{PATH}/{page}?from=2026-03-02&to=2026-03-01")).status_code == 422
        for query in foreign:
            assert (await bob.get(f"{PATH}/{page}?{query}")).status_code == 404
            assert (await sam.get(f"/a/other/{page}?{query}")).status_code == 404
    audit = f"{PATH}/management/audit.csv"
    assert (await bob.get(audit)).status_code == 403
    assert (await sam.get(audit)).status_code == 404
    assert (await ann.get(f"{audit}?from=x")).status_code == 422
