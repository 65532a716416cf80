"""What reports and exports need of a database in its own dialect: the second half of `app.database`."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from datetime import date, datetime
from enum import Enum
from itertools import pairwise
from typing import Any

from anyio import CancelScope
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    Integer,
    Label,
    String,
    and_,
    any_,
    bindparam,
    cast,
    collate,
    func,
    literal_column,
    true,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql.selectable import Select
from sqlalchemy.types import Date

from app.columns import sqlite_moment
from app.database import Connection, Database
from app.ids import KINDS

AnyColumn = Any
CHUNK_ROWS = 1_000
WAITING_CHUNKS = 8
MOMENT = len("2026-11-16T18:17:03.979960Z")


def any_of(column: AnyColumn, name: str, *, sqlite: bool) -> ColumnElement[bool]:
    """Ask whether a column is one of the values of a named parameter, so that a statement is made once for all."""
    if sqlite:
        inside: ColumnElement[bool] = column.in_(bindparam(name, expanding=True))
        return inside
    equal: ColumnElement[bool] = column == any_(bindparam(name, type_=ARRAY(column.type)))
    return equal


class Edges(Enum):
    """What edges of buckets are: the ends of one, days that follow each other, other days, or moments."""

    ONE = "ONE"
    EACH_DAY = "EACH_DAY"
    DAYS = "DAYS"
    MOMENTS = "MOMENTS"


def edges_are(edges: Sequence[datetime] | Sequence[date]) -> Edges:
    """Tell what edges are."""
    if len(edges) == 2:  # noqa: PLR2004 - the two ends of the one bucket
        return Edges.ONE
    if isinstance(edges[0], datetime):
        return Edges.MOMENTS
    follow = (edges[-1] - edges[0]).days == len(edges) - 1
    return Edges.EACH_DAY if follow else Edges.DAYS


def edges_value(edges: Sequence[Any], kind: Edges, *, sqlite: bool) -> Any:
    """Give the value of the parameter that `bucket_of` takes for these edges."""
    if kind is Edges.EACH_DAY:
        return _stored(edges[0]) if sqlite else edges[0]
    if sqlite:
        return json.dumps([[_stored(one), _stored(other)] for one, other in pairwise(edges)])
    return list(edges[:-1])


def edges_type(kind: Edges, *, sqlite: bool) -> Any:
    """Give that parameter's type."""
    if sqlite:
        return String()
    if kind is Edges.EACH_DAY:
        return Date()
    return ARRAY(Date() if kind is Edges.DAYS else DateTime(timezone=True))


def bucket_of(
    moment: AnyColumn, edges: ColumnElement[Any], kind: Edges, *, sqlite: bool
) -> tuple[ColumnElement[int], ColumnElement[bool]]:
    """Number the bucket, from 0, that a column's moment or day is in; and a condition that has to hold with it.

    The column has to be within the edges: the condition sees to it for some of them only.
    """
    if kind is Edges.ONE:
        return literal_column("0", BigInteger), true()
    if kind is Edges.EACH_DAY:
        if sqlite:
            passed = func.julianday(type_coerce(moment, String)) - func.julianday(edges)
            return cast(passed, BigInteger), true()
        return cast(moment - cast(edges, Date), BigInteger), true()
    if not sqlite:
        lower = cast(edges, edges_type(kind, sqlite=False))
        return cast(func.width_bucket(moment, lower) - 1, BigInteger), true()
    each = func.json_each(edges).table_valued("key", "value", name="bucket")
    begun, ended = (func.json_extract(each.c.value, f"$[{n}]") for n in (0, 1))
    plain = type_coerce(moment, String)
    return type_coerce(each.c.key, BigInteger), and_(plain >= begun, plain < ended)


def _stored(moment: datetime | date) -> str | None:
    """Write a moment or day as SQLite's rows hold it."""
    return sqlite_moment(moment) if isinstance(moment, datetime) else moment.isoformat()


def summed(column: AnyColumn) -> ColumnElement[int]:
    """Sum whole numbers as one of 64 bits; 0 where there is none."""
    return cast(func.coalesce(func.sum(column), 0), BigInteger)


def code_points(text: AnyColumn, *, sqlite: bool) -> AnyColumn:
    """Order text by code point on both databases."""
    return text if sqlite else collate(text, "C")


def wire_id_text(database: Database, kind: str, value: AnyColumn) -> AnyColumn:
    """Write an id as `app.ids.wire_id` does; null stays null."""
    prefix = type_coerce(literal_column(f"'{KINDS[kind]}_'"), String)
    if database.is_sqlite:
        return prefix.concat(type_coerce(value, String))
    return prefix.concat(func.replace(cast(value, String), "-", ""))


def credits_text(database: Database, micro: AnyColumn) -> AnyColumn:
    """Write micro-credits as `app.money.credits_text` does."""
    if not database.is_sqlite:
        return micro * literal_column("0.000001")
    return func.printf(
        "%s%d.%06d",
        literal_column("''").concat(func.iif(micro < 0, "-", "")),
        # Whole numbers: SQLAlchemy's own signs would divide as floats.
        func.abs(micro).op("/")(literal_column("1000000")),
        func.abs(micro) % literal_column("1000000"),
    )


def rows_in_parts(connection: Connection, statement: Select[Any]) -> AsyncGenerator[Sequence[Any]]:
    """Read a statement's rows in parts, in constant memory. Close it while the connection is open."""
    streamed = statement.execution_options(yield_per=CHUNK_ROWS)
    return _in_parts(lambda: connection.stream(streamed))


async def _in_parts(run: Callable[[], Awaitable[Any]]) -> AsyncGenerator[Sequence[Any]]:
    """Fetch part by part what a statement gives, once it has been run."""
    # A reader who goes cancels nothing half-way: SQLite's driver never ends a connection that was cut so.
    with CancelScope(shield=True):
        result = await run()
    try:
        while True:
            with CancelScope(shield=True):
                part = await result.fetchmany(CHUNK_ROWS)
            if not part:
                return
            yield part
    finally:
        with CancelScope(shield=True):
            await result.close()


async def text_columns(
    database: Database, connection: Connection, statement: Select[Any]
) -> AsyncGenerator[list[Sequence[str]]]:
    """Read a statement's columns as texts, part by part: much quicker than rows of values.

    Null is None on SQLite, and no text on PostgreSQL.
    """
    if database.is_sqlite:
        # From the driver itself: SQLAlchemy's rows take as long again as the database.
        query, arguments = _for_driver(connection, _as_texts(statement))
        raw: Any = (await connection.get_raw_connection()).driver_connection
        async with aclosing(_in_parts(lambda: raw.execute(query, arguments))) as parts:
            async for part in parts:
                yield list(zip(*part, strict=True))
        return
    width = len(statement.selected_columns)
    rest = b""
    async with aclosing(_copied(connection, statement)) as chunks:
        async for chunk in chunks:
            whole, end, rest = (rest + chunk).rpartition(b"\n")
            if end:
                cells = whole.decode().replace("\n", "\t").split("\t")
                if b"\\" in whole:
                    cells = [_unescaped(one) if "\\" in one else one for one in cells]
                yield [cells[n::width] for n in range(width)]


def _as_texts(statement: Select[Any]) -> Select[Any]:
    """Let SQLite give what it has stored, as text."""
    texts: list[AnyColumn] = []
    for one in statement.selected_columns:
        plain = one.element if isinstance(one, Label) else one
        text = cast(plain, String) if isinstance(plain.type, Integer) else plain
        texts.append(type_coerce(text, String))
    return statement.with_only_columns(*texts)


_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_MEANT = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def _unescaped(cell: str) -> str:
    """Undo what COPY does to a text."""
    return _ESCAPED.sub(lambda found: _MEANT.get(found[1], found[1]), cell)


def hex_texts(ids: Sequence[str | None]) -> list[str]:
    """Write ids that `text_columns` gave as 32 digits."""
    return "\t".join([one or "" for one in ids]).replace("-", "").split("\t")


def moment_texts(moments: Sequence[str]) -> list[str]:
    """Write moments that `text_columns` gave as `2026-11-16T18:17:03.979960Z`."""
    plain = "\t".join(moments).replace(" ", "T").replace("+00", "").replace("\t", "Z\t") + "Z"
    return [one if len(one) == MOMENT else _whole_moment(one) for one in plain.split("\t")]


def _whole_moment(moment: str) -> str:
    """Put on the zeros that PostgreSQL leaves out."""
    plain = moment.removesuffix("Z")
    return (plain if "." in plain else f"{plain}.").ljust(MOMENT - 1, "0") + "Z"


async def _copied(connection: Connection, statement: Select[Any]) -> AsyncGenerator[bytes]:
    """Let the server write, and hold it back while nobody reads: a full queue stops its sending."""
    query, arguments = _for_driver(connection, statement)
    chunks: asyncio.Queue[bytes | None] = asyncio.Queue(WAITING_CHUNKS)
    raw: Any = (await connection.get_raw_connection()).driver_connection

    async def copy() -> None:
        try:
            await raw.copy_from_query(query, *arguments, output=chunks.put, format="text", null="")
        except Exception:
            await chunks.put(None)
            raise
        await chunks.put(None)

    work = asyncio.create_task(copy())
    try:
        while (chunk := await chunks.get()) is not None:
            yield chunk
        await work
    finally:
        if not work.done():
            # The driver cannot stop a COPY half-way and go on with its connection: that ends here.
            with CancelScope(shield=True):
                raw.terminate()
                work.cancel()
                # Room for what it says at its end.
                while not chunks.empty():
                    chunks.get_nowait()
                await asyncio.gather(work, return_exceptions=True)
                await connection.invalidate()


def _for_driver(connection: Connection, statement: Select[Any]) -> tuple[str, list[Any]]:
    """Write a statement as a connection's driver itself takes it, with its arguments in order."""
    compiled: Any = statement.compile(dialect=connection.dialect)
    whole = compiled.construct_expanded_state()
    processors = {**compiled._bind_processors, **whole.processors}  # noqa: SLF001 - what SQLAlchemy itself applies
    return whole.statement, [
        processors[name](whole.parameters[name]) if name in processors else whole.parameters[name]
        for name in whole.positiontup or ()
    ]
