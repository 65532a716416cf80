"""What reports and exports need of a database in its own dialect: the second half of `app.database`."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime
from itertools import pairwise
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
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
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect
from sqlalchemy.sql.selectable import Select
from sqlalchemy.types import Date

from app.database import Database

AnyColumn = Any
CHUNK_BYTES = 65_536
CHUNK_ROWS = 1_000
WAITING_CHUNKS = 8
# Neither stands in JSON, so that COPY quotes nothing of a line.
_ASYNCPG: Any = asyncpg_dialect  # its constructor is untyped
UNQUOTED = {"delimiter": "\x02", "quote": "\x01"}


def any_of(column: AnyColumn, name: str, *, sqlite: bool) -> ColumnElement[bool]:
    """Ask whether a column is one of the values of a named parameter, so that a statement is made once for all."""
    if sqlite:
        inside: ColumnElement[bool] = column.in_(bindparam(name, expanding=True))
        return inside
    equal: ColumnElement[bool] = column == any_(bindparam(name, type_=ARRAY(column.type)))
    return equal


def bucket_of(
    database: Database, moment: AnyColumn, edges: Sequence[datetime] | Sequence[date]
) -> tuple[ColumnElement[int], ColumnElement[bool]]:
    """Number the bucket, from 0, that a column's moment or day is in; and a condition that has to hold with it.

    The column has to be within the edges: the condition sees to it on SQLite only.
    """
    if not database.is_sqlite:
        kind = DateTime(timezone=True) if isinstance(edges[0], datetime) else Date()
        lower = cast(list(edges[:-1]), ARRAY(kind))
        return cast(func.width_bucket(moment, lower) - 1, BigInteger), true()
    both = [[_stored(one), _stored(other)] for one, other in pairwise(edges)]
    each = func.json_each(json.dumps(both)).table_valued("key", "value", name="bucket")
    begun, ended = (func.json_extract(each.c.value, f"$[{n}]") for n in (0, 1))
    plain = type_coerce(moment, String)
    return type_coerce(each.c.key, BigInteger), and_(plain >= begun, plain < ended)


def _stored(moment: datetime | date) -> str:
    """Write a moment or day as SQLite's rows hold it."""
    if isinstance(moment, datetime):
        return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    return moment.isoformat()


def summed(column: AnyColumn) -> ColumnElement[int]:
    """Sum whole numbers as one of 64 bits; 0 where there is none."""
    return cast(func.coalesce(func.sum(column), 0), BigInteger)


def code_points(database: Database, text: AnyColumn) -> AnyColumn:
    """Order text by code point on both databases."""
    return text if database.is_sqlite else collate(text, "C")


def moment_text(database: Database, moment: AnyColumn) -> AnyColumn:
    """Write a moment as `2026-11-16T18:17:03.979960Z`."""
    if database.is_sqlite:
        plain = type_coerce(moment, String)
        return func.substr(plain, 1, 10).concat("T").concat(func.substr(plain, 12)).concat("Z")
    utc = func.timezone("UTC", moment)
    return func.to_char(utc, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')


def wire_id_text(database: Database, prefix: str, value: AnyColumn) -> AnyColumn:
    """Write an id as `app.ids.wire_id` does; null stays null."""
    if database.is_sqlite:
        return type_coerce(literal_column(f"'{prefix}_'"), String).concat(
            type_coerce(value, String)
        )
    bare = func.replace(cast(value, String), "-", "")
    return type_coerce(literal_column(f"'{prefix}_'"), String).concat(bare)


def credits_text(database: Database, micro: AnyColumn) -> AnyColumn:
    """Write micro-credits as `app.money.credits_text` does."""
    if not database.is_sqlite:
        return cast(micro * literal_column("0.000001"), String)
    return func.printf(
        "%s%d.%06d",
        literal_column("''").concat(func.iif(micro < 0, "-", "")),
        func.abs(micro) / literal_column("1000000"),
        func.abs(micro) % literal_column("1000000"),
    )


def json_text(database: Database, text: AnyColumn) -> AnyColumn:
    """Write a text as JSON, null as null."""
    if database.is_sqlite:
        return func.json_quote(text)
    return func.coalesce(cast(func.to_json(text), String), "null")


async def stream_rows(database: Database, statement: Select[Any]) -> AsyncIterator[list[Any]]:
    """Read a statement's rows in parts, in constant memory, from one snapshot."""
    async with database.snapshot() as connection:
        result = await connection.stream(statement.execution_options(yield_per=CHUNK_ROWS))
        async for part in result.partitions():
            yield list(part)


async def copy_csv(database: Database, statement: Select[Any]) -> AsyncIterator[bytes]:
    """Stream a statement by PostgreSQL's own COPY as CSV of RFC 4180, without a header row."""
    async for chunk in _copied(database, statement, {}):
        # RFC 4180 ends lines by both; within quotes either is as good.
        yield chunk.replace(b"\n", b"\r\n")


async def copy_lines(database: Database, statement: Select[Any]) -> AsyncIterator[bytes]:
    """Stream a statement of one column of JSON by PostgreSQL's own COPY, a line a row, as it is."""
    async for chunk in _copied(database, statement, UNQUOTED):
        yield chunk


async def _copied(
    database: Database, statement: Select[Any], options: dict[str, str]
) -> AsyncIterator[bytes]:
    """Let the server write, and hold it back while nobody reads: a full queue stops its sending."""
    query, arguments = _for_asyncpg(statement)
    chunks: asyncio.Queue[bytes | None] = asyncio.Queue(WAITING_CHUNKS)
    async with database.snapshot() as connection:
        raw: Any = (await connection.get_raw_connection()).driver_connection

        async def copy() -> None:
            try:
                await raw.copy_from_query(
                    query, *arguments, output=chunks.put, format="csv", **options
                )
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
            work.cancel()
            with suppress(asyncio.CancelledError):
                await work


def _for_asyncpg(statement: Select[Any]) -> tuple[str, list[Any]]:
    """Write a statement as the driver itself takes it, with its arguments in order."""
    compiled: Any = statement.compile(
        dialect=_ASYNCPG(), compile_kwargs={"render_postcompile": True}
    )
    values, processors = compiled.construct_params(), compiled._bind_processors  # noqa: SLF001 - what SQLAlchemy itself applies
    return str(compiled), [
        processors[name](values[name]) if name in processors else values[name]
        for name in compiled.positiontup or ()
    ]


async def sqlite_lines(database: Database, statement: Select[Any]) -> AsyncIterator[bytes]:
    """Stream a statement of one text column, a line a row, by a cursor in SQLite's own thread."""
    async with database.snapshot() as connection:
        result = await connection.stream(statement.execution_options(yield_per=CHUNK_ROWS))
        async for part in result.partitions():
            yield "".join([f"{row[0]}\n" for row in part]).encode()
