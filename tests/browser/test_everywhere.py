"""What holds on every page: copying, waiting, fingers, paper, calm, and no connection."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.conftest import Backstage, Window

Open = Callable[..., Window]
PLACE = "/a/everywhere"
MEMBERS = f"{PLACE}/management/members"
PAGES = (
    *("", "/usage?filter=open", "/exports", "/keys", "/credits", "/billing", "/management/members"),
    *("/management/members/invitations", "/management/settings", "/management/keys"),
    *("/management/audit", "/profile", "/profile/transfer", "/profile/dissolve"),
)
# A link within a sentence is as high as its line; a hidden control has a label, which is measured.
CUT_OFF = "fetch('/health/live').then(() => false, () => true)"
SMALL = """() => [...document.querySelectorAll("a[href], button, select, textarea, summary, label:has(input), .field")]
  .filter((one) => one.checkVisibility() && !one.closest("[aria-hidden], p, dd") && !one.matches(".skip, .whole"))
  .map((one) => {
    const over = getComputedStyle(one, "::after");
    const whole = over.position === "absolute" && over.content !== "none" && one.closest("tr, .tile");
    const box = (whole || one).getBoundingClientRect();
    return Math.round(box.width) < 44 || Math.round(box.height) < 44 ? `${Math.round(box.width)}x${Math.round(box.height)} ${one.outerHTML.slice(0, 90)}` : "";
  }).filter(Boolean)"""


@pytest.fixture(scope="module", autouse=True)
def _place(backstage: Backstage) -> None:
    """Found an organization of nina's whose member is otto."""
    scene = backstage.scene

    async def found() -> None:
        account = await scene.organization(await scene.person("nina"), "Everywhere")
        await scene.join(account, await scene.person("otto"))

    backstage.run(found())


def make_key(page: Page) -> Locator:
    """Make a key; the dialog with its secret."""
    page.get_by_role("link", name="Create key").first.click()
    page.get_by_role("dialog").get_by_label("Name").fill("laptop")
    page.get_by_role("button", name="Create").click()
    return page.get_by_role("dialog", name="Save the secret of laptop")


def test_a_secret_is_copied_or_selected_or_saved_and_it_is_said_there(window: Open) -> None:
    one = window("nina")
    one.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = one.go(f"{PLACE}/keys")
    dialog = make_key(page)
    secret = dialog.locator("code").first.inner_text()
    page.keyboard.press("Escape")
    expect(dialog).to_be_visible()
    dialog.get_by_label("Copy the secret").click()
    expect(dialog.locator("[aria-live=polite]").first).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == secret
    with page.expect_download() as saved:
        dialog.get_by_role("button", name="Download as .env").click()
    assert saved.value.suggested_filename == "r9s.env"
    assert saved.value.path().read_text() == f"R9S_API_KEY={secret}\n"
    page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    dialog.get_by_label("Copy the line").click()
    expect(dialog.locator("[aria-live=polite]").last).to_contain_text("copy it with your keyboard")
    line = page.evaluate("getSelection().toString()")
    assert line.startswith("curl ")
    assert secret in line
    assert one.violations() == []
    dialog.get_by_role("link", name="I have saved it").click()
    expect(dialog).to_be_hidden()


def test_what_takes_long_is_seen_to_wait_and_is_sent_once(window: Open) -> None:
    one = window("nina")
    page = one.go(MEMBERS)
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route(re.compile(r"search=|/quota$"), hold)
    page.get_by_label("Search members").fill("otto")
    busy = page.locator("#list[aria-busy=true]")
    expect(busy).to_be_visible()
    expect(busy.locator("td").first).to_have_css("color", "rgba(0, 0, 0, 0)")
    held.pop().continue_()
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(busy).to_have_count(0)
    page.unroute(re.compile(r"search=|/quota$"))
    page.get_by_label("Edit the quota of Otto").click()
    page.get_by_label("Monthly quota of Otto").fill("7")
    page.route(re.compile(r"/quota$"), hold)
    save = page.get_by_role("button", name="Save")
    before = save.bounding_box()
    save.click()
    expect(save).to_have_attribute("aria-disabled", "true")
    assert save.bounding_box() == before, "it keeps its width"
    page.get_by_label("Monthly quota of Otto").press("Enter")
    page.wait_for_function("document.body.matches('.waiting')")
    assert len(held) == 1, "pressed twice is sent once"
    held.pop().continue_()
    expect(page.get_by_role("status")).to_contain_text("Quota of Otto: 7 credits a month.")


def test_fingers_hit_everything(window: Open) -> None:
    small = {}
    for width in (380, 820):
        size = {"width": width, "height": 800}
        one = window("nina", viewport=size, has_touch=True, is_mobile=True)
        for path in PAGES:
            page = one.go(PLACE + path)
            small |= {f"{width} {path}": found} if (found := page.evaluate(SMALL)) else {}
        page = one.go(MEMBERS)
        page.get_by_label("Switch account").tap()
        page.get_by_label("theme and sign-out").tap()
        small |= {f"{width} menu": found} if (found := page.evaluate(SMALL)) else {}
        assert one.is_wide() <= 0
    assert small == {}


def test_paper_shows_the_page_alone_and_calm_readers_see_no_motion(window: Open) -> None:
    one = window("nina", reduced_motion="reduce")
    for path in ("", "/credits", "/management/members", "/management/audit"):
        page = one.go(PLACE + path)
        moving = "getComputedStyle(document.querySelector('.button')).transitionDuration"
        assert page.evaluate(moving) == "0s", path
        page.emulate_media(media="print")
        for part in (".topbar", ".side", "#toasts"):
            expect(page.locator(part)).to_be_hidden()
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert one.is_wide() <= 0, path
        page.emulate_media(media="screen")


def test_without_a_connection_a_page_says_so_and_comes_back(window: Open) -> None:
    one = window("nina")
    one.expected += ["ERR_INTERNET_DISCONNECTED", "Failed to fetch", "when fetching the script"]
    page = one.go(PLACE)
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    page.reload()
    if not one.context.service_workers:
        one.context.wait_for_event("serviceworker")
    one.context.set_offline(True)
    # The worker has a connection of its own: it is cut off a moment after the page's.
    [worker] = one.context.service_workers
    assert any(worker.evaluate(CUT_OFF) for _ in range(1000))
    page.goto(one.base + MEMBERS)
    expect(page.get_by_role("heading", name="No connection")).to_be_visible()
    expect(page.get_by_role("main")).to_contain_text("nothing was changed")
    assert one.violations() == []
    one.context.set_offline(False)
    page.get_by_role("link", name="Try again").click()
    expect(page.get_by_role("heading", name="Members")).to_be_visible()
    expect(page).to_have_url(re.compile("management/members$"))
