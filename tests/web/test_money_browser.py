"""Buying credits with a real browser, Stripe's Checkout being on another origin, as it is in production."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from app.ledger.verification import verify
from app.sandbox.stripe import StripeStandIn
from app.settings import Settings
from tests.integrations.serving import listening, serving
from tests.scene import Scene
from tests.web.chromium import chromium
from tests.web.conftest import served

STRIPE = "/sandbox/stripe"


@pytest.fixture
def portal(database_url: str) -> Iterator[Settings]:
    """Serve the portal on 127.0.0.1, and Stripe on localhost: another site, too."""
    port = listening()
    url = f"http://localhost:{port.getsockname()[1]}{STRIPE}"
    with served(database_url, stripe_api_base=url) as settings:
        stand_in = StripeStandIn(settings, url)

        @asynccontextmanager
        async def delivering(_app: Starlette) -> AsyncIterator[None]:
            stand_in.start()
            yield
            await stand_in.stop()

        routes = [Mount(STRIPE, routes=stand_in.routes())]
        with serving(Starlette(routes=routes, lifespan=delivering), port):
            yield settings


async def test_a_card_payment_ends_in_a_raised_balance_and_an_invoice(
    portal: Settings, scene: Scene
) -> None:
    async with chromium(viewport={"width": 1280, "height": 1000}) as visitor:
        page = visitor.page
        await page.goto(f"{portal.base_url}/sign-in")
        await page.get_by_label("E-mail").fill("ann@example.com")
        await page.get_by_role("button", name="Sign in", exact=True).click()
        await page.wait_for_url(f"{portal.base_url}/a/*")
        await page.get_by_role("navigation").get_by_role("link", name="Credits").click()
        await page.get_by_role("button", name="50 50.00 USD").click()
        await page.wait_for_url("http://localhost:*/**")
        await page.get_by_role("button", name="Pay").click()
        await page.wait_for_url(f"{portal.base_url}/a/*/credits?top_up=*")
        await page.get_by_text("50 credits are paid and added to your balance.").wait_for()
        await page.get_by_text("Top-up, 50.00 USD paid").wait_for()
        await page.set_viewport_size({"width": 320, "height": 640})
        wide = "document.documentElement.scrollWidth - innerWidth"
        assert await page.evaluate(wide) <= 0
        await page.get_by_label("Below how many credits").fill("10, 20")
        await page.get_by_role("button", name="Save").click()
        await page.get_by_text("to ann@example.com").first.wait_for()
        await page.get_by_role("navigation").get_by_role("link", name="Billing").click()
        await page.get_by_role("cell", name="50.00 USD").wait_for()
        await page.get_by_role("button", name="Change at Stripe").click()
        await page.wait_for_url("http://localhost:*/**")
        assert visitor.complaints == []
    assert (await verify(scene.database)).wrong is None
