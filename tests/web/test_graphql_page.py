"""GraphiQL: in a real browser, under our policy, from our own files."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Page, sync_playwright
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

from app.database import Database
from app.schema import build_schema
from app.seats import Viewer
from app.settings import Settings
from app.web import graphql
from app.web.guards import SameSite
from app.web.headers import SecurityHeaders
from app.web.requests import Requests
from app.web.static import static_file
from tests.scene import Scene

CHROMIUM = "/usr/bin/chromium"


class Site:
    """The window as it is served, for someone who is signed in, or for nobody."""

    def __init__(self, settings: Settings, viewer: Viewer) -> None:
        self.settings = settings
        self.viewer = viewer
        self.started = threading.Event()

    async def viewer_of(self, _request: Request) -> Viewer:
        """Make the viewer of a request, in this server's own loop."""
        database = self.database
        return Viewer(database, self.settings, self.viewer.user, self.viewer.signed_in_at)

    def app(self) -> Any:
        """Dress the window as the service does."""
        routes = graphql.routes(build_schema(self.settings), self.settings, self.viewer_of)
        static = Route("/static/{digest}/{name:path}", static_file)
        inner = SameSite(Starlette(routes=[*routes, static]), self.settings)
        return Requests(SecurityHeaders(inner, self.settings), self.settings)

    @contextmanager
    def served(self) -> Iterator[str]:
        """Serve it from a thread; its address."""
        config = uvicorn.Config(self.app(), port=0, log_config=None, lifespan="off")
        server = uvicorn.Server(config)

        async def serve() -> None:
            self.database = Database(self.settings.database_url)
            serving = asyncio.ensure_future(server.serve())
            while not server.started:  # noqa: ASYNC110 - uvicorn offers nothing to wait on
                await asyncio.sleep(0)
            self.started.set()
            await serving
            await self.database.dispose()

        thread = threading.Thread(target=lambda: asyncio.run(serve()))
        thread.start()
        assert self.started.wait(30)
        port = server.servers[0].sockets[0].getsockname()[1]
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            thread.join(30)


@contextmanager
def chromium() -> Iterator[tuple[Page, list[str]]]:
    """Open a page; what its console complains of."""
    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.on("console", lambda one: complaints.append(one.text) if one.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("requestfailed", lambda one: complaints.append(f"failed: {one.url}"))
        yield page, complaints
        browser.close()


def _look(address: str, picture: Path) -> tuple[str, list[str], set[str]]:
    with chromium() as (page, complaints):
        asked: set[str] = set()
        page.on("request", lambda one: asked.add(one.url.split("/")[2]))
        page.goto(f"{address}/graphql")
        page.wait_for_selector(".graphiql-query-editor .CodeMirror-code")
        page.click(".graphiql-query-editor .CodeMirror-line >> nth=2")
        with page.expect_response("**/graphql"):
            page.keyboard.press("Control+Enter")
        page.wait_for_selector(".result-window .CodeMirror-code :text('viewerRole')")
        text = page.inner_text(".result-window")
        page.wait_for_selector("button[aria-label='Show Documentation Explorer']")
        page.click("button[aria-label='Show Documentation Explorer']")
        page.wait_for_selector(".graphiql-doc-explorer :text('Query')")
        page.screenshot(path=picture)
        return text, complaints, asked


@pytest.fixture
def backend() -> str:
    """Take one database: nothing here depends on which."""
    return "sqlite"


async def test_graphiql_runs_a_query_under_our_policy_without_a_complaint(
    scene: Scene, settings: Settings, tmp_path: Path
) -> None:
    olga = await scene.person("olga")
    await scene.organization(olga, "Acme")
    with Site(settings, olga).served() as address:
        text, complaints, asked = await asyncio.to_thread(_look, address, tmp_path / "graphiql.png")
    assert "olga@example.com" in text
    assert "acme" in text
    assert complaints == []
    assert asked == {address.removeprefix("http://")}


async def test_the_signed_out_are_led_to_sign_in_and_back(scene: Scene, settings: Settings) -> None:
    import httpx2  # noqa: PLC0415

    site = Site(settings, scene.signed_out())
    site.database = scene.database
    transport = httpx2.ASGITransport(app=site.app())
    async with httpx2.AsyncClient(transport=transport, base_url=settings.base_url) as client:
        response = await client.get("/graphql", headers={"accept": "text/html"})
    assert response.status_code == 303
    assert response.headers["location"] == "/sign-in?return_to=%2Fgraphql"


async def test_another_sites_page_cannot_ask_with_the_cookie(
    scene: Scene, settings: Settings
) -> None:
    import httpx2  # noqa: PLC0415

    from app.web.guards import CrossSite  # noqa: PLC0415

    olga = await scene.person("olga")
    site = Site(settings, olga)
    site.database = scene.database
    transport = httpx2.ASGITransport(app=site.app())
    change = {"query": 'mutation { createOrganization(name: "Evil") { id } }'}
    before = await scene.snapshot()
    async with httpx2.AsyncClient(transport=transport, base_url=settings.base_url) as client:
        for headers in (
            {},
            {"origin": "https://evil.example.com"},
            {"sec-fetch-site": "cross-site"},
        ):
            with pytest.raises(CrossSite):
                await client.post("/graphql", json=change, headers=headers)
        assert await scene.snapshot() == before
        own = {"sec-fetch-site": "same-origin"}
        assert (await client.post("/graphql", json=change, headers=own)).status_code == 200
