"""What script adds: the keyboard alone, search as one types, figures that follow, connections that break."""

import re
from collections.abc import Callable
from uuid import UUID

import pytest
from playwright.sync_api import expect

from app.resolvers import members
from app.web.portal import members as members_page
from tests.browser.conftest import Backstage, Window

Open = Callable[..., Window]
MEMBERS = "/a/keyboard/management/members"


@pytest.fixture(scope="module")
def place(backstage: Backstage) -> UUID:
    """Found an organization of kim's whose member is lou."""
    scene = backstage.scene

    async def found() -> UUID:
        account = await scene.organization(await scene.person("kim"), "Keyboard")
        await scene.join(account, await scene.person("lou"))
        return account

    return backstage.run(found())


@pytest.mark.usefixtures("place")
def test_the_keyboard_alone_is_enough(window: Open) -> None:
    one = window("kim")
    one.expected.append("422")
    page = one.go(MEMBERS)
    keys = page.keyboard
    keys.press("Tab")
    expect(page.get_by_text("Skip to the content")).to_be_focused()
    for _ in range(2):
        keys.press("Tab")
    keys.press("Enter")
    keys.press("ArrowDown")
    keys.press("ArrowDown")
    expect(page.locator("#accounts").get_by_role("link", name="Keyboard")).to_be_focused()
    keys.press("Escape")
    expect(page.get_by_label("Switch account")).to_be_focused()
    expect(page.locator("#accounts")).to_be_hidden()
    keys.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_contain_text("search this page's list")
    keys.press("Escape")
    keys.press("/")
    expect(page.get_by_label("Search members")).to_be_focused()
    usage = page.get_by_role("row", name=re.compile("Lou")).locator(".usage")
    was = usage.inner_text()
    edit = page.get_by_label("Edit the quota of Lou")
    edit.focus()
    keys.press("Enter")
    field = page.get_by_label("Monthly quota of Lou")
    expect(field).to_be_focused()
    keys.type("-5")
    keys.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("A quota is positive")
    expect(field).to_be_focused()
    keys.press("Escape")
    expect(edit).to_be_focused()
    expect(usage).to_have_text(re.sub(r"\s+", " ", was))
    keys.press("Tab")
    keys.press("Enter")
    keys.press("ArrowDown")
    keys.press("Enter")
    expect(page.get_by_role("dialog", name="Make Lou an Admin")).to_be_visible()
    keys.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_label("More for Lou")).to_be_focused()
    expect(page).to_have_url(re.compile("members$"))


@pytest.mark.usefixtures("place")
def test_addresses_are_judged_as_they_are_typed_and_taken_away(window: Open) -> None:
    one = window("kim")
    page = one.go(MEMBERS)
    keys = page.keyboard
    page.get_by_role("link", name="Invite", exact=True).click()
    entry = page.get_by_label("E-mail addresses")
    entry.press_sequentially("Ada <ada@example.com>; lou@example.com kim@example.com, none\nhal")
    chips = page.get_by_role("list", name="Addresses").get_by_role("listitem")
    expect(chips).to_have_text(
        [
            "ada@example.com",
            "lou@example.com is a member already",
            "kim@example.com is your own address",
            "none is no e-mail address",
            "hal is no e-mail address yet",
        ]
    )
    said = page.locator("#chips-said")
    expect(said).to_have_attribute("aria-live", "polite")
    expect(said).to_have_text("5 addresses. 3 of them cannot be invited.")
    expect(entry).to_be_focused()
    assert one.violations() == []
    keys.type("@example.com")
    expect(chips.last).to_have_text("hal@example.com")
    assert entry.input_value().endswith("none\nhal@example.com")
    page.get_by_label("Take away lou@example.com").click()
    expect(page.get_by_label("Take away kim@example.com")).to_be_focused()
    keys.press("Delete")
    expect(page.get_by_label("Take away none")).to_be_focused()
    keys.press("ArrowRight")
    expect(page.get_by_label("Take away hal@example.com")).to_be_focused()
    keys.press("Home")
    keys.press("End")
    keys.press("ArrowLeft")
    keys.press("Enter")
    expect(page.get_by_label("Take away hal@example.com")).to_be_focused()
    keys.press("Tab")
    expect(page.get_by_label("Monthly quota")).to_be_focused()
    expect(entry).to_have_value("ada@example.com\nhal@example.com\n")
    keys.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("2 invitations sent.")


# Presses Escape as soon as the form is said to be wrong, sooner than anybody could.
GIVES_UP = """() => new MutationObserver((_, watch) => {
    if (!document.querySelector("[data-editing] [role=alert]")) return;
    watch.disconnect();
    document.body.dataset.gaveUp = "yes";
    document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true }));
}).observe(document.querySelector("table"), { childList: true, subtree: true })"""


@pytest.mark.usefixtures("place")
def test_who_gives_up_at_once_stays_on_the_page(window: Open) -> None:
    one = window("kim")
    one.expected.append("422")
    page = one.go(MEMBERS)
    edit = page.get_by_label("Edit the quota of Lou")
    edit.click()
    page.get_by_label("Monthly quota of Lou").fill("-5")
    page.evaluate(GIVES_UP)
    page.keyboard.press("Enter")
    expect(edit).to_be_focused()
    # The same document: one that was loaded anew knows nothing of it.
    expect(page.locator("body")).to_have_attribute("data-gave-up", "yes")


# Goes on to the quota as soon as the chips are others, which is before htmx says that it has swapped.
GOES_ON = """() => {
    document.addEventListener("htmx:finally:swap", () => { document.body.dataset.swapped = "yes"; }, { once: true });
    new MutationObserver((_, watch) => {
        watch.disconnect();
        document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key: "Tab", bubbles: true }));
        document.querySelector("dialog [name=quota]").focus();
    }).observe(document.querySelector("dialog"), { childList: true, subtree: true });
}"""


@pytest.mark.usefixtures("place")
def test_who_goes_on_while_a_chip_is_taken_away_is_not_called_back(window: Open) -> None:
    page = window("kim").go(MEMBERS)
    page.get_by_role("link", name="Invite", exact=True).click()
    page.get_by_label("E-mail addresses").press_sequentially("ada@example.com hal@example.com ")
    page.get_by_label("Take away ada@example.com").focus()
    page.evaluate(GOES_ON)
    page.keyboard.press("Delete")
    expect(page.locator("body")).to_have_attribute("data-swapped", "yes")
    expect(page.get_by_label("Take away ada@example.com")).to_have_count(0)
    expect(page.get_by_label("Monthly quota")).to_be_focused()


@pytest.mark.usefixtures("place")
def test_the_list_follows_the_search_as_one_types(window: Open) -> None:
    page = window("kim").go(MEMBERS)
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(2)
    search = page.get_by_label("Search members")
    search.press_sequentially("lou@")
    expect(rows).to_have_count(1)
    expect(page).to_have_url(re.compile(r"search=lou(%40|@)"))
    expect(search).to_be_focused()
    expect(search).to_have_value("lou@")
    page.get_by_role("link", name="Joined").click()
    expect(page.get_by_role("columnheader", name="Joined")).to_have_attribute(
        "aria-sort", "descending"
    )
    expect(page).to_have_url(re.compile(r"search=lou.*sort=-joined"))
    page.get_by_label("Owner", exact=True).check()
    expect(page.get_by_text("Nobody found")).to_be_visible()
    page.reload()
    expect(page.get_by_text("Nobody found")).to_be_visible()


def test_figures_follow_and_cost_nothing_while_nothing_changes(
    window: Open, place: UUID, backstage: Backstage
) -> None:
    one = window("kim")
    scene = backstage.scene

    async def change() -> None:
        lou = await scene.member_id(place, await scene.person("lou"))
        await members.set_member_quota(await scene.owner(place), lou, 10_000_000)

    page = one.page
    page.clock.install()
    one.go(MEMBERS)
    with page.expect_response(lambda answer: answer.status == 200 and MEMBERS in answer.url):
        page.clock.fast_forward(4500)
    with page.expect_response(lambda answer: answer.status == 304 and MEMBERS in answer.url):
        page.clock.fast_forward(4500)
    page.get_by_label("Search members").focus()
    backstage.run(change())
    row = page.get_by_role("row", name=re.compile("Lou"))
    page.clock.fast_forward(4500)
    expect(row).to_contain_text("of 10")
    expect(page.get_by_label("Search members")).to_be_focused()
    page.evaluate("Object.defineProperty(document, 'hidden', { get: () => true })")
    asked = len(one.asked)
    page.clock.fast_forward(60_000)
    assert len(one.asked) == asked, "a hidden tab asks for nothing"


@pytest.mark.usefixtures("place")
def test_the_way_back_leads_through_the_pages_of_a_list(
    window: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(members_page, "ROWS", 1)
    page = window("kim").go(f"{MEMBERS}?search=example.com")
    expect(page.get_by_label("More for Kim")).to_be_visible()
    page.get_by_role("link", name="Next").click()
    expect(page.get_by_label("More for Lou")).to_be_visible()
    expect(page).to_have_url(re.compile("search=example.com&.*after="))
    page.go_back()
    expect(page.get_by_label("More for Kim")).to_be_visible()
    expect(page.get_by_role("heading", name="Members")).to_be_visible()
    page.get_by_label("Switch account").click()
    expect(page.locator("#accounts")).to_be_visible()


@pytest.mark.usefixtures("place")
def test_a_lost_connection_is_said_once_and_taken_back(window: Open) -> None:
    one = window("kim")
    one.expected += ["ERR_INTERNET_DISCONNECTED", "Failed to fetch", "when fetching the script"]
    page = one.go(MEMBERS)
    one.context.set_offline(True)
    page.get_by_label("Edit the quota of Lou").click()
    notice = page.get_by_text("There is no connection.")
    expect(notice).to_be_visible()
    expect(page.get_by_role("row", name=re.compile("Lou"))).to_be_visible()
    one.context.set_offline(False)
    page.get_by_label("Edit the quota of Lou").click()
    expect(page.get_by_label("Monthly quota of Lou")).to_be_focused()
    expect(notice).to_have_count(0)


@pytest.mark.usefixtures("place")
def test_the_theme_changes_at_once_and_stays(window: Open) -> None:
    page = window("kim", color_scheme="light").go("/a/keyboard")
    page.get_by_label("theme and sign-out").click()
    with page.expect_response("**/theme"):
        page.get_by_role("button", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.get_by_role("button", name="Dark")).to_have_attribute("aria-pressed", "true")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


@pytest.mark.usefixtures("place")
def test_a_session_that_ended_is_said_and_no_longer_asked_for(window: Open) -> None:
    one = window("kim")
    one.expected.append("401")
    page = one.page
    page.clock.install()
    one.go(MEMBERS)
    one.context.clear_cookies()
    page.clock.fast_forward(4500)
    toast = page.get_by_role("alert")
    expect(toast).to_contain_text("Sign in first")
    link = toast.get_by_role("link", name="Sign in")
    expect(link).to_have_attribute("href", re.compile("return_to=.*members"))
    asked = len(one.asked)
    page.clock.fast_forward(60_000)
    assert len(one.asked) == asked
    expect(page.get_by_role("row", name=re.compile("Lou"))).to_be_visible()
    expect(toast).to_be_visible()  # until it is dismissed
    toast.get_by_label("Dismiss").click()
    expect(toast).to_have_count(0)


@pytest.mark.usefixtures("place")
def test_figures_that_are_late_are_said_to_be_once(
    window: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = window("kim")
    one.expected.append("500")
    page = one.page
    page.clock.install()
    one.go(MEMBERS)

    async def broken(*_given: object) -> None:
        raise RuntimeError("for a while")

    notice = page.get_by_text("New figures are late.")
    with monkeypatch.context() as patched:
        patched.setattr(members_page, "list_page", broken)
        for _ in range(2):
            with page.expect_response(lambda answer: answer.status == 500):
                page.clock.fast_forward(4500)
            expect(notice).to_have_count(1)
    with page.expect_response(lambda answer: answer.ok and MEMBERS in answer.url):
        page.clock.fast_forward(4500)
    expect(notice).to_have_count(0)
    expect(page.get_by_role("row", name=re.compile("Lou"))).to_be_visible()
