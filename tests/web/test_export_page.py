"""The page Exports: asked for where the figures stand, followed, fetched by who asked, and refused as the page is."""

import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal

import httpx2
import pytest

from app.ids import new_id, wire_id
from app.money import credits_text
from app.permissions import Role
from app.resolvers import exports, members
from app.settings import Settings
from app.web.portal.export_page import size_words
from tests.exporting.desk import exporter, table, workbook
from tests.scene import Scene
from tests.usage_rows import Made, book
from tests.web.portal import PART, Tab
from tests.web.usage_world import UsageWorld, acme_with_usage, cost

Open = Callable[..., Awaitable[Tab]]
PATH = "/a/acme"
EXPORTS = f"{PATH}/exports"


@pytest.fixture
async def world(scene: Scene) -> UsageWorld:
    return await acme_with_usage(scene)


async def ask(tab: Tab, page: str, form: str) -> httpx2.Response:
    """Choose a format on a page; what it leads to."""
    shown = await tab.get(page)
    (action,) = set(re.findall(rf'action="({EXPORTS}/[^"]+)"', shown.text))
    token = await tab.token(page)
    return await tab.send(action.replace("&amp;", "&"), form_token=token, format=form)


async def write(scene: Scene, settings: Settings) -> None:
    """Do what the service does in the background."""
    await exporter(scene.signed_out(), settings).run_due()


def files(page: str) -> list[str]:
    """List what can be fetched."""
    return re.findall(rf'href="({EXPORTS}/exp_[0-9a-f]+)"', page)


async def test_what_is_filtered_is_asked_for_followed_and_fetched(
    world: UsageWorld, scene: Scene, settings: Settings, tab: Open
) -> None:
    await book(
        scene.database,
        world.account,
        [Made(world.now, world.members["bob"], world.keys["bob"], "<i>model", "=1+1")],
    )
    ann = await tab("ann")
    empty = (await ann.part(EXPORTS)).text
    assert "No exports yet" in empty
    assert "data-live" not in empty
    page = f"{PATH}/usage?range=90d&member={world.member('bob')}&live=off"
    led = await ask(ann, page, "xlsx")
    assert (led.url.path, led.history[0].status_code) == (EXPORTS, 303)
    for words in ("Usage records", "Member: Bob", "Excel", "Waits for its turn."):
        assert words in led.text
    part = await ann.part(EXPORTS)
    assert "data-live" in part.text
    same = await ann.part(EXPORTS, **{"If-None-Match": part.headers["etag"]})
    assert same.status_code == 304
    await write(scene, settings)
    ready = await ann.part(EXPORTS, **{"If-None-Match": part.headers["etag"]})
    assert "Ready" in ready.text
    assert "data-live" not in ready.text
    (path,) = files(ready.text)
    file = await ann.client.get(path)
    assert file.status_code == 200
    assert file.headers["content-length"] == str(len(file.content))
    assert file.headers["cache-control"] == "no-store"
    assert re.search(r'filename="acme-usage-[\d-]+\.xlsx"', file.headers["content-disposition"])
    (rows,), about = workbook(file.content)
    shown = (await ann.get(page)).text
    total = re.search(r'title="([\d.]+) credits"', shown)
    assert total
    assert about["Cost"] == total[1]
    assert sum(Decimal(row["cost_exact"]) for row in rows) == Decimal(total[1])
    assert {row["member_name"] for row in rows} == {"Bob"} == {about["Filter member"]}


async def test_the_dashboards_sums_and_a_members_own_are_files_too(
    world: UsageWorld, scene: Scene, settings: Settings, tab: Open
) -> None:
    ann, bob = await tab("ann"), await tab("bob")
    assert "Sums of the dashboard" in (await ask(ann, f"{PATH}?by=member&top=all", "parquet")).text
    assert "only mine" in (await ask(bob, f"{PATH}?by=model", "parquet")).text
    await write(scene, settings)
    for one, calls in ((ann, world.of_month()), (bob, world.of_month("bob"))):
        (path,) = files((await one.get(EXPORTS)).text)
        plain = table((await one.client.get(path)).content).read()
        assert sum(plain["cost"].to_pylist()) == Decimal(cost(calls)).scaleb(-6)
        assert (
            f'title="{credits_text(cost(calls))} credits"'
            in (await one.get(f"{PATH}?table=1")).text
        )
    statements = await ann.statements(EXPORTS)
    assert len(statements) <= 12, "\n".join(statements)


async def test_an_export_is_of_nobody_but_who_asked_and_of_them_while_they_may(
    world: UsageWorld, scene: Scene, settings: Settings, tab: Open
) -> None:
    adam = await tab("adam")
    await ask(adam, f"{PATH}/usage", "xlsx")
    await write(scene, settings)
    (path,) = files((await adam.get(EXPORTS)).text)
    others = [await tab(name) for name in ("ann", "bob")]
    before = await scene.snapshot()
    for other in others:
        assert path not in (await other.get(EXPORTS)).text
        token = await other.token(EXPORTS)
        assert (await other.get(path)).status_code == 404
        for deed in ("delete", "repeat"):
            assert (await other.send(f"{path}/{deed}", form_token=token)).status_code == 404
    unknown = f"{EXPORTS}/{wire_id('export', new_id())}"
    assert (await adam.get(unknown)).status_code == 404
    assert (await adam.get(f"{EXPORTS}/usage")).status_code == 404
    assert await scene.snapshot() == before
    owner = await scene.owner(world.account)
    await members.set_member_role(owner, world.members["adam"], Role.MEMBER)
    assert (await adam.get(path)).status_code == 403
    assert path not in (await adam.get(EXPORTS)).text
    await members.remove_member(owner, world.members["adam"])
    assert (await adam.get(path)).status_code == 404
    assert (await adam.get(EXPORTS)).status_code == 404


async def test_what_may_not_be_seen_may_not_be_asked_for(
    world: UsageWorld, scene: Scene, tab: Open
) -> None:
    ann, bob = await tab("ann"), await tab("bob")
    tokens = {one: await one.token("/organizations/new") for one in (ann, bob)}
    before = await scene.snapshot()
    foreign = (f"member={world.member('ann')}", f"key={world.key('ann')}")
    for page in ("usage", "dashboard"):
        path = f"{EXPORTS}/{page}"

        async def status(one: Tab, query: str, *, path: str = path, **given: str) -> int:
            fields = {"form_token": tokens[one], "format": "xlsx", **given}
            return (await one.send(f"{path}?{query}", **fields)).status_code

        assert await status(bob, "whose=all") == 403
        for query in foreign:
            assert await status(bob, query) == 404
        assert await status(ann, "from=2026-03-02&to=2026-03-01") == 422
        assert await status(ann, "", format="pdf") == 422
        assert await status(ann, "", form_token="forged") == 403
    assert await scene.snapshot() == before


async def test_the_sixth_is_refused_in_words_and_deleting_makes_room(
    world: UsageWorld, scene: Scene, settings: Settings, tab: Open, shift_clock: Callable[..., None]
) -> None:
    ann = await tab("ann")
    for _ in range(settings.export_cap):
        assert (await ask(ann, f"{PATH}/usage", "xlsx")).status_code == 200
    before = await scene.snapshot()
    refused = await ask(ann, PATH, "xlsx")
    assert refused.status_code == 409
    assert "You have 5 exports here, which is the most." in refused.text
    assert await scene.snapshot() == before
    action = re.search(rf'action="({EXPORTS}/exp_[^"]+/delete)"', refused.text)
    assert action
    page = await ann.get(EXPORTS)
    done = await ann.submit(page, action[1])
    assert "The export is deleted." in done.text
    assert "4 exports" in done.text
    assert (await ask(ann, PATH, "xlsx")).status_code == 200
    shift_clock(timedelta(hours=settings.export_hours, seconds=1))
    ann = await tab("ann")
    assert "No exports yet" in (await ann.get(EXPORTS)).text
    assert await exports.list_exports(await scene.person("ann"), world.account) == []


async def test_one_that_failed_says_so_and_is_tried_again(
    world: UsageWorld, scene: Scene, settings: Settings, tab: Open
) -> None:
    assert world.calls
    ann = await tab("ann")
    await ask(ann, f"{PATH}/usage", "xlsx")
    few = settings.model_copy(update={"export_rows": 3})
    await write(scene, few)
    page = await ann.get(EXPORTS)
    assert "This is more than 3 rows." in page.text
    assert not files(page.text)
    again = await ann.submit(page, "/repeat")
    assert "It is tried again." in again.text
    await write(scene, settings)
    assert len(files((await ann.get(EXPORTS, **PART)).text)) == 1


async def test_parquet_is_offered_only_where_it_can_be_written(
    world: UsageWorld, scene: Scene, tab: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert world.calls
    ann = await tab("ann")
    assert ">Parquet" in re.sub(r"\s", "", (await ann.get(f"{PATH}/usage")).text)
    monkeypatch.setattr(exports, "FORMATS", (exports.FileFormat.XLSX,))
    before = await scene.snapshot()
    page = (await ann.get(f"{PATH}/usage")).text
    assert "Excel" in page
    assert "Parquet" not in page
    assert (await ask(ann, f"{PATH}/usage", "parquet")).status_code == 422
    assert await scene.snapshot() == before


def test_sizes_are_said_in_words() -> None:
    sizes = (0, 999, 1000, 4250, 17_000_000, 1_234_567_890)
    assert [size_words(one) for one in sizes] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "4.2 kB",
        "17.0 MB",
        "1.2 GB",
    ]
