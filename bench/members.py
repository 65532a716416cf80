"""The page of members: 50 of 10,000, beside a bare Strawberry field that gives 50 ready-made objects.

Both are served by one process behind the same middleware, session look-up and document cache, and are
asked in turns over the same connections; the bare field's objects have four attributes and no statement
behind them, and go through plain graphql-core.
"""

import asyncio
import json
import multiprocessing
import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import Any

import strawberry
import uvicorn
from pydantic import SecretStr
from starlette.routing import Route

from app.database import Database
from app.logs import set_up_logs
from app.main import create_app
from app.schema import Schema
from app.schema.documents import Documents, kept_documents
from app.settings import Settings
from app.web.graphql import GraphQL
from app.web.viewers import viewer_of
from bench.figures import Figure, at_least
from bench.ground import databases, organization_of

ROUNDS = 25
REQUESTS = 60
CONNECTIONS = 4
PAGE = 50
SHARE = 0.5
"""Of the bare field's rate."""
FIELDS = "edges { node { id role quota user { name email } } } pageInfo { hasNextPage endCursor }"
MEMBERS = f"""query Members($search: String, $after: String) {{
  organization(slug: "bench") {{ members(first: {PAGE}, search: $search, after: $after) {{ {FIELDS} }} }}
}}"""
BARE = "{ members { name email role quota } }"


@strawberry.type
class BareMember:
    """A ready-made object."""

    name: str
    email: str
    role: str
    quota: str


READY = [BareMember(name=f"Ada Abel {n}", email=f"{n}@bench.example", role="MEMBER", quota="-1") for n in range(PAGE)]  # fmt: skip


@strawberry.type
class BareQuery:
    """What Strawberry can do at best."""

    @strawberry.field
    def members(self) -> list[BareMember]:
        """Give what is there."""
        return READY


def serve(settings: Settings, port: socket.socket) -> None:
    """Serve the service, and beside it the bare field at /bare."""
    set_up_logs(settings)
    app = create_app(settings)
    bare = Schema(query=BareQuery, extensions=[kept_documents(Documents(settings))])
    endpoint = GraphQL(bare, settings, viewer_of)

    async def bare_graphql(request: Any) -> Any:
        return await endpoint(request)

    app.router.routes.append(Route("/bare", bare_graphql, methods=["POST"]))
    config = uvicorn.Config(app, log_config=None, access_log=False, proxy_headers=False)
    uvicorn.Server(config).run(sockets=[port])


@contextmanager
def served(
    settings: Settings,
    port: socket.socket,
    serve: Callable[[Settings, socket.socket], None] = serve,
) -> Iterator[None]:
    """Serve in a process of its own, so that asking takes nothing from answering."""
    process = multiprocessing.get_context("fork").Process(target=serve, args=(settings, port))
    process.start()
    try:
        yield
    finally:
        process.terminate()
        process.join(20)


class Client:
    """Connections that ask as a browser of the same origin does, with the session's cookie."""

    def __init__(self, port: int, secret: str) -> None:
        self._headers = {
            "Content-Type": "application/json",
            "Cookie": f"session={secret}",
            "Sec-Fetch-Site": "same-origin",
        }
        self._connections = [
            HTTPConnection("127.0.0.1", port, timeout=60) for _ in range(CONNECTIONS)
        ]

    def ask(self, path: str, query: str, **variables: Any) -> Any:
        """Ask once; the data."""
        return self._ask(self._connections[0], path, query, variables)

    def _ask(self, connection: HTTPConnection, path: str, query: str, variables: Any) -> Any:
        connection.request(
            "POST", path, json.dumps({"query": query, "variables": variables}), self._headers
        )
        response = connection.getresponse()
        answer = json.loads(response.read())
        if response.status != 200 or "errors" in answer:
            raise RuntimeError(f"{response.status}: {answer}")
        return answer["data"]

    def rate(self, path: str, query: str, **variables: Any) -> float:
        """Ask `REQUESTS` times over all connections: answers a second."""
        share = REQUESTS // CONNECTIONS

        def work(connection: HTTPConnection) -> None:
            for _ in range(share):
                self._ask(connection, path, query, variables)

        threads = [threading.Thread(target=work, args=(one,)) for one in self._connections]
        start = time.perf_counter()
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        return share * CONNECTIONS / (time.perf_counter() - start)


def cursor_before_page(client: Client, number: int) -> str:
    """Walk to the end of the page before this one."""
    after = None
    for _ in range(number - 1):
        page = client.ask("/graphql", MEMBERS, after=after)["organization"]["members"]
        after = page["pageInfo"]["endCursor"]
    if after is None:
        raise RuntimeError("no page before this one")
    return str(after)


def measure(client: Client) -> dict[str, tuple[float, float]]:
    """Measure each beside its measure, in turns, so that a busy machine slows both: the median share, and rate."""
    last = cursor_before_page(client, 200)
    asked: dict[str, Callable[[], float]] = {
        "bare": lambda: client.rate("/bare", BARE),
        "page": lambda: client.rate("/graphql", MEMBERS),
        "search": lambda: client.rate("/graphql", MEMBERS, search="Curie"),
        "rare": lambda: client.rate("/graphql", MEMBERS, search="hedy.eze.4747"),
        "200th": lambda: client.rate("/graphql", MEMBERS, after=last),
    }
    for rate in asked.values():
        rate()  # warms up
    found = {}
    for name, beside in (("page", "bare"), ("search", "bare"), ("rare", "bare"), ("200th", "page")):
        pairs = [(asked[beside](), asked[name]()) for _ in range(ROUNDS)]
        share = statistics.median(one / other for other, one in pairs)
        found[name] = share, statistics.median(one for _other, one in pairs)
    return found


def run(kinds: tuple[str, ...]) -> list[Figure]:
    """Measure on each kind of database."""
    figures = []
    with databases(kinds) as urls:
        for kind, url in urls.items():
            port = listening()
            settings = settings_for(url, port)
            secret = asyncio.run(fill(settings))
            with served(settings, port):
                found = measure(Client(port.getsockname()[1], secret))
            figures += _figures(kind, found)
    return figures


def listening() -> socket.socket:
    """Take a free port; whoever connects before the service has started waits."""
    # Named as TCP, asyncio sends each part of an answer at once.
    port = socket.socket(proto=socket.IPPROTO_TCP)
    port.bind(("127.0.0.1", 0))
    port.listen(16)
    return port


def settings_for(url: str, port: socket.socket) -> Settings:
    """Make the settings of a service that is measured."""
    return Settings(
        _env_file=None,
        database_url=url,
        secret_key=SecretStr("a secret key for measurements alone"),
        base_url=f"http://127.0.0.1:{port.getsockname()[1]}",
        rate_limit_user=100_000,
        rate_limit_address=1_000_000,
        log_level="warning",
    )


async def fill(settings: Settings) -> str:
    """Make the organization that is looked at; its Owner's session secret."""
    database = Database(settings.database_url)
    try:
        secret, _account_id = await organization_of(database, settings)
    finally:
        await database.dispose()
    return secret


def _figures(kind: str, found: dict[str, tuple[float, float]]) -> list[Figure]:
    said = {name: f"{rate:.0f} answers a second" for name, (_share, rate) in found.items()}
    names = {"page": "members page", "search": "search that finds 1,000", "rare": "search for one"}
    figures = [
        at_least(f"{kind}: {text}, of a bare field's rate", found[name][0], SHARE, said[name])
        for name, text in names.items()
    ]
    # A twentieth is what two runs of the same page differ by.
    later = at_least(
        f"{kind}: 200th page, of the first one's rate", found["200th"][0], 0.95, said["200th"]
    )
    return [*figures, later]
