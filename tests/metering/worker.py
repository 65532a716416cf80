"""A process that asks for credits on its own, for tests with several: reads what to do from standard input."""

import asyncio
import json
import sys

from app.database import Database
from app.errors import Refusal
from app.metering.calls import Authorize, Authorized
from app.metering.gate import Gate
from app.settings import Settings

SHARED = 20


async def work(task: dict[str, str]) -> dict[str, object]:
    """Ask for one micro-credit often, a few of them under ids that all processes use."""
    database = Database(task["url"])
    gate = Gate(database, Settings(_env_file=None, database_url=task["url"]))
    gate.start()
    caller = await gate.caller(task["token"])
    hashed = gate.hash_of(task["secret"])

    async def ask(name: str) -> Authorized | Refusal:
        try:
            return await gate.authorize(Authorize(caller, name, hashed, 1))
        except Refusal as refusal:
            return refusal

    shared = await asyncio.gather(*(ask(f"shared-{n}") for n in range(SHARED)))
    own = await asyncio.gather(*(ask(f"{task['name']}-{n}") for n in range(int(task["calls"]))))
    await gate.stop()
    await database.dispose()
    return {
        "granted": sum(isinstance(one, Authorized) for one in own),
        "refused": sum(isinstance(one, Refusal) for one in own),
        "shared": [one.hold_id.hex if isinstance(one, Authorized) else one.code for one in shared],
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(work(json.load(sys.stdin)))))  # noqa: T201 - what the test reads
