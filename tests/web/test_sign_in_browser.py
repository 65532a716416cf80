"""Signing in with a real browser, the identity provider being on another origin, as it is in production.

Browsers apply our `form-action` to every redirect after a form; on one origin nobody would notice.
"""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from app.credentials import invitation_token
from app.resolvers import invitations
from app.sandbox.identity import Issuer
from app.settings import Settings
from tests.integrations.serving import listening, serving
from tests.scene import Scene
from tests.web.chromium import Visitor, chromium
from tests.web.conftest import served

ISSUER = "/sandbox/identity"


@pytest.fixture
def portal(database_url: str) -> Iterator[Settings]:
    """Serve the portal on 127.0.0.1, and an issuer on localhost: another site, too."""
    port = listening()
    url = f"http://localhost:{port.getsockname()[1]}{ISSUER}"
    with served(database_url, oidc_issuer=url) as settings:
        issuer = Issuer(settings, url)
        with serving(Starlette(routes=[Mount(ISSUER, routes=issuer.routes())]), port):
            yield settings


@pytest.fixture
async def visitor() -> AsyncIterator[Visitor]:
    """Open a browser."""
    async with chromium() as one:
        yield one


async def sign_in(visitor: Visitor, settings: Settings, email: str) -> None:
    """Fill in the issuer's page, wherever it is."""
    page = visitor.page
    await page.wait_for_url(f"{settings.oidc_issuer}/authorize?**")
    await page.get_by_label("E-mail").fill(email)
    await page.get_by_role("button", name="Sign in", exact=True).click()


async def invitation(scene: Scene, settings: Settings) -> str:
    """Invite somebody; the path of their letter's link."""
    owner = await scene.person("olga")
    account = await scene.organization(owner, "Acme")
    (outcome,) = await invitations.invite_members(owner, account, ["new@example.com"])
    assert outcome.invitation_id is not None
    key = settings.secret_key.get_secret_value()
    return f"/invitations/{invitation_token(key, outcome.invitation_id, 1)}"


async def test_a_link_leads_through_the_issuer_and_back(visitor: Visitor, portal: Settings) -> None:
    page = visitor.page
    await page.goto(portal.base_url)
    await page.get_by_role("main").get_by_role("link", name="Sign in").click()
    await sign_in(visitor, portal, "ann@example.com")
    await page.wait_for_url(f"{portal.base_url}/a/*")
    await page.get_by_label("theme and sign-out").click()
    await page.get_by_text("ann@example.com").wait_for()
    (session,) = [
        one for one in await page.context.cookies(portal.base_url) if one["name"] == "session"
    ]
    assert (session["httpOnly"], session["sameSite"]) == (True, "Lax")
    assert visitor.complaints == []


async def test_a_form_leads_through_the_issuer_and_back(
    visitor: Visitor, portal: Settings, scene: Scene
) -> None:
    """Signed in as somebody else, the invited sign out and in by one button: a form, then redirects."""
    path = await invitation(scene, portal)
    page = visitor.page
    await page.goto(f"{portal.base_url}/sign-in")
    await sign_in(visitor, portal, "somebody@example.com")
    await page.wait_for_url(f"{portal.base_url}/a/*")
    await page.goto(portal.base_url + path)
    await page.get_by_role("button", name="Sign in as someone else").click()
    await sign_in(visitor, portal, "new@example.com")
    await page.wait_for_url(portal.base_url + path)
    await page.get_by_role("button", name="Accept").click()
    await page.get_by_text("Acme").first.wait_for()
    assert visitor.complaints == []


async def test_without_the_issuer_in_the_policy_the_browser_would_stop_there(
    portal: Settings, scene: Scene
) -> None:
    """Show that the test before this one bites: the same form, with the policy that forgets the issuer."""
    path = await invitation(scene, portal)

    async def forgetful(route: object) -> None:
        answer = await route.fetch()
        policy = answer.headers["content-security-policy"]
        origin = portal.oidc_issuer.removesuffix(ISSUER)
        assert f"form-action 'self' {origin};" in policy
        headers = {**answer.headers, "content-security-policy": policy.replace(origin, "")}
        await route.fulfill(response=answer, headers=headers)

    # What a service worker fetches passes by no route of Playwright's.
    async with chromium(service_workers="block") as visitor:
        page = visitor.page
        await page.goto(f"{portal.base_url}/sign-in")
        await sign_in(visitor, portal, "somebody@example.com")
        await page.wait_for_url(f"{portal.base_url}/a/*")
        await page.route(portal.base_url + path, forgetful)
        await page.goto(portal.base_url + path)
        async with page.expect_event("console", lambda message: "form-action" in message.text):
            await page.get_by_role("button", name="Sign in as someone else").click()
        assert any("form-action" in one for one in visitor.complaints)
        assert "authorize" not in page.url


async def test_ending_the_sign_in_leads_to_a_page_that_offers_it_again(
    visitor: Visitor, portal: Settings
) -> None:
    page = visitor.page
    await page.goto(f"{portal.base_url}/sign-in?return_to=/graphql")
    await page.get_by_role("button", name="Cancel").click()
    await page.get_by_text("You ended the sign-in at the identity provider.").wait_for()
    await page.get_by_role("link", name="Sign in again").click()
    await sign_in(visitor, portal, "ann@example.com")
    await page.wait_for_url(f"{portal.base_url}/graphql")


@pytest.mark.parametrize(
    "look",
    [
        {"viewport": {"width": 320, "height": 640}},
        {"viewport": {"width": 1280, "height": 800}, "color_scheme": "dark"},
    ],
    ids=["narrow", "dark"],
)
async def test_the_sandboxs_pages_fit_every_screen(
    portal: Settings, look: dict, tmp_path: Path
) -> None:
    async with chromium(**look) as visitor:
        page = visitor.page
        for path in ("/sign-in", "/sandbox/mail"):
            await page.goto(portal.base_url + path)
            await page.screenshot(path=tmp_path / f"{path.split('/')[-1]}.png", full_page=True)
            wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
            assert await page.evaluate(wide) is False, f"{path} is wider than the screen"
        assert visitor.complaints == []
