"""Calls beside an export: what is left of the rate of authorizations while a finance tool takes all records."""

import asyncio
import os
import time
from dataclasses import replace

from pydantic import SecretStr

from app.database import Database
from app.models import AuditActorKind
from app.resolvers import api_keys, gateways, management_keys
from app.seats import Viewer
from app.settings import Settings
from bench.books import YEAR, year_of_usage
from bench.figures import Figure, at_least
from bench.ground import on_each
from bench.load import Measured, load
from bench.metering import authorizing, balanced
from bench.server import served

RECORDS = int(os.environ.get("BENCH_RECORDS", "1000000"))
TURNS, TURN_SECONDS, CONNECTIONS = 5, 2.0, 64
LEAST_RATE = 0.7
PEPPER = "a pepper for measurements alone, long enough"


def run(kinds: tuple[str, ...]) -> list[Figure]:
    """Measure on each kind of database."""
    return on_each(kinds, _measure)


async def _measure(url: str, kind: str) -> list[Figure]:
    settings = Settings(_env_file=None, database_url=url, key_pepper=SecretStr(PEPPER))
    database = Database(url)
    _secret, owner, account_id = await year_of_usage(database, settings, RECORDS)
    nobody = Viewer(database, settings)
    token = await gateways.create_gateway(replace(nobody, kind=AuditActorKind.OPERATOR), "bench")
    standard = (await api_keys.create_api_key(owner, account_id, "Calls")).secret
    managing = (await management_keys.create_management_key(owner, account_id, "Export")).secret
    await database.dispose()
    found: dict[str, tuple[Measured, Measured, list[int]]] = {}
    with served(url, R9S_KEY_PEPPER=PEPPER) as (_pid, port):

        async def authorize() -> Measured:
            return await load(port, token, authorizing([standard]), CONNECTIONS, TURN_SECONDS)

        await authorize()
        for form in ("csv", "ndjson"):
            alone, beside, taken = found.setdefault(form, (Measured(), Measured(), []))
            for _turn in range(TURNS):
                alone.add(await authorize())
                export = asyncio.create_task(_take(port, managing, form))
                beside.add(await authorize())
                taken.append(await export)
    wrong = await balanced(url)
    return [
        *(
            at_least(
                f"{kind}: authorize beside an export as {form} / alone",
                beside.rate / alone.rate,
                LEAST_RATE,
                f"{beside}; alone {alone}; {sum(taken) / beside.seconds / 2**20:.0f} MiB/s of it",
            )
            for form, (alone, beside, taken) in found.items()
        ),
        Figure(f"{kind}: books after it", wrong or "balanced", "", not wrong),
    ]


async def _take(port: int, secret: str, form: str) -> int:
    """Take as much of an export as comes in a turn, as quickly as it comes: how many bytes."""
    since = time.strftime("%Y-%m-%d", time.gmtime(time.time() - YEAR.total_seconds() - 86_400))
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**22)
    writer.write(
        f"GET /usage?from={since}&format={form} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        f"Authorization: Bearer {secret}\r\n\r\n".encode()
    )
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(head)
    taken, until = 0, time.perf_counter() + TURN_SECONDS
    while time.perf_counter() < until and (part := await reader.read(2**20)):
        taken += len(part)
    writer.close()
    return taken
