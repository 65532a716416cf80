"""What was acknowledged survives kill -9 of the app and of the database."""

import asyncio
import json
import os
import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
import psycopg
from sqlalchemy import text

from app import migrations
from app.database import Database
from app.metering.calls import Settle
from app.metering.pricing import Tokens
from app.settings import Settings
from tests.conftest import PostgresServer
from tests.metering.crash_worker import asking
from tests.metering.desk import Desk, code_of, desk_of
from tests.metering.servers import ROOT
from tests.scene import Scene

CREDITS = 10**9
SEED = random.SystemRandom().randrange(10**6)


@asynccontextmanager
async def worker(task: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start a process that authorizes and settles until it is killed."""
    one = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.metering.crash_worker",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert one.stdin
    one.stdin.write(json.dumps(task).encode() + b"\n")
    await one.stdin.drain()
    try:
        yield one
    finally:
        if one.returncode is None:
            one.kill()
        await one.communicate()


async def facts_of(one: asyncio.subprocess.Process, enough: int | None = None) -> list[Any]:
    """Read what a process says: so many facts, or until it ends."""
    assert one.stdout
    found = []
    while enough is None or len(found) < enough:
        line = await one.stdout.readline()
        if not line.endswith(b"\n"):
            break
        if line.startswith(b"{"):  # and no line of its log
            found.append(json.loads(line))
    return found


async def must_have_survived(desk: Desk, secret: str, facts: list[Any]) -> None:
    """Assert that each acknowledged answer is in the books, once, and is given again when it is asked for again."""
    rows = await desk.scene.database.rows(
        text("SELECT id, hold_id FROM usage_records WHERE corrects IS NULL")
    )
    records = {UUID(str(row.id)).hex: UUID(str(row.hold_id)).hex for row in rows}
    assert len(set(records.values())) == len(records)
    for fact in facts:
        if "record" in fact:
            assert records.get(fact["record"]) == fact["hold"], f"seed {SEED}: lost {fact}"
    for fact in facts[-40:]:
        if "hold" not in fact:
            continue
        again = await desk.gate.authorize(asking(desk.gate, desk.caller, secret, fact["name"]))
        assert again.hold_id.hex == fact["hold"], f"seed {SEED}: lost {fact}"
        settling = Settle(desk.caller, again.hold_id, fact["name"], "a model", Tokens(1), 3)
        booked = await desk.gate.settle(settling)
        assert booked.usage_record_id.hex == fact.get("record", booked.usage_record_id.hex)
    await desk.scene.promises()


async def test_what_was_acknowledged_survives_kill_9_of_the_app(
    scene: Scene, database_url: str
) -> None:
    moments = random.Random(SEED)  # noqa: S311 - no secret
    async with desk_of(scene, CREDITS) as desk:
        secret = await desk.key()
        for turn in range(3):
            task = {"url": database_url, "token": desk.token, "secret": secret}
            async with worker(task | {"name": f"turn-{turn}"}) as one:
                facts = await facts_of(one, moments.randrange(50, 300))
                one.kill()
                facts += await facts_of(one)
            await must_have_survived(desk, secret, facts)


def kill(server: PostgresServer) -> None:
    """Kill PostgreSQL and all its processes at once, as a power cut would."""
    data = Path(server._server.pgdata)
    postmaster = psutil.Process(int((data / "postmaster.pid").read_text().split()[0]))
    family = [postmaster, *postmaster.children(recursive=True)]
    for one in family:
        one.kill()
    psutil.wait_procs(family)
    (data / "postmaster.pid").unlink(missing_ok=True)


@asynccontextmanager
async def own_desk(server: PostgresServer) -> AsyncIterator[tuple[Desk, str]]:
    """Open a desk on a PostgreSQL of its own, with commits that are on the disk."""
    name = server.create()
    url = server.url(name)
    with psycopg.connect(server.url("postgres"), autocommit=True) as admin:
        admin.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = on')
    await asyncio.to_thread(migrations.upgrade, url)
    database = Database(url)
    scene = Scene(database, Settings(_env_file=None, database_url=url))
    async with desk_of(scene, CREDITS) as desk:
        yield desk, url
    await database.dispose()


async def test_what_was_acknowledged_survives_kill_9_of_postgresql(
    own_postgres: PostgresServer,
) -> None:
    async with own_desk(own_postgres) as (desk, url):
        secret = await desk.key()
        task = {"url": url, "token": desk.token, "secret": secret, "name": "a"}
        async with worker(task) as one:
            facts = await facts_of(one, 200)
            own_postgres._admin.close()
            await asyncio.to_thread(kill, own_postgres)
            facts += await facts_of(one)
        assert sum("away" in fact for fact in facts) == 16
        assert await code_of(desk.authorize(secret, 1)) == "unavailable"
        await asyncio.to_thread(own_postgres.start)
        await desk.scene.database.dispose()
        await must_have_survived(desk, secret, [fact for fact in facts if "away" not in fact])
