"""Every address of the portal, asked by whom it is not for: signed out, a stranger, a Member, a page out of date."""

from collections import defaultdict
from collections.abc import Awaitable, Callable
from html import escape
from uuid import UUID

import pytest
from starlette.routing import Route

from app import errors
from app.ids import new_id, wire_id
from app.permissions import Permission, Role
from app.resolvers import api_keys, invitations
from app.web import portal
from app.web.portal import bars
from app.web.portal.frame import PLACE
from app.web.portal.sections import SECTIONS
from tests.scene import Scene
from tests.web.portal import Tab

Open = Callable[..., Awaitable[Tab]]
ROUTES = [one for one in portal.routes() if isinstance(one, Route) and one.path.startswith(PLACE)]
# What a Member may do by a form: their own keys and exports, and leaving.
OWN = ("/keys", "/profile/leave", "/exports")


@pytest.fixture
async def addresses(scene: Scene) -> list[tuple[str, str]]:
    """Found Acme with ann, adam and mia; each method and address there, with ids that exist in it."""
    ann = await scene.person("ann")
    account = await scene.organization(ann, "Acme")
    await scene.join(account, await scene.person("adam"), role=Role.ADMIN)
    mia = await scene.join(account, await scene.person("mia"))
    (sent,) = await invitations.invite_members(ann, account, ["new@example.com"])
    key = await api_keys.create_api_key(ann, account, "laptop")
    ids = {
        "slug": "acme",
        "member": wire_id("member", mia),
        "invitation": wire_id("invitation", sent.invitation_id or new_id()),
        "key": wire_id("api_key", key.id),
    }
    ids = defaultdict(lambda: wire_id("usage_record", new_id()), ids)
    return [
        (method, one.path.replace("{", "{0[").replace("}", "]}").format(ids))
        for one in ROUTES
        for method in sorted((one.methods or set()) - {"HEAD"})
    ]


async def ask(tab: Tab, method: str, path: str, token: str = "") -> int:
    """Ask; the status."""
    if method == "GET":
        return (await tab.get(path)).status_code
    # What each form wants, so that it is refused for who asks and not for what is said.
    fields = {"name": "Other", "quota": "5", "role": "ADMIN", "emails": "x@example.com"}
    return (await tab.send(path, form_token=token, **fields)).status_code


async def test_who_is_signed_out_is_led_to_sign_in_and_a_stranger_finds_nothing(
    addresses: list[tuple[str, str]], scene: Scene, tab: Open
) -> None:
    nobody, eve = await tab(), await tab("eve")
    nobody.client.follow_redirects = False
    token = await eve.token("/organizations/new")
    before = await scene.snapshot()
    for method, path in addresses:
        assert await ask(nobody, method, path) == (303 if method == "GET" else 401), path
        assert await ask(eve, method, path, token) == 404, path
    assert await scene.snapshot() == before


async def test_a_member_gets_nothing_of_what_is_managed(
    addresses: list[tuple[str, str]], scene: Scene, tab: Open
) -> None:
    mia = await tab("mia")
    token = await mia.token("/organizations/new")
    before = await scene.snapshot()
    for method, path in addresses:
        below = path.removeprefix("/a/acme")
        if below.startswith("/management"):
            assert await ask(mia, method, path, token) in (403, 404), path
        elif method == "POST" and not below.startswith(OWN):
            assert await ask(mia, method, path, token) == 403, path
        elif method == "GET":
            assert await ask(mia, method, path) in (200, 403, 404), path
    assert await scene.snapshot() == before


async def test_a_form_without_its_token_does_nothing(
    addresses: list[tuple[str, str]], scene: Scene, tab: Open
) -> None:
    ann = await tab("ann")
    before = await scene.snapshot()
    for method, path in addresses:
        if method == "POST":
            assert await ask(ann, method, path) in (403, 404), path
            assert await ask(ann, method, path, "forged") in (403, 404), path
    assert await scene.snapshot() == before


async def test_the_side_bar_shows_just_what_opens(
    addresses: list[tuple[str, str]], tab: Open
) -> None:
    assert addresses
    for name in ("ann", "adam", "mia"):
        one = await tab(name)
        personal = (await one.get("/")).url.path
        for place in ("/a/acme", personal):
            side = (await one.get(place)).text.partition('<nav class="side"')[2].partition("</nav>")
            for section in SECTIONS:
                path = f"{place}/{section.path}".rstrip("/")
                shown = f'href="{path}"' in side[0]
                status = (await one.get(path)).status_code
                assert (status == 200) is shown, (name, path, status)
                if place == personal and section.shared_only:
                    assert status == 404, path
    seen = {one.permission for one in SECTIONS}
    assert Permission.VIEW_MEMBERS in seen


WHAT_AND_WHY = [
    (errors.RateLimited("Wait a while.", retry_after=5), 429, "Too many requests", "Try again"),
    (errors.Unavailable(), 503, "Away for a moment", "Try again"),
    (errors.OwnerMustTransfer(), 409, "This did not work", "Go to the start page"),
    (errors.Invalid(name="Write a name."), 422, "This did not work", "Go to the start page"),
    (errors.Forbidden("Ask the Owner."), 403, "Not allowed", "Go to the start page"),
    (errors.NotFound(), 404, "Nothing here", "Go to the start page"),
    (errors.Dissolved(), 410, "Dissolved", "Go to the start page"),
]


@pytest.mark.usefixtures("addresses")
@pytest.mark.parametrize(("refusal", "status", "what", "next_step"), WHAT_AND_WHY)
async def test_a_refusal_says_what_why_what_next_and_an_id(
    tab: Open,
    monkeypatch: pytest.MonkeyPatch,
    refusal: errors.Refusal,
    status: int,
    what: str,
    next_step: str,
) -> None:
    ann = await tab("ann")

    async def refused(*_given: object) -> UUID:
        raise refusal

    monkeypatch.setattr(bars, "left_of", refused)
    page = await ann.get("/a/acme")
    assert page.status_code == status
    assert f"<h1>{what}</h1>" in page.text
    assert f"<p>{escape(refusal.detail)}</p>" in page.text
    assert next_step in page.text
    assert page.headers["x-request-id"] in page.text


@pytest.mark.usefixtures("addresses")
async def test_what_fails_unforeseen_says_so_with_an_id_on_a_page_and_within_one(
    tab: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = await tab("ann")

    async def broken(*_given: object) -> UUID:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(bars, "left_of", broken)
    monkeypatch.setattr(portal.left, "left_of", broken)
    page = await ann.get("/a/acme")
    assert page.status_code == 500
    assert "Something went wrong" in page.text
    part = await ann.part("/a/acme/left")
    assert part.status_code == 500
    assert 'hx-target="#toasts"' in part.text
    for answer in (page, part):
        assert answer.headers["x-request-id"] in answer.text
        assert "secret detail" not in answer.text
