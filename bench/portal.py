"""The portal: its page of 50 among 10,000 members beside the same template with ready-made data, and what a first load weighs.

Both pages are served by one process behind the same middleware and session look-up, and are asked in turns
over the same connections; the ready-made one runs no statement but the session's.
"""

import asyncio
import re
import socket
import statistics
import threading
import time
from collections.abc import Callable
from http.client import HTTPConnection
from typing import Any

import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.logs import set_up_logs
from app.main import create_app
from app.resolvers import accounts
from app.settings import Settings
from app.web.pages import render
from app.web.portal import members
from app.web.portal.bars import frame_of
from app.web.portal.frame import room_of
from app.web.viewers import visit_of
from bench.figures import Figure, at_least, at_most
from bench.ground import databases
from bench.members import fill, listening, served, settings_for

ROUNDS = 15
REQUESTS = 40
CONNECTIONS = 4
SHARE = 0.3
FIRST_LOAD_KB = 100
PATH = "/a/bench/management/members"


def serve(settings: Settings, port: socket.socket) -> None:
    """Serve the service, and beside it the same page with ready-made data at /ready/{slug}."""
    set_up_logs(settings)
    app = create_app(settings)
    kept: dict[str, Any] = {}

    async def ready(request: Request) -> Response:
        visit = await visit_of(request)
        if not kept:
            room = await room_of(request, members.KEY)
            seats = await accounts.list_accounts(visit.viewer)
            frame = await frame_of(room.viewer, seats, room.seat, room.key)
            kept.update(page=await members.list_page(room), room=room, frame=frame)
        context = {"room": kept["room"], "frame": kept["frame"]}
        return render(request, kept["page"], context=context)

    app.router.routes.append(Route("/ready/{slug}", ready))
    config = uvicorn.Config(app, log_config=None, access_log=False, proxy_headers=False)
    uvicorn.Server(config).run(sockets=[port])


class Visitor:
    """A browser's connections, with the session's cookie."""

    def __init__(self, port: int, secret: str) -> None:
        self._headers = {
            "Accept": "text/html",
            "Accept-Encoding": "gzip",
            "Cookie": f"session={secret}; account=bench",
        }
        self._connections = [
            HTTPConnection("127.0.0.1", port, timeout=60) for _ in range(CONNECTIONS)
        ]

    def get(self, path: str, *, plain: bool = False, number: int = 0) -> bytes:
        """Ask once; the bytes that came over the line."""
        encoding = {"Accept-Encoding": "identity"} if plain else {}
        connection = self._connections[number]
        connection.request("GET", path, headers={**self._headers, **encoding})
        response = connection.getresponse()
        body = response.read()
        if response.status != 200:
            raise RuntimeError(f"{path}: {response.status}")
        return body

    def rate(self, path: str) -> float:
        """Ask `REQUESTS` times over all connections: answers a second."""

        def work(number: int) -> None:
            for _ in range(REQUESTS // CONNECTIONS):
                self.get(path, number=number)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(CONNECTIONS)]
        start = time.perf_counter()
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        return REQUESTS / (time.perf_counter() - start)

    def first_load(self, path: str) -> float:
        """Weigh a page with all that it asks for, in kB."""
        html = self.get(path, plain=True).decode()
        assets = set(re.findall(r'(?:src|href)="([^"#]*/(?:static|avatars)/[^"#]+)', html))
        own = {one[one.index("/", 8) :] if one.startswith("http") else one for one in assets}
        return sum(len(self.get(one)) for one in (path, *own)) / 1000


def measure(visitor: Visitor) -> tuple[float, float]:
    """Measure the page beside the ready-made one, in turns: the median share, and rate."""
    asked: list[Callable[[], float]] = [
        lambda: visitor.rate("/ready/bench"),
        lambda: visitor.rate(PATH),
    ]
    for rate in asked:
        rate()  # warms up
    pairs = [(asked[0](), asked[1]()) for _ in range(ROUNDS)]
    share = statistics.median(page / ready for ready, page in pairs)
    return share, statistics.median(page for _ready, page in pairs)


def run(kinds: tuple[str, ...]) -> list[Figure]:
    """Measure on each kind of database."""
    figures = []
    with databases(kinds) as urls:
        for kind, url in urls.items():
            port = listening()
            settings = settings_for(url, port)
            secret = asyncio.run(fill(settings))
            with served(settings, port, serve):
                visitor = Visitor(port.getsockname()[1], secret)
                share, rate = measure(visitor)
                html = visitor.get("/a/bench", plain=True).decode()
                side = html.partition('<nav class="side"')[2].partition("</nav>")[0]
                pages = sorted(set(re.findall(r'href="(/a/[^"#]+)"', side)))
                loads = {path: visitor.first_load(path) for path in pages}
            heaviest = max(loads, key=lambda path: loads[path])
            said = f"{rate:.0f} answers a second"
            figures += [
                at_least(f"{kind}: members page, of ready-made data's rate", share, SHARE, said),
                at_most(
                    f"{kind}: heaviest first load, kB", loads[heaviest], FIRST_LOAD_KB, heaviest
                ),
            ]
    return figures
