"""Usage in the browser: from a bar to its records, filters that can be shared, figures that follow; with and without script."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import NARROW, Backstage, Window
from tests.usage_rows import Made, book
from tests.web.usage_world import UsageWorld, acme_with_usage

Open = Callable[..., Window]
PATH = "/a/usage-inc"


@pytest.fixture(scope="module")
def world(backstage: Backstage) -> UsageWorld:
    """Found Usage Inc. with calls."""
    return backstage.run(acme_with_usage(backstage.scene, "Usage Inc"))


def looks(world: UsageWorld) -> list[str]:
    """List the views to look at."""
    return [
        PATH,
        f"{PATH}?by=member&figure=tokens&table=1&range=30d",
        f"{PATH}?whose=mine&range=today",
        f"{PATH}/usage?filter=open&member={world.member('bob')}",
        f"{PATH}/usage/{world.record(0)}",
        f"{PATH}/management/audit?range=7d",
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_pages_with_usage(
    window: Open, world: UsageWorld, scheme: str
) -> None:
    # What still appears is paler than it will be.
    one = window("ann", color_scheme=scheme, reduced_motion="reduce")
    wrong = {}
    for path in looks(world):
        one.go(path)
        wrong |= {path: found} if (found := one.violations()) else {}
    one.page.locator(".event summary").first.click()
    wrong["event"] = one.violations()
    page = one.go(PATH)
    page.get_by_text("Other dates").click()
    wrong["dates"] = one.violations()
    assert {path: found for path, found in wrong.items() if found} == {}


def test_pages_with_usage_fit_a_narrow_screen(window: Open, world: UsageWorld) -> None:
    one = window("ann", viewport=NARROW)
    wide = {}
    for path in looks(world):
        one.go(path)
        wide |= {path: by} if (by := one.is_wide()) > 0 else {}
    assert wide == {}


@pytest.mark.usefixtures("world")
def test_a_figure_leads_to_the_calls_behind_it(window: Open) -> None:
    page = window("ann").go(PATH)
    page.get_by_role("list", name="Model").get_by_role("link", name="openai/gpt-4.1").click()
    expect(page.get_by_role("list", name="Filters")).to_contain_text("openai/gpt-4.1")
    expect(page).to_have_url(re.compile("model=openai"))
    page.get_by_role("link", name="Member", exact=True).click()
    expect(page.get_by_role("list", name="Member")).to_contain_text("Bob")
    page.get_by_role("link", name="Show as table").click()
    expect(page.get_by_role("table").first).to_contain_text("Together")
    page.locator(".column.unfinished rect").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Usage")
    expect(page.get_by_role("list", name="Filters").get_by_role("listitem")).to_have_count(2)
    page.locator(".records tbody tr").first.click()  # wherever in its row
    expect(page.get_by_role("dialog", name="Call")).to_contain_text("openai/gpt-4.1")
    page.get_by_label("Close").click()
    page.get_by_role("link", name="Filter", exact=True).click()
    page.get_by_label("Tag").select_option("search")
    expect(page.get_by_role("list", name="Filters").get_by_role("listitem")).to_have_count(3)
    page.go_back()
    expect(page.get_by_role("list", name="Filters").get_by_role("listitem")).to_have_count(2)
    steps = page.get_by_role("navigation", name="Breadcrumb").get_by_role("link")
    steps.nth(1).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Dashboard")
    expect(page.get_by_role("list", name="Filters").get_by_role("listitem")).to_have_count(1)
    steps.first.click()
    expect(page.get_by_role("list", name="Filters")).to_have_count(0)


@pytest.mark.usefixtures("world")
def test_a_bar_is_read_and_followed_by_the_keyboard_and_by_touch(window: Open) -> None:
    one = window("ann")
    page = one.go(f"{PATH}?range=7d")
    bars, tips = (
        page.get_by_role("list", name="Credits by day").get_by_role("link"),
        page.locator(".tip:visible"),
    )
    expect(bars).to_have_count(7)
    expect(bars.last).to_have_accessible_name(
        re.compile(r"so far: together \d[\d,.]+.*, openai/gpt-4.1 \d[\d,.]+")
    )
    keys = page.keyboard
    bars.first.focus()
    keys.press("ArrowRight")
    expect(bars.nth(1)).to_be_focused()
    keys.press("End")
    expect(bars.last).to_be_focused()
    expect(tips).to_have_count(1)
    expect(tips).to_contain_text("Together")
    keys.press("Escape")
    expect(tips).to_have_count(0)
    keys.press("Tab")
    expect(page.get_by_role("list", name="Model").get_by_role("link").first).to_be_focused()
    keys.press("Shift+Tab")
    expect(bars.last).to_be_focused()  # one stop for all of them
    expect(tips).to_have_count(1)
    keys.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Usage")
    one = window("ann", has_touch=True, viewport=NARROW)
    page = one.go(f"{PATH}?range=7d")
    column = page.locator(".column").last
    column.tap()
    expect(page.locator(".tip:visible")).to_contain_text("Touch again")
    assert one.is_wide() <= 0
    page.get_by_role("heading", level=1).tap()
    expect(page.locator(".tip:visible")).to_have_count(0)
    column.tap()
    column.tap()
    expect(page.get_by_role("heading", level=1)).to_have_text("Usage")


def test_new_calls_appear_by_themselves_until_they_are_paused(
    window: Open, world: UsageWorld, backstage: Backstage
) -> None:
    one = window("bob")
    page = one.go(f"{PATH}/usage?range=today")
    row = page.get_by_role("cell", name="brand-new", exact=True)
    expect(row).to_have_count(0)
    new = Made(world.now, world.members["bob"], world.keys["bob"], "brand-new")
    backstage.run(book(backstage.scene.database, world.account, [new]))
    expect(row).to_have_count(1)
    page.get_by_role("link", name="Pause").click()
    expect(page.get_by_role("link", name="Follow")).to_be_visible()
    expect(page.locator("#figures")).not_to_have_attribute("data-live", re.compile(".*"))


@pytest.mark.usefixtures("world")
def test_ranges_and_filters_work_without_script(window: Open) -> None:
    one = window("ann", java_script_enabled=False)
    one.expected.append("422")
    page = one.go(PATH)
    page.get_by_role("link", name="Last month").click()
    expect(page).to_have_url(re.compile("range=last-month"))
    page.get_by_text("Other dates").click()
    page.get_by_label("From").fill("2026-03-02")
    page.get_by_label("To, that day included").fill("2026-03-01")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.get_by_text("The last day lies before the first one.")).to_be_visible()
    page.get_by_label("From").fill("2026-03-01")
    page.get_by_label("To, that day included").fill("2026-03-01")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.get_by_text("No calls in this range")).to_be_visible()
    page = one.go(f"{PATH}/management/audit")
    page.get_by_label("What was done").select_option("create_api_key")
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_role("heading", name="4 events")).to_be_visible()
    page.locator(".event summary").first.click()
    expect(page.get_by_text("monthly limit").first).to_be_visible()
