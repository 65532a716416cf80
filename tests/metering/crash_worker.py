"""A process that authorizes and settles until it is killed, and says each answer as soon as it has it."""

import asyncio
import json
import sys
from itertools import count

from app.database import Database
from app.errors import Unavailable
from app.metering.calls import Authorize, Caller, Settle
from app.metering.gate import Gate
from app.metering.pricing import Tokens
from app.settings import Settings

AT_ONCE = 16


def told(**facts: str) -> None:
    """Say a fact to whoever started this."""
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def asking(gate: Gate, caller: Caller, secret: str, name: str) -> Authorize:
    """Ask for ten under a name."""
    return Authorize(caller, name, gate.hash_of(secret), 10)


async def work(task: dict[str, str]) -> None:
    """Authorize and settle for ever."""
    database = Database(task["url"])
    gate = Gate(database, Settings(_env_file=None, database_url=task["url"]))
    gate.start()
    caller = await gate.caller(task["token"])
    numbers = count()

    async def one_after_the_other() -> None:
        while True:
            name = f"{task['name']}-{next(numbers)}"
            try:
                hold = await gate.authorize(asking(gate, caller, task["secret"], name))
                told(name=name, hold=hold.hold_id.hex)
                settling = Settle(caller, hold.hold_id, name, "a model", Tokens(1), 3)
                booked = await gate.settle(settling)
                told(name=name, hold=hold.hold_id.hex, record=booked.usage_record_id.hex)
            except Unavailable:
                told(away=name)
                return

    await asyncio.gather(*(one_after_the_other() for _n in range(AT_ONCE)))


if __name__ == "__main__":
    asyncio.run(work(json.loads(sys.stdin.readline())))
