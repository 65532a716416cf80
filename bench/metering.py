"""Metering's speed through HTTP, beside what the same server does at best: one hot account and a thousand."""

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count, cycle

import psutil
from sqlalchemy import text

from app.database import Database
from app.integrations.identity import Identity
from app.ledger.verification import verify
from app.models import AuditActorKind
from app.resolvers import accounts, api_keys, gateways, operations, sessions
from app.seats import Viewer
from app.settings import Settings
from bench.figures import FULL, Figure, at_least, at_most
from bench.ground import databases
from bench.load import Measured, Request, load
from bench.server import ASGI, BARE, UPDATE, served

ACCOUNTS = 1000
CONNECTIONS = 64
# Everything is measured in turns, so that all see the same machine.
ROUNDS = 10 if FULL else 4
TURN_SECONDS = 2.0 if FULL else 1.0
MEMORY_SECONDS = 600 if FULL else 20
MODEL = "openai/gpt-4.1"
CREDITS = 10**15
_CALL = {"model": MODEL, "prompt_tokens": 1000, "completion_tokens": 250, "cost": "0.000001"}
_numbers = count()


@dataclass
class Bench:
    """A database that is served twice, with groups and without: how to call, and what was seen."""

    token: str
    secrets: list[str]
    seen: dict[tuple[str, ...], Measured] = field(default_factory=dict)

    async def run(
        self, port: int, requests: Iterator[Request], *name: str, connections: int = CONNECTIONS
    ) -> Measured:
        """Load a server for a turn; what was seen goes to what its name has seen."""
        turn = await load(port, self.token, requests, connections, TURN_SECONDS)
        self.seen.setdefault(name, Measured()).add(turn)
        return turn

    async def pair(
        self, port: int, secrets: list[str], *name: str, connections: int = CONNECTIONS
    ) -> None:
        """Authorize for a turn, then settle what was granted."""
        asking = authorizing(secrets)
        granted = await self.run(port, asking, "authorize", *name, connections=connections)
        holds = [json.loads(body)["hold_id"] for _status, body in granted.answers]
        await self.run(port, settling(holds), "settle", *name, connections=connections)


def authorizing(secrets: list[str]) -> Iterator[Request]:
    """Ask for a micro-credit, again and again."""
    for secret in cycle(secrets):
        name = f"bench-{next(_numbers)}"
        yield "/metering/authorize", {"request_id": name, "key": secret, "amount": "0.000001"}


def settling(holds: list[str]) -> Iterator[Request]:
    """Settle each of these holds."""
    for hold_id in holds:
        yield "/metering/settle", {"hold_id": hold_id, "event_id": hold_id} | _CALL


def plain(path: str) -> Iterator[Request]:
    """Ask for something to compare with."""
    while True:
        yield path, {"request_id": f"bench-{next(_numbers)}"}


def batches(secret: str, size: int) -> Iterator[Request]:
    """Report calls that were not authorized, a minute ago by this process' clock."""
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 60))
    while True:
        events = [
            {"event_id": f"usage-{next(_numbers)}", "key": secret, "occurred_at": at} | _CALL
            for _n in range(size)
        ]
        yield "/metering/usage", {"events": events}


async def prepare(settings: Settings, accounts_count: int = ACCOUNTS) -> tuple[str, list[str]]:
    """Make people with credits and a key each, and a gateway; its token, and the keys' secrets."""
    database = Database(settings.database_url)
    nobody = Viewer(database, settings)
    operator = replace(nobody, kind=AuditActorKind.OPERATOR)
    async with database.write() as session:
        await session.execute(text("CREATE TABLE bench_rows (id BIGINT PRIMARY KEY, n BIGINT)"))
        await session.execute(text("INSERT INTO bench_rows VALUES (1, 0)"))
    token = await gateways.create_gateway(operator, "bench")
    secrets = [await _key_of_a_new_person(nobody, n) for n in range(accounts_count)]
    await database.dispose()
    return token, secrets


async def _key_of_a_new_person(nobody: Viewer, number: int) -> str:
    email = f"p{number}@example.com"
    identity = Identity(
        "https://bench.example",
        str(number),
        email,
        email_verified=True,
        name=f"Person {number}",
        picture_url=None,
    )
    facts = await sessions.session_of(
        nobody, await sessions.sign_in(nobody, identity, replacing=None)
    )
    if facts is None:
        raise RuntimeError("a session that was opened just now has ended")
    viewer = replace(nobody, user=facts.user, signed_in_at=facts.signed_in_at)
    own = (await accounts.list_accounts(viewer))[0]
    operator = replace(nobody, kind=AuditActorKind.OPERATOR)
    await operations.grant(operator, own.slug, CREDITS, "to be spent")
    return (await api_keys.create_api_key(viewer, own.account_id, "bench")).secret


async def measure(bench: Bench, grouped: int, single: int) -> None:
    """Measure everything in turns; the first round warms up."""
    one = bench.secrets[:1]
    for turn in range(ROUNDS + 1):
        if turn == 1:
            bench.seen.clear()
        await bench.run(grouped, plain(BARE), "bare")
        await bench.run(grouped, plain(ASGI), "asgi")
        for whose, secrets in (("hot", one), ("many", bench.secrets)):
            await bench.pair(grouped, secrets, whose, "groups")
            await bench.pair(single, secrets, whose, "ones")
        await bench.run(grouped, plain(UPDATE), "update", connections=1)
        await bench.pair(grouped, one, "alone", connections=1)
        await bench.run(grouped, batches(one[0], 1), "one event", connections=1)
        await bench.run(grouped, batches(one[0], 100), "100 events", connections=1)


async def grown(bench: Bench, process: psutil.Process, port: int) -> tuple[float, float]:
    """Call on and on: the server's MiB when a third of the time is over, and how many more at its end."""
    begun = time.monotonic()
    before = None
    while (spent := time.monotonic() - begun) < MEMORY_SECONDS:
        if before is None and spent > MEMORY_SECONDS / 3:
            before = process.memory_info().rss
        await bench.pair(port, bench.secrets, "memory")
    return (before or 0) / 2**20, (process.memory_info().rss - (before or 0)) / 2**20


def figures(kind: str, seen: dict[tuple[str, ...], Measured]) -> Iterator[Figure]:
    """Tell each figure beside its limit."""
    bare, update = seen["bare",], seen["update",]
    for verb in ("authorize", "settle"):
        for whose, least in (("hot", 6), ("many", 3)):
            ours, ones = seen[verb, whose, "groups"], seen[verb, whose, "ones"]
            name = f"{kind}: {verb}, {whose}"
            yield at_least(f"{name}, of groups of one", ours.rate / ones.rate, least, str(ones))
            yield at_least(f"{name}, of bare JSON", ours.rate / bare.rate, 0.2, str(ours))
        alone = seen[verb, "alone"]
        times = alone.percentile(0.5) / update.percentile(0.5)
        yield at_most(f"{kind}: {verb} alone, of an UPDATE's time", times, 2, str(alone))
    hundred, single = seen["100 events",], seen["one event",]
    times = hundred.rate * 100 / single.rate
    yield at_least(f"{kind}: usage by 100, of one by one", times, 10, str(hundred))
    yield Figure(f"{kind}: bare JSON, a Starlette route", str(bare), "", holds=True)
    yield Figure(f"{kind}: bare JSON, ASGI alone", str(seen["asgi",]), "", holds=True)
    yield Figure(f"{kind}: one committed UPDATE, alone", str(update), "", holds=True)


async def balanced(url: str) -> str:
    """Tell which check finds a wrong row, if one does."""
    database = Database(url)
    try:
        wrong = (await verify(database)).wrong
    finally:
        await database.dispose()
    return "" if wrong is None else wrong.check


def run(kinds: tuple[str, ...]) -> list[Figure]:
    """Measure on each kind of database."""
    found: list[Figure] = []
    with databases(kinds) as urls:
        for kind, url in urls.items():
            settings = Settings(_env_file=None, database_url=url)
            bench = Bench(*asyncio.run(prepare(settings)))
            ones = {"R9S_METERING_GROUP_SIZE": "1"}
            with served(url) as (process, grouped), served(url, **ones) as (_other, single):
                asyncio.run(measure(bench, grouped, single))
                found += figures(kind, bench.seen)
                before, more = asyncio.run(grown(bench, psutil.Process(process), grouped))
            said = f"{before:.0f} MiB, {MEMORY_SECONDS} s, {bench.seen['authorize', 'memory']}"
            # A tenth is what the allocator keeps or gives back as it likes.
            found.append(at_most(f"{kind}: memory gained, MiB", more, before / 10, said))
            wrong = asyncio.run(balanced(url))
            found.append(Figure(f"{kind}: books after it", wrong or "balanced", "", not wrong))
    return found
