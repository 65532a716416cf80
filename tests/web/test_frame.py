"""The frame: who gets which account's pages, and how a page, a part of it and a refusal are answered."""

import re
from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest

from app.resolvers import members, organizations
from tests.scene import Scene
from tests.web.portal import Tab

Open = Callable[..., Awaitable[Tab]]
PATH = "/a/acme"


@pytest.fixture
async def acme(scene: Scene) -> UUID:
    """Found Acme, whose Owner is ann and whose Member is bob."""
    account = await scene.organization(await scene.person("ann"), "Acme")
    await scene.join(account, await scene.person("bob"))
    return account


async def test_an_account_is_there_for_its_members_alone(
    acme: UUID, scene: Scene, tab: Open
) -> None:
    nobody, bob, eve = await tab(), await tab("bob"), await tab("eve")
    nobody.client.follow_redirects = False
    leaving = await nobody.get(PATH)
    assert leaving.status_code == 303
    assert leaving.headers["location"] == "/sign-in?return_to=%2Fa%2Facme"
    page = await bob.get(PATH)
    assert page.status_code == 200
    assert "no limit" in page.text
    assert "credits available" not in page.text, "a Member sees no balance"
    foreign, missing = await eve.get(PATH), await eve.get("/a/nowhere")
    assert (foreign.status_code, missing.status_code) == (404, 404)
    for each in (foreign, missing):
        assert "Nothing here" in each.text
        assert "Acme" not in each.text
    await organizations.dissolve_organization(await scene.owner(acme), acme, "Acme")
    gone = await bob.get(PATH)
    assert gone.status_code == 410
    assert "dissolved" in gone.text
    assert (await eve.get(PATH)).status_code == 404


@pytest.mark.usefixtures("acme")
async def test_the_start_leads_to_the_account_used_last(tab: Open) -> None:
    ann = await tab("ann")
    personal = (await ann.get("/")).url.path
    assert personal.startswith("/a/u-")
    page = await ann.get(PATH)
    assert page.text.index("Personal account") < page.text.index("<b>Acme</b>")
    assert 'href="/a/acme" aria-current="true"' in page.text
    assert (await ann.get("/")).url.path == PATH
    ann.client.cookies.set("account", "somebody-elses", domain="127.0.0.1")
    assert (await ann.get("/")).url.path == personal


async def test_the_switcher_keeps_the_section_where_the_other_account_shows_it(
    acme: UUID, scene: Scene, tab: Open
) -> None:
    mine = await scene.organization(await scene.person("ann"), "Mine")
    theirs = await scene.organization(await scene.person("eve"), "Theirs")
    await scene.join(theirs, await scene.person("ann"))
    page = (await (await tab("ann")).get(f"{PATH}/management/members")).text
    accounts = page.partition('id="accounts"')[2].partition("</ul>")[0]
    assert 'href="/a/mine/management/members"' in accounts
    assert re.findall(r"<b>([^<]+)</b><small>([^<]+)</small>", accounts) == [
        ("Ann", "Personal account"),
        ("Acme", "Owner"),
        ("Mine", "Owner"),
        ("Theirs", "Member"),
    ]
    assert accounts.count("#check") == 1, "the present one is ticked"
    assert page.index("Create Organization") > page.index("Theirs")
    assert 'href="/a/theirs"' in accounts, "a Member there: to the dashboard"
    assert "management" not in accounts.partition("</li>")[0], "personal: to the dashboard"
    assert 'type="search"' not in page.partition('id="switcher"')[2].partition("</details>")[0]
    for number in range(4):
        await scene.organization(await scene.person("ann"), f"More {number}")
    more = (await (await tab("ann")).get(PATH)).text
    assert 'data-filter="#accounts"' in more, "from eight on there is a box to find one"
    assert acme != mine


async def test_a_part_costs_a_304_while_nothing_changes(
    acme: UUID, scene: Scene, tab: Open
) -> None:
    bob = await tab("bob")
    first = await bob.part(f"{PATH}/left")
    assert "no limit" in first.text
    assert "<html" not in first.text
    again = {"If-None-Match": first.headers["etag"], "X-Live": "1"}
    unchanged = await bob.part(f"{PATH}/left", **again)
    assert (unchanged.status_code, unchanged.text) == (304, "")
    member_id = await scene.member_id(acme, await scene.person("bob"))
    await members.set_member_quota(await scene.owner(acme), member_id, 5_000_000)
    changed = await bob.part(f"{PATH}/left", **again)
    assert changed.status_code == 200
    assert "5.00" in changed.text
    assert "of 5 credits left" in changed.text
    assert (await bob.get(f"{PATH}/left")).url.path == PATH, "without htmx, the page"


@pytest.mark.usefixtures("acme")
async def test_a_refusal_within_a_page_is_said_in_a_toast(tab: Open) -> None:
    nobody, eve = await tab(), await tab("eve")
    at = {"HX-Current-URL": f"{nobody.client.base_url}{PATH}?x=1"}
    refused = await nobody.part(f"{PATH}/left", **at)
    assert refused.status_code == 401
    assert 'hx-target="#toasts"' in refused.text
    assert "/sign-in?return_to=%2Fa%2Facme%3Fx%3D1" in refused.text
    refused = await eve.part(f"{PATH}/left")
    assert refused.status_code == 404
    assert refused.headers["x-request-id"] in refused.text
    assert "<html" not in refused.text


async def test_an_organization_is_created_from_the_switcher(scene: Scene, tab: Open) -> None:
    ann, stranger = await tab("ann"), await tab("una", verified=False)
    page = await ann.get("/organizations/new")
    before = await scene.snapshot()
    empty = await ann.submit(page, "/organizations", name=" ")
    assert empty.status_code == 422
    assert "Write a name." in empty.text
    assert (await ann.send("/organizations", name="Acme")).status_code == 403, "no token"
    assert "Verify your e-mail" in (await stranger.get("/organizations/new")).text
    token = await stranger.token("/organizations/new")
    forced = await stranger.send("/organizations", form_token=token, name="Acme")
    assert forced.status_code == 403
    assert await scene.snapshot() == before
    made = await ann.submit(empty, "/organizations", name="<b>Acme</b>")
    assert made.url.path == "/a/b-acme-b"
    assert "&lt;b&gt;Acme&lt;/b&gt; is there. You are its Owner." in made.text
    assert "is there" not in (await ann.get("/a/b-acme-b")).text, "said once"
    slug = "/organizations/new/slug?name="
    assert (
        "<b>/a/umlaute-und-mehr</b>" in (await ann.part(f"{slug}%20Umlaute%20und%20Mehr%21")).text
    )
    assert "since that one is taken" in (await ann.part(f"{slug}b%20Acme%20b")).text
    assert "Its address" not in (await ann.part(f"{slug}%20")).text
    nobody = await tab()
    assert "b-acme-b" not in (asked := await nobody.part(f"{slug}b%20Acme%20b")).text
    assert asked.status_code == 401
    part = await ann.part("/organizations/new")
    assert "<html" not in part.text
    quick = await ann.submit(part, "/organizations", quick=True, name="Other")
    assert (quick.status_code, quick.headers["hx-redirect"]) == (204, "/a/other")


async def test_the_theme_is_kept_and_nothing_else_is_taken(tab: Open) -> None:
    ann = await tab("ann")
    page = await ann.get("/organizations/new")
    assert "data-theme=" not in page.text.partition("<body")[0]
    dark = await ann.submit(page, "/theme", theme="dark")
    assert '<html lang="en" data-theme="dark">' in dark.text
    assert dark.url.path == "/organizations/new"
    assert (await ann.submit(dark, "/theme", theme='x" onload="')).status_code == 422
    ann.client.cookies.set("theme", '"><script>', domain="127.0.0.1")
    assert "data-theme=" not in (await ann.get("/")).text.partition("<body")[0]
