"""The finance window over a million records: balance, a month's report, exports, and `r9s verify`.

Balance and report are asked in turns with routes of the same server, behind the same middleware, which
look for no key: one SELECT by an index, and the best statement on the day rollup, each answered as JSON.
Exports are compared with the database's own program, which writes the same columns to a file that is
thrown away.
"""

import asyncio
import json
import multiprocessing
import os
import shutil
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import date, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from uuid import UUID

import uvicorn
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.engine import make_url
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.database import Database
from app.logs import set_up_logs
from app.main import create_app
from app.resolvers import management_keys, sessions
from app.seats import Viewer
from app.settings import Settings
from bench.books import YEAR, year_of_usage
from bench.figures import Figure, at_least, at_most
from bench.ground import databases
from bench.members import listening, served

RECORDS = int(os.environ.get("BENCH_RECORDS", "1000000"))
ROUNDS, REQUESTS, CONNECTIONS = 5, 200, 4
MEBIBYTE = 1024 * 1024
SHARE_OF_COPY = {"sqlite": 0.3, "postgresql": 0.8}
COLUMNS = """r.id, r.event_id, r.occurred_at, r.recorded_at, r.corrects, r.model, r.member_id, u.email, u.name,
 r.api_key_id, k.name AS key_name, r.tag, r.prompt_tokens, r.cached_tokens, r.cache_write_tokens,
 r.completion_tokens, r.reasoning_tokens, r.cost_micro"""
RECORDS_SQL = f"""SELECT {COLUMNS} FROM usage_records r LEFT JOIN members m ON m.id = r.member_id
 LEFT JOIN users u ON u.id = m.user_id LEFT JOIN api_keys k ON k.id = r.api_key_id
 WHERE r.account_id = '%s' ORDER BY r.sequence"""  # noqa: S608 - our own names
WALLET = text("SELECT balance_micro, held_micro FROM wallets WHERE account_id = :account")
REPORT = text(
    """SELECT day, model, sum(requests), sum(prompt_tokens), sum(cached_tokens), sum(cache_write_tokens),
 sum(completion_tokens), sum(reasoning_tokens), sum(cost_micro) FROM usage_days
 WHERE account_id = :account AND day >= :start AND day < :end GROUP BY day, model ORDER BY day, model"""
)


def month_before(now: datetime) -> date:
    """Give the first day of the month before."""
    return (now.date().replace(day=1) - timedelta(days=1)).replace(day=1)


class Ground:
    """A served database with its year of usage."""

    def __init__(self, kind: str, url: str) -> None:
        self.kind = kind
        self.port = listening()
        self.settings = Settings(
            _env_file=None,
            database_url=url,
            secret_key=SecretStr("a secret key for measurements alone"),
            key_pepper=SecretStr("a pepper for measurements alone, long enough"),
            base_url=f"http://127.0.0.1:{self.port.getsockname()[1]}",
            rate_limit_key=100_000,
            rate_limit_user=100_000,
            rate_limit_address=1_000_000,
            log_level="warning",
        )
        self.session, self.key, self.account_id = asyncio.run(self._fill())

    async def _fill(self) -> tuple[str, str, UUID]:
        async with AsyncExitStack() as opened:
            database = Database(self.settings.database_url)
            opened.push_async_callback(database.dispose)
            secret, owner, account_id = await year_of_usage(database, self.settings, RECORDS)
            made = await management_keys.create_management_key(owner, account_id, "Bench")
            now = await sessions.clock(Viewer(database, self.settings))
            self.month = (month_before(now), now.date().replace(day=1))
            self.since = (now - YEAR - timedelta(days=1)).date()
            return secret, made.secret, account_id

    def serve(self, settings: Settings, port: socket.socket) -> None:
        """Serve the service, and beside it the routes to compare with."""
        set_up_logs(settings)
        app = create_app(settings)
        sqlite = self.kind == "sqlite"
        account: Any = self.account_id.hex if sqlite else self.account_id
        days = {
            name: str(day) if sqlite else day
            for name, day in zip(("start", "end"), self.month, strict=True)
        }

        async def wallet(_request: Request) -> Response:
            row = await app.state.services.database.row(WALLET, {"account": account})
            return _json({"credits": str(row[0]), "held": str(row[1])})

        async def report(_request: Request) -> Response:
            rows = await app.state.services.database.rows(REPORT, {"account": account, **days})
            names = ("day", "model", "requests", "prompt_tokens", "cached_tokens")
            names += ("cache_write_tokens", "completion_tokens", "reasoning_tokens", "cost_micro")
            return _json(
                {"data": [dict(zip(names, map(_plain, row), strict=True)) for row in rows]}
            )

        app.router.routes += [Route("/bench/wallet", wallet), Route("/bench/report", report)]
        config = uvicorn.Config(app, log_config=None, access_log=False, proxy_headers=False)
        uvicorn.Server(config).run(sockets=[port])


def _plain(value: Any) -> Any:
    return value if isinstance(value, int | str) else str(value)


def _json(body: Any) -> Response:
    return Response(json.dumps(body, separators=(",", ":")), media_type="application/json")


class Client:
    """Connections that ask with the management key, or as the Owner's browser."""

    def __init__(self, ground: Ground) -> None:
        number = ground.port.getsockname()[1]
        self._ground = ground
        self._connections = [
            HTTPConnection("127.0.0.1", number, timeout=120) for _n in range(CONNECTIONS)
        ]

    def get(self, connection: HTTPConnection, path: str) -> None:
        """Ask the finance window."""
        connection.request("GET", path, headers={"Authorization": f"Bearer {self._ground.key}"})
        response = connection.getresponse()
        body = response.read()
        if response.status != 200:
            raise RuntimeError(f"{path}: {response.status} {body[:300]!r}")

    def post(self, connection: HTTPConnection, query: str) -> None:
        """Ask GraphQL."""
        headers = {
            "Content-Type": "application/json",
            "Cookie": f"session={self._ground.session}",
            "Sec-Fetch-Site": "same-origin",
        }
        connection.request("POST", "/graphql", json.dumps({"query": query}), headers)
        response = connection.getresponse()
        body = json.loads(response.read())
        if "errors" in body:
            raise RuntimeError(str(body["errors"]))

    def rate(self, ask: Callable[[HTTPConnection], None]) -> float:
        """Ask `REQUESTS` times over all connections: answers a second."""
        share = REQUESTS // CONNECTIONS

        def work(connection: HTTPConnection) -> None:
            for _n in range(share):
                ask(connection)

        threads = [threading.Thread(target=work, args=(one,)) for one in self._connections]
        start = time.perf_counter()
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        return share * CONNECTIONS / (time.perf_counter() - start)


def rates_of(ground: Ground) -> list[Figure]:
    """Measure balance and report in turns with what they are compared with."""
    client = Client(ground)
    start, end = ground.month
    path = f"/usage?from={start}&to={end}&granularity=day&group_by=model&limit=1000"
    query = f"""{{ organization(slug: "bench") {{ usage(range: {{from: "{start}T00:00:00Z", to: "{end}T00:00:00Z"}},
      groupBy: [MODEL]) {{ buckets {{ start model totals {{ requests cost promptTokens completionTokens }} }} }} }} }}"""
    asked: dict[str, Callable[[HTTPConnection], None]] = {
        "wallet": lambda one: client.get(one, "/bench/wallet"),
        "balance": lambda one: client.get(one, "/balance"),
        "best": lambda one: client.get(one, "/bench/report"),
        "report": lambda one: client.get(one, path),
        "graphql": lambda one: client.post(one, query),
    }
    found: dict[str, list[float]] = {name: [] for name in asked}
    for number in range(ROUNDS + 1):
        for name, ask in asked.items():
            measured = client.rate(ask)
            if number:  # the first round warms up
                found[name].append(measured)
    rate = {name: statistics.median(rates) for name, rates in found.items()}
    kind = ground.kind
    return [
        at_least(
            f"{kind}: /balance, of a route with one indexed SELECT",
            rate["balance"] / rate["wallet"],
            0.5,
            f"{rate['balance']:.0f}/s of {rate['wallet']:.0f}/s",
        ),
        at_least(
            f"{kind}: a month by day and model, of a route with the best statement",
            rate["report"] / rate["best"],
            0.5,
            f"{rate['report']:.0f}/s of {rate['best']:.0f}/s; GraphQL {rate['graphql']:.0f}/s",
        ),
    ]


def exports_of(ground: Ground, process: int) -> list[Figure]:
    """Measure both exports beside the database's own program; memory of the server's process."""
    figures = []
    own = statistics.median(_seconds_of_own_export(ground) for _n in range(3))
    for form in ("csv", "ndjson"):
        idle = _memory(process, "VmRSS")
        Path(f"/proc/{process}/clear_refs").write_text("5")  # the peak starts anew
        taken = sorted(_export(ground, form) for _n in range(3))
        more = (_memory(process, "VmHWM") - idle) / MEBIBYTE
        first = statistics.median(one[1] for one in taken)
        seconds = taken[1][0]
        name = f"{ground.kind}: {RECORDS:,} records as {form}"
        said = f"{seconds:.1f} s, its own program {own:.1f} s"
        figures += [
            at_least(f"{name}, of its own", own / seconds, SHARE_OF_COPY[ground.kind], said),
            at_most(f"{name}, MiB above idle", more, 64),
            at_most(f"{name}, ms to the first byte", first * 1000, 200),
        ]
    return figures


def _export(ground: Ground, form: str) -> tuple[float, float]:
    """Take an export; seconds in all, and to the first byte."""
    url = f"{ground.settings.base_url}/usage?from={ground.since}&format={form}"
    told = subprocess.run(  # noqa: S603 - our own command
        [
            *(
                _program("curl"),
                "-sf",
                "-o",
                "/dev/null",
                "-H",
                f"Authorization: Bearer {ground.key}",
            ),
            *("-w", "%{time_total} %{time_starttransfer} %{size_download}", url),
        ],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    if int(told[2]) < 100 * RECORDS:
        raise RuntimeError(f"this is no export of {RECORDS} records: {told[2]} bytes")
    return float(told[0]), float(told[1])


def _seconds_of_own_export(ground: Ground) -> float:
    url = ground.settings.database_url
    if ground.kind == "sqlite":
        statement = RECORDS_SQL % ground.account_id.hex
        command = [_program("sqlite3"), "-csv", "-header", make_url(url).database or "", statement]
    else:
        statement = f"COPY ({RECORDS_SQL % ground.account_id}) TO STDOUT (FORMAT csv, HEADER)"
        command = [_program("psql"), "-q", "-c", statement, url]
    begun = time.perf_counter()
    with Path(os.devnull).open("wb") as nowhere:
        subprocess.run(command, check=True, stdout=nowhere)  # noqa: S603 - our own command
    return time.perf_counter() - begun


def _program(name: str) -> str:
    """Find a program."""
    found = shutil.which(name)
    if found is None:
        raise RuntimeError(f"{name} is needed to compare with")
    return found


def _memory(process: int, name: str) -> int:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    (line,) = (one for one in lines if one.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024


def verification_of(ground: Ground) -> Figure:
    """Run `r9s verify` as an operator does."""
    code = "from app.cli import main; main()"
    given = {"R9S_DATABASE_URL": ground.settings.database_url, "R9S_LOG_LEVEL": "warning"}
    begun = time.perf_counter()
    subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-c", code, "verify"],
        check=True,
        capture_output=True,
        env=os.environ | given,
    )
    seconds = time.perf_counter() - begun
    return at_most(f"{ground.kind}: r9s verify, {RECORDS:,} records, seconds", seconds, 60)


def run(kinds: tuple[str, ...]) -> list[Figure]:
    """Measure on each kind of database."""
    figures = []
    with databases(kinds) as urls:
        for kind, url in urls.items():
            ground = Ground(kind, url)
            with served(ground.settings, ground.port, ground.serve):
                (server,) = multiprocessing.active_children()
                figures += rates_of(ground)
                figures += exports_of(ground, server.pid or 0)
            figures.append(verification_of(ground))
    return figures
