"""Over HTTP, as a gateway calls: four processes on one PostgreSQL grant what there is, and what is away grants nothing."""

import asyncio
import json
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import httpx2
import psutil
import pytest
from sqlalchemy.engine import make_url

from app.money import MICRO
from bench.load import Request, load
from tests.conftest import PostgresServer
from tests.metering.desk import MODEL, Desk, desk_of
from tests.metering.servers import Served, serving
from tests.metering.test_crash import own_desk
from tests.scene import Scene

CONNECTIONS = 32


def asking(secret: str, name: str, amount: str, **more: str) -> Request:
    """Write a request to authorize."""
    return "/metering/authorize", {"request_id": name, "key": secret, "amount": amount} | more


async def told_by_all(
    servers: list[Served], token: str, requests: Iterable[Request]
) -> tuple[list[dict[str, Any]], Counter[str]]:
    """Ask all servers at once, in turns: what was granted, and how often each code refused."""
    given = list(requests)
    seen = await asyncio.gather(
        *(
            load(one.port, token, iter(given[place :: len(servers)]), CONNECTIONS, 600)
            for place, one in enumerate(servers)
        )
    )
    answers = [(status, json.loads(body)) for one in seen for status, body in one.answers]
    assert len(answers) == len(given)
    refused = Counter(body["code"] for status, body in answers if status != 200)
    return [body for status, body in answers if status == 200], refused


def total(granted: list[dict[str, Any]]) -> Decimal:
    """Sum what was granted."""
    return sum((Decimal(one["amount"]) for one in granted), Decimal(0))


async def members_with_keys(desk: Desk, number: int, quota: int) -> list[str]:
    """Let people join, with a quota and a key each; the keys' secrets."""
    secrets = []
    for place in range(number):
        person = await desk.scene.person(f"person {place}")
        await desk.scene.join(desk.account_id, person)
        await desk.quota(person, quota)
        secrets.append(await desk.key(person))
    return secrets


async def five_keys_share_a_quota_of_300(desk: Desk, servers: list[Served]) -> None:
    """Assert that it is spent to its last credit, and no further."""
    bob = await desk.scene.person("bob")
    await desk.scene.join(desk.account_id, bob)
    await desk.quota(bob, 300 * MICRO)
    keys = [await desk.key(bob) for _n in range(5)]
    some = (asking(keys[n % 5], f"some {n}", "1") for n in range(299))
    granted, refused = await told_by_all(servers, desk.token, some)
    assert (total(granted), refused) == (299, {})
    # The rest in parts of what is asked for, to the last micro-credit.
    parts = (asking(keys[n % 5], f"part {n}", "0.3", min_amount="0.000001") for n in range(500))
    granted, refused = await told_by_all(servers, desk.token, parts)
    assert total(granted) == 1
    assert refused == {"quota_exceeded": 500 - len(granted)}


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
async def test_four_servers_grant_exactly_what_there_is(scene: Scene, database_url: str) -> None:
    async with desk_of(scene, 1000 * MICRO) as desk:
        secret = await desk.key()
        with serving(database_url, 4) as servers:
            # One id at all four at once is one hold, with one answer for all.
            same = (asking(secret, f"same {n // 4}", "1") for n in range(80))
            granted, refused = await told_by_all(servers, desk.token, same)
            assert (len(granted), refused) == (80, {})
            assert len({json.dumps(one) for one in granted}) == 20
            many = (asking(secret, f"many {n}", "1") for n in range(10_000))
            granted, refused = await told_by_all(servers, desk.token, many)
            assert total(granted) == len(granted) == 980
            assert refused == {"insufficient_credits": 9020}

            await desk.grant(1000 * MICRO)
            await five_keys_share_a_quota_of_300(desk, servers)
            await desk.grant(300 * MICRO)
            people = await members_with_keys(desk, 50, 40 * MICRO)
            shared = (
                asking(one, f"shared {n} {place}", "1")
                for n in range(50)
                for place, one in enumerate(people)
            )
            granted, refused = await told_by_all(servers, desk.token, shared)
            assert total(granted) == 1000
            assert max(Counter(one["member_id"] for one in granted).values()) <= 40
            assert set(refused) <= {"insufficient_credits", "quota_exceeded"}
        await desk.scene.promises()


async def must_be_away(client: httpx2.AsyncClient, secret: str, hold_id: str) -> None:
    """Assert that each of the four calls is told to come back later."""
    settling = {"event_id": "e", "model": MODEL, "prompt_tokens": 1, "completion_tokens": 1}
    calls = {
        "authorize": asking(secret, "while it is away", "1")[1],
        "settle": {"hold_id": hold_id, "cost": "1"} | settling,
        "release": {"hold_id": hold_id},
        "usage": {
            "events": [
                {"key": secret, "occurred_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
                | settling
            ]
        },
    }
    answers = await asyncio.gather(
        *(client.post(f"/metering/{name}", json=body) for name, body in calls.items())
    )
    for one in answers:
        told = (one.status_code, one.json()["code"], one.headers["content-type"])
        assert told == (503, "unavailable", "application/problem+json")
        assert int(one.headers["retry-after"]) > 0


async def granted_at_last(client: httpx2.AsyncClient, request: Request) -> dict[str, Any]:
    """Repeat a call, as a gateway does, until it is no longer told to come back later."""
    for _try in range(100):
        answer = await client.post(request[0], json=request[1])
        if answer.status_code != 503:
            break
    assert answer.status_code == 200, answer.text
    granted: dict[str, Any] = answer.json()
    return granted


async def must_grant_nothing_while(away: Any, desk: Desk, server: Served) -> None:
    """Take the database away, and give it back: nothing is granted in between, and no call is lost or doubled."""
    secret = await desk.key()
    begun = len((await desk.scene.snapshot())["holds"])
    async with server.client(desk.token) as client:
        before = await granted_at_last(client, asking(secret, f"before {begun}", "1"))
        async with away:
            for _time in range(2):
                await must_be_away(client, secret, before["hold_id"])
            assert (await client.get("/health/live")).status_code == 200
        granted = await granted_at_last(client, asking(secret, f"after {begun}", "5"))
        again = await granted_at_last(client, asking(secret, f"after {begun}", "5"))
        assert again == granted
    assert len((await desk.scene.snapshot())["holds"]) == begun + 2
    await desk.scene.promises()


async def test_a_postgresql_that_is_away_is_told_to_the_gateway(
    own_postgres: PostgresServer,
) -> None:
    @asynccontextmanager
    async def stopped() -> AsyncIterator[None]:
        await asyncio.to_thread(own_postgres.stop)
        yield
        await asyncio.to_thread(own_postgres.start)
        await desk.scene.database.dispose()

    async with own_desk(own_postgres) as (desk, url):
        await desk.grant(10 * MICRO)
        with serving(url) as [server]:
            await must_grant_nothing_while(stopped(), desk, server)


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
async def test_an_sqlite_file_that_cannot_be_written_is_told_to_the_gateway(
    scene: Scene, database_url: str
) -> None:
    @asynccontextmanager
    async def locked() -> AsyncIterator[None]:
        other = sqlite3.connect(str(make_url(database_url).database), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")
        other.close()

    @asynccontextmanager
    async def full() -> AsyncIterator[None]:
        process = psutil.Process(server.process.pid)
        _soft, hard = process.rlimit(psutil.RLIMIT_FSIZE)
        process.rlimit(psutil.RLIMIT_FSIZE, (0, hard))
        yield
        process.rlimit(psutil.RLIMIT_FSIZE, (hard, hard))

    async with desk_of(scene, 100 * MICRO) as desk:
        with serving(database_url, R9S_DATABASE_TIMEOUT_SECONDS="1") as [server]:
            for away in (locked, full):
                await must_grant_nothing_while(away(), desk, server)
