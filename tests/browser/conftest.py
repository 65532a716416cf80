"""Fixtures: one service and one Chromium for all tests here, and people's windows, which forgive nothing."""

import asyncio
import shutil
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    expect,
    sync_playwright,
)

from app.database import Database
from app.settings import Settings
from tests.scene import Scene
from tests.web.chromium import ARGUMENTS, WATCH, chromium_path
from tests.web.conftest import served

T = TypeVar("T")
NARROW = {"width": 320, "height": 640}
# How long what is expected may take on a machine that is busy with other things; what is there is never waited for.
PATIENCE_MS = 30_000
# Matters of taste that axe calls best practice, not WCAG: one place for each message.
AXE_SCRIPT = (Path(__file__).parent / "axe" / "axe.min.js").read_text()
AXE = {
    "resultTypes": ["violations"],
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
}


class Backstage:
    """Calls verbs beside the service, from a thread of its own: Playwright keeps this one's loop."""

    def __init__(self, settings: Settings) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.settings = settings
        self.scene = Scene(self.run(self._open()), settings)

    async def _open(self) -> Database:
        return Database(self.settings.database_url)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def close(self) -> None:
        """Stop."""
        self.run(self.scene.database.dispose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class Window:
    """A person's window: what its console, its policy and its requests complain of fails the test."""

    def __init__(self, context: BrowserContext, settings: Settings) -> None:
        self.context = context
        self.base = settings.base_url
        self.expected: list[str] = []
        self.complaints: list[str] = []
        self.asked: list[str] = []
        context.add_init_script(WATCH)
        self.page: Page = context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._check_origin)

    def go(self, path: str) -> Page:
        """Open a page of the service."""
        self.page.goto(self.base + path)
        return self.page

    def _note(self, message: ConsoleMessage) -> None:
        told = message.type in {"error", "warning"}
        if told and not any(one in message.text for one in self.expected):
            self.complaints.append(f"{message.text} at {self.page.url}")

    def _check_origin(self, request: Any) -> None:
        self.asked.append(request.url)
        parts = urlsplit(request.url)
        if parts.scheme != "data" and f"{parts.scheme}://{parts.netloc}" != self.base:
            self.complaints.append(f"foreign request: {request.url}")

    def is_wide(self) -> int:
        """Tell by how many pixels the page is wider than the window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - innerWidth"))

    def violations(self) -> list[str]:
        """Ask axe what is wrong with the page as it stands."""
        # Through the debugger's door, which the content policy does not close.
        self.page.evaluate(AXE_SCRIPT)
        found = self.page.evaluate("(options) => axe.run(document, options)", AXE)
        return [
            f"{one['id']}: {[node['html'][:160] for node in one['nodes'][:3]]}"
            for one in found["violations"]
        ]


@pytest.fixture(scope="package")
def service(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Serve the service for all tests here."""
    path = tmp_path_factory.mktemp("browser") / "r9s.sqlite3"
    shutil.copy(sqlite_template, path)
    with served(f"sqlite:///{path}") as settings:
        yield settings


@pytest.fixture(scope="package")
def backstage(service: Settings) -> Iterator[Backstage]:
    """Reach the same database by the verbs."""
    one = Backstage(service)
    yield one
    one.close()


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """Open the browser."""
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def window(
    chromium: Browser, service: Settings, backstage: Backstage
) -> Iterator[Callable[..., Window]]:
    """Give what opens a window: for a person of the scene by name, or for nobody."""
    opened: list[Window] = []

    def open_window(name: str = "", **given: Any) -> Window:
        context = chromium.new_context(**given)
        if name:
            secret = backstage.run(backstage.scene.secret(name))
            context.add_cookies([{"name": "session", "value": secret, "url": service.base_url}])
        opened.append(Window(context, service))
        return opened[-1]

    yield open_window
    for one in opened:
        one.context.close()
    complaints = [complaint for one in opened for complaint in one.complaints]
    assert complaints == []
