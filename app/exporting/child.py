"""The child process that writes one export: reads one snapshot, writes one file, and says on stdout how far it is.

It writes nothing into the database. It ends with its parent, whose end closes its stdin.
"""

import asyncio
import json
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from app.database import Database
from app.errors import Invalid, Refusal, Unavailable
from app.exporting.parquet import Parquet
from app.exporting.workbook import SHEET_ROWS, Workbook
from app.resolvers import exports
from app.resolvers.exports import ExportAsked, FileFormat, Kind, TableHead, Values
from app.seats import Person, Viewer
from app.settings import Settings, load_settings

NICE = 19
SAID_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be written where, for whom. It goes to the child as one line of JSON."""

    database_url: str
    path: str
    account_id: UUID
    person: Person
    own: bool
    asked: str
    most_rows: int
    sheet_rows: int = SHEET_ROWS

    def line(self) -> bytes:
        """Write it."""
        return json.dumps(asdict(self), default=str).encode() + b"\n"


def read_order(line: str) -> Order:
    """Read what `Order.line` wrote."""
    plain = json.loads(line)
    person = Person(**{**plain["person"], "id": UUID(plain["person"]["id"])})
    return Order(**{**plain, "person": person, "account_id": UUID(plain["account_id"])})


class File(Protocol):
    """A file that is being written."""

    def add(self, rows: Sequence[Values]) -> None:
        """Write rows."""

    def close(self) -> None:
        """Write its end."""


class DoesNotAddUp(RuntimeError):
    """The rows of a file are not those that its totals speak of."""


class Progress:
    """What is said to the parent, a line each: not more often than anybody looks."""

    def __init__(self) -> None:
        self._next = 0.0

    def say(self, **facts: Any) -> None:
        """Say it now."""
        sys.stdout.write(json.dumps(facts) + "\n")
        sys.stdout.flush()

    def rows(self, done: int, total: int) -> None:
        """Say how far it is, now and then."""
        at = time.monotonic()
        if at >= self._next:
            self._next = at + SAID_SECONDS
            self.say(done=done, total=total)


async def write(order: Order, settings: Settings, progress: Progress) -> None:
    """Write the file. Raises a `Refusal` where it is no longer to be written, `DoesNotAddUp`."""
    database = Database(order.database_url, pool_size=1)
    try:
        viewer = Viewer(database, settings, user=order.person)
        asked = ExportAsked.read(order.asked)
        verb = exports.open_own_export if order.own else exports.open_export
        export = await verb(viewer, order.account_id, asked)
        async with export() as opened:
            head = opened.head
            if head.rows > order.most_rows:
                raise Invalid(
                    f"This is more than {order.most_rows:,} rows. Choose a shorter range, or take CSV."
                )
            file = _file(order, asked.format, head)
            progress.rows(0, head.rows)
            await _fill(file, head, opened.parts, progress)
        progress.say(done=head.rows, total=head.rows)
        file.close()
    finally:
        await database.dispose()


def _file(order: Order, form: FileFormat, head: TableHead) -> File:
    path = Path(order.path)
    if form is FileFormat.PARQUET:
        return Parquet(path, head.columns, head.about)
    return Workbook(path, head.columns, head.about, order.sheet_rows)


async def _fill(file: File, head: TableHead, parts: Any, progress: Progress) -> None:
    sums: Counter[str] = Counter()
    added = [
        (one.name, place)
        for place, one in enumerate(head.columns)
        if one.kind in (Kind.COUNT, Kind.CREDITS)
    ]
    done = 0
    async for part in parts:
        file.add(part)
        for name, place in added:
            sums[name] += sum(row[place] for row in part)
        done += len(part)
        progress.rows(done, head.rows)
    wrong = [name for name, _place in added if sums[name] != head.sums[name]]
    if wrong or done != head.rows:
        raise DoesNotAddUp(f"{done} of {head.rows} rows; not the same sums: {wrong}")


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(1)


def main() -> None:
    """Write what stdin orders."""
    os.nice(NICE)
    order = read_order(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    progress = Progress()
    settings = load_settings(database_url=order.database_url)
    try:
        asyncio.run(write(order, settings, progress))
    except Unavailable:
        raise
    except Refusal as refusal:
        progress.say(refused=refusal.detail)
    else:
        progress.say(written=True)


if __name__ == "__main__":
    main()
