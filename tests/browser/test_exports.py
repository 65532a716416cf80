"""Exports in the browser: filter, choose a format, watch it become ready, fetch it and open it; with and without script."""

import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from app.resolvers import exports
from tests.browser.conftest import NARROW, PATIENCE_MS, Backstage, Window
from tests.exporting.desk import records, sums, workbook
from tests.web.usage_world import UsageWorld, acme_with_usage, cost

Open = Callable[..., Window]
PATH = "/a/export-inc"


@pytest.fixture(scope="module")
def world(backstage: Backstage) -> UsageWorld:
    """Found Export Inc. with calls."""
    return backstage.run(acme_with_usage(backstage.scene, "Export Inc"))


def fetched(page: Page) -> bytes:
    """Press Download in the first line."""
    with page.expect_download() as download:
        page.get_by_role("link", name=re.compile("^Download")).first.click()
    assert re.fullmatch(r"export-inc-usage-[\d-]+\.xlsx", download.value.suggested_filename)
    return Path(download.value.path()).read_bytes()


def test_what_is_filtered_becomes_a_workbook_while_one_watches(
    window: Open, world: UsageWorld
) -> None:
    one = window("ann")
    page = one.go(f"{PATH}/usage?range=90d&filter=open")
    page.get_by_label("Member").select_option(label="Bob")
    expect(page.get_by_role("list", name="Filters")).to_contain_text("Bob")
    total = page.locator(".sums .number").first.get_attribute("title")
    page.get_by_text("Download", exact=True).click()
    assert one.violations() == []
    page.get_by_role("button", name="Excel").click()
    expect(page).to_have_url(re.compile(f"{PATH}/exports$"))
    expect(page.get_by_role("row", name=re.compile("Member: Bob"))).to_be_visible()
    # By itself: the page is not loaded again. What writes leaves the processor to all others.
    expect(page.get_by_text("Ready")).to_be_visible(timeout=10 * PATIENCE_MS)
    expect(page.locator("#exports")).not_to_have_attribute("data-live", re.compile(".*"))
    (rows,), about = workbook(fetched(page))
    bobs = [call for call in world.calls if call.member_id == world.members["bob"]]
    assert total == f"{about['Cost']} credits"
    assert sum(Decimal(row["cost_exact"]) for row in rows) == Decimal(cost(bobs)).scaleb(-6)
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("No exports yet")).to_be_visible()


@pytest.mark.usefixtures("world")
def test_it_works_without_script(window: Open) -> None:
    page = window("bob", java_script_enabled=False).go(f"{PATH}/usage?range=90d")
    page.get_by_text("Download", exact=True).click()
    page.get_by_role("button", name="Excel").click()
    expect(page.get_by_text("Whose: only mine")).to_be_visible()

    def ready() -> bool:
        page.reload()
        return page.get_by_text("Ready").is_visible()

    assert any(ready() for _ in range(500))
    (rows,), _about = workbook(fetched(page))
    assert {row["member_name"] for row in rows} == {"Bob"}


def test_the_page_is_right_for_all_who_read_it(
    window: Open, world: UsageWorld, backstage: Backstage
) -> None:
    adam = backstage.run(backstage.scene.person("adam"))
    for asked in (records(world), sums(world)):
        backstage.run(exports.ask_export(adam, world.account, asked))
    for given in ({"color_scheme": "light"}, {"color_scheme": "dark"}, {"viewport": NARROW}):
        one = window("adam", reduced_motion="reduce", **given)
        for path in (f"{PATH}/exports", PATH, f"{PATH}/usage"):
            one.go(path)
            if path != f"{PATH}/exports":
                one.page.get_by_text("Download", exact=True).click()
                one.page.get_by_role("button", name="Parquet").click(trial=True)
            wrong = [] if "viewport" in given else one.violations()
            assert (path, wrong, one.is_wide()) == (path, [], 0)
