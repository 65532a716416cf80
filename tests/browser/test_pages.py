"""Every page: nothing that axe finds, light and dark; nothing cut off on a narrow screen; all of it without script."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from app.permissions import Role
from app.resolvers import api_keys, invitations, management_keys
from tests.browser.conftest import NARROW, Backstage, Window
from tests.scene import Scene

Open = Callable[..., Window]
MORE = (
    "keys/new",
    "management/keys/new",
    "profile/name",
    "profile/transfer",
    "profile/dissolve",
)
HOSTILE = '"><img src=x onerror=alert(1)>{{7*7}}'


async def found(scene: Scene, name: str) -> str:
    """Found an organization of pia's, with an Admin, a Member, hostile names and a waiting invitation; its address."""
    pia = await scene.person("pia")
    account = await scene.organization(pia, name)
    await scene.join(account, await scene.person("abe"), role=Role.ADMIN)
    hostile = await scene.person(HOSTILE, email="hostile@example.com")
    await scene.join(account, hostile)
    owner = await scene.owner(account)
    await invitations.invite_members(owner, account, ["new@example.com"])
    await api_keys.create_api_key(owner, account, "nightly reports", tag="finance")
    await management_keys.create_management_key(owner, account, "month-end close")
    return f"/a/{name.lower()}"


@pytest.fixture(scope="module")
def place(backstage: Backstage) -> str:
    """Found one organization for the tests of this module."""
    return backstage.run(found(backstage.scene, "Pages"))


def pages(place: str, window: Window) -> list[str]:
    """List the pages to look at: the side bar's, and those that they lead to."""
    window.go(place)
    links = window.page.get_by_role("navigation", name="Pages")
    found = [link.get_attribute("href") or "" for link in links.get_by_role("link").all()]
    window.go(f"{place}/management/members")
    row = window.page.get_by_label("Edit the quota of Abe").get_attribute("href") or ""
    member = row.removesuffix("/quota")
    more = ["invite", "invitations"]
    return [
        *found,
        *(f"{place}/management/members/{one}" for one in more),
        *(f"{member}/{one}" for one in ("quota", "role", "remove")),
        *(f"{place}/{one}" for one in MORE),
        "/organizations/new",
        f"{place}/nowhere",
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(window: Open, place: str, scheme: str) -> None:
    one = window("pia", color_scheme=scheme, reduced_motion="reduce")
    one.expected.append("404")
    wrong = {}
    for path in pages(place, one):
        one.go(path)
        wrong |= {path: found} if (found := one.violations()) else {}
    page = one.go(f"{place}/management/members")
    page.get_by_label("Switch account").click()
    wrong["switcher"] = one.violations()
    page.get_by_label("theme and sign-out").click()
    wrong["oneself"] = one.violations()
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Invite", exact=True).click()
    expect(page.get_by_role("dialog")).to_be_visible()
    wrong["dialog"] = one.violations()
    assert {path: found for path, found in wrong.items() if found} == {}
    assert "{{7*7}}" in page.locator("#list").inner_text()


def test_nothing_is_cut_off_on_a_narrow_screen(window: Open, place: str) -> None:
    one = window("pia", viewport=NARROW)
    one.expected.append("404")
    wide = {}
    for path in pages(place, one):
        one.go(path)
        wide |= {path: by} if (by := one.is_wide()) > 0 else {}
    page = one.go(f"{place}/management/members")
    page.get_by_label("Edit the quota of Abe").click()
    expect(page.get_by_label("Monthly quota of Abe")).to_be_focused()
    wide |= {"editing": one.is_wide()} if one.is_wide() > 0 else {}
    page.get_by_label("Switch account").click()
    assert one.is_wide() <= 0
    assert wide == {}


def test_a_key_and_what_is_done_to_it_fit_every_width(window: Open, place: str) -> None:
    one = window("pia")
    for width in (320, 640, 800, 1000, 1280):
        one.page.set_viewport_size({"width": width, "height": 800})
        for path in ("keys?all=1", "management/keys"):
            page = one.go(f"{place}/{path}")
            more = page.get_by_label(re.compile("More for"))
            more.click()
            assert one.is_wide() <= 0, (width, path)
            boxes = [link.bounding_box() for link in page.locator(".row-menu a").all()]
            assert [box["x"] >= 0 and box["x"] + box["width"] <= width for box in boxes if box] == [
                True,
                True,
                True,
            ], (width, path)
            row = page.locator("tbody tr").bounding_box()
            assert row is not None
            assert row["height"] < (230 if width < 640 else 150), (width, path)


def test_everything_works_without_script(window: Open, place: str) -> None:
    one = window("pia", java_script_enabled=False)
    one.expected.append("422")
    page = one.go(f"{place}/management/members")
    page.get_by_label("Search members").fill("abe")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_text("1 person of 3")).to_be_visible()
    page.get_by_label("Edit the quota of Abe").click()
    page.get_by_label("Monthly quota of Abe").fill("much")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("Write a number of credits")
    page.get_by_role("button", name="No limit").click()
    expect(page.get_by_role("status")).to_contain_text("Quota of Abe: no limit.")
    page.get_by_role("link", name="Invite", exact=True).click()
    page.get_by_label("E-mail addresses").fill("plain@example.com")
    page.get_by_role("button", name="Invite").click()
    expect(page.get_by_role("status")).to_contain_text("1 invitation sent.")
    page.get_by_role("link", name="Invitations").click()
    page.get_by_label("Revoke the invitation of plain@example.com").click()
    expect(page.get_by_text("plain@example.com", exact=True)).to_have_count(0)
    page.get_by_label("theme and sign-out").click()
    page.get_by_role("button", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.get_by_label("Switch account").click()
    page.locator("#accounts").get_by_role("link", name=re.compile("Personal account")).click()
    expect(page).to_have_url(re.compile("/a/u-"))
