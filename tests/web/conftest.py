"""Fixtures: the service as it is served, and browsers that visit it."""

import shutil
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx2
import pytest
import uvicorn
from pydantic import SecretStr

from app.background import Background
from app.main import create_app
from app.settings import Settings
from app.web.http import BoundedHttp
from tests.scene import Scene

SECRET = SecretStr("a secret key for tests, and for tests alone")
BASE = "http://127.0.0.1:8000"


class Server(uvicorn.Server):
    """A server in a thread, which leaves the process' signals alone."""

    def __init__(self, settings: Settings, port: socket.socket) -> None:
        config = uvicorn.Config(
            create_app(settings),
            http=BoundedHttp,
            log_config=None,
            access_log=False,
            proxy_headers=False,
            timeout_graceful_shutdown=5,
        )
        super().__init__(config)
        self.started_up = threading.Event()
        self._thread = threading.Thread(target=self.run, kwargs={"sockets": [port]})

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets=sockets)
        self.started_up.set()

    def open(self) -> None:
        """Serve until `close`."""
        self._thread.start()
        assert self.started_up.wait(30), "the service did not start"

    def close(self) -> None:
        """Stop, with everything that it opened."""
        self.should_exit = True
        self._thread.join(30)
        assert not self._thread.is_alive()


def free_port(number: int = 0) -> socket.socket:
    """Take a port of loopback, any free one where none is named, and keep it."""
    # Named as TCP, asyncio sends each part of an answer at once: 40 ms an answer less.
    one = socket.socket(proto=socket.IPPROTO_TCP)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.bind(("127.0.0.1", number))
    return one


@contextmanager
def served(database_url: str, number: int = 0, **given: Any) -> Iterator[Settings]:
    """Serve the service for a while, at an address of its own unless a port is named."""
    port = free_port(number)
    base_url = f"http://127.0.0.1:{port.getsockname()[1]}"
    settings = Settings(
        _env_file=None, database_url=database_url, secret_key=SECRET, base_url=base_url, **given
    )
    server = Server(settings, port)
    server.open()
    try:
        yield settings
    finally:
        server.close()
        port.close()


class Forms(HTMLParser):
    """The forms of a page: action, method, and fields with their values."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[dict[str, Any]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Gather forms and their fields."""
        values = dict(attrs)
        if tag == "form":
            method = (values.get("method") or "get").upper()
            self.found.append({"action": values.get("action"), "method": method, "fields": {}})
        elif values.get("type") in ("checkbox", "radio") and "checked" not in values:
            return  # A browser sends no box that is not ticked, and no choice that is not made.
        elif tag == "input" and self.found and values.get("name"):
            self.found[-1]["fields"][values["name"]] = values.get("value") or ""


class Browser(httpx2.Client):
    """A browser: keeps cookies, follows redirects, sends forms as a browser does."""

    def __init__(self, settings: Settings, **given: Any) -> None:
        super().__init__(
            base_url=settings.base_url,
            headers={"Accept": "text/html,*/*;q=0.8"},
            follow_redirects=True,
            timeout=30,
            **given,
        )
        self.settings = settings

    def submit(
        self, page: httpx2.Response, action: str | None = None, **fields: str
    ) -> httpx2.Response:
        """Send a form of a page: the one whose action ends so, or the first with these fields."""
        forms = Forms(page.text).found
        form = next(
            one
            for one in forms
            if (
                (one["action"] or "").endswith(action)
                if action is not None
                else set(fields) <= set(one["fields"])
            )
        )
        url = urljoin(str(page.url), form["action"] or str(page.url))
        return self.request(
            form["method"],
            url,
            data={**form["fields"], **fields},
            headers={"Sec-Fetch-Site": "same-origin"},
        )

    def sign_in(self, email: str, name: str = "", path: str = "/sign-in") -> httpx2.Response:
        """Sign in at the sandbox's issuer, and arrive."""
        return self.submit(self.get(path), email=email, **({"name": name} if name else {}))

    @property
    def session(self) -> str | None:
        """The session's cookie."""
        return self.cookies.get("session")


@pytest.fixture
def site(database_url: str) -> Iterator[Settings]:
    """Serve the service on this test's database."""
    with served(database_url) as settings:
        yield settings


@pytest.fixture
def browser(site: Settings) -> Iterator[Browser]:
    """Open a browser."""
    with Browser(site) as one:
        yield one


@pytest.fixture
def other_browser(site: Settings) -> Iterator[Browser]:
    """Open the browser of somebody else."""
    with Browser(site) as one:
        yield one


Edge = Callable[..., Any]


@pytest.fixture
async def edge(sqlite_template: Path, tmp_path: Path) -> AsyncIterator[Edge]:
    """Make clients of a service in this process, for what depends on no database."""
    from contextlib import AsyncExitStack  # noqa: PLC0415

    path = tmp_path / "edge.sqlite3"
    shutil.copy(sqlite_template, path)
    async with AsyncExitStack() as opened:

        async def client(
            peer: str = "127.0.0.1", app: Any = None, **given: Any
        ) -> httpx2.AsyncClient:
            settings = Settings(
                _env_file=None,
                **{"database_url": f"sqlite:///{path}", "secret_key": SECRET, "base_url": BASE}
                | given,
            )
            made = app or create_app(settings)
            if app is None:
                await opened.enter_async_context(made.router.lifespan_context(made))
            transport = httpx2.ASGITransport(
                app=made, client=(peer, 50_000), raise_app_exceptions=False
            )
            one = httpx2.AsyncClient(transport=transport, base_url=settings.base_url)
            return await opened.enter_async_context(one)

        yield client


@pytest.fixture
async def tab(
    settings: Settings, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Callable[..., Any]]:
    """Give what opens a tab, for a person of the scene by name, or for nobody.

    The service does nothing by itself meanwhile, so that every statement is a page's.
    """
    from contextlib import AsyncExitStack  # noqa: PLC0415

    from tests.web.portal import Tab  # noqa: PLC0415

    monkeypatch.setattr(Background, "start", lambda _background: None)
    app = create_app(settings)
    async with AsyncExitStack() as opened:
        await opened.enter_async_context(app.router.lifespan_context(app))

        async def open_tab(name: str = "", **given: Any) -> Tab:
            transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
            client = httpx2.AsyncClient(
                transport=transport,
                base_url=settings.base_url,
                headers={"Accept": "text/html"},
                follow_redirects=True,
            )
            if name:
                client.cookies.set("session", await scene.secret(name, **given))
            return Tab(await opened.enter_async_context(client), app)

        yield open_tab
