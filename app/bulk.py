"""Many rows of many tables at once: on PostgreSQL one statement for all of them, on SQLite one after the other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from operator import itemgetter
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects.postgresql import dialect as postgresql_dialect
from sqlalchemy.dialects.sqlite import dialect as sqlite_dialect

from app.columns import use_sqlite_types
from app.database import Connection, EnumNumber, EnumText, Outrun, Read, Session

_POSTGRESQL: Any = postgresql_dialect()  # type: ignore[no-untyped-call]
_SQLITE: Any = sqlite_dialect()
use_sqlite_types(_SQLITE)
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Way:
    """How rows are written: inserted; with `unique` added to those that are there; with `by` changed in them.

    `add` names numbers that the rows add to, `replace` columns that they replace. Rows that are
    `guarded` name the `version` of what they change, or None where it is locked.
    """

    table: Table
    columns: tuple[str, ...]
    unique: tuple[str, ...] = ()
    by: tuple[str, ...] = ()
    add: tuple[str, ...] = ()
    replace: tuple[str, ...] = ()
    guarded: bool = False


@dataclass(slots=True)
class Changes:
    """What is to be written, in an order in which it may be."""

    parts: list[tuple[Way, Sequence[Row]]] = field(default_factory=list)

    def put(self, way: Way, rows: Sequence[Row]) -> None:
        """Add rows, if there are any."""
        if rows:
            self.parts.append((way, rows))


def locks(connection: Session | Connection) -> bool:
    """Tell whether wallets are locked when they are read; what is written is guarded by their versions otherwise."""
    return getattr(connection, "locking", True)


async def read_all(connection: Connection, reads: Sequence[Read]) -> list[list[Any]]:
    """Run statements that read; the rows of each. Without locks they are all of one moment."""
    if locks(connection):
        return [list((await connection.execute(*one)).all()) for one in reads]
    plain: Any = connection
    return [one.all() for one in await plain.execute_together(reads)]


async def write_all(connection: Session | Connection, changes: Changes) -> None:
    """Write all of it in the running transaction. No two parts may change the same row.

    Raises `Outrun`, with nothing written, where a guarded row has another version by now.
    """
    if not changes.parts:
        return
    plain: Any = connection
    if isinstance(connection, Session):
        # What is new in the session comes first: these rows may refer to it.
        await connection.flush()
        plain = await connection.connection()
    write = _write_each if plain.dialect.name == "sqlite" else _write_together
    await write(plain, changes)


async def _write_each(connection: Any, changes: Changes) -> None:
    """Write one part after the other, as SQLite does it best."""
    for way, rows in changes.parts:
        sql, names = _sqlite_sql(way)
        senders = _senders(way, sqlite=True)
        columns: list[Sequence[Any]] = list(zip(*map(itemgetter(*names), rows), strict=True))
        for place, name in enumerate(names):
            if name in senders:
                columns[place] = list(map(senders[name], columns[place]))
        await connection.exec_driver_sql(sql, list(zip(*columns, strict=True)))


async def _write_together(connection: Any, changes: Changes) -> None:
    """Write all parts by one statement, as PostgreSQL does it best."""
    values = [_plain(way, rows) for way, rows in changes.parts]
    guarded = None
    for way, rows in changes.parts:
        if way.guarded and rows[0]["version"] is not None:
            guarded = way
            values += [[row[name] for row in rows] for name in (*way.by, "version")]
    statement = _sql(tuple(way for way, _rows in changes.parts), guarded)
    written = await connection.exec_driver_sql(statement, tuple(values))
    if guarded is not None and not written.scalar_one():
        raise Outrun


def _plain(way: Way, rows: Sequence[Row]) -> Sequence[Any]:
    """Give rows as PostgreSQL's driver takes them: as rows of their table."""
    senders = _senders(way, sqlite=False)
    if way.guarded:
        rows = [{name: row[name] for name in way.columns} for row in rows]
    if senders:
        rows = [row | {name: send(row[name]) for name, send in senders.items()} for row in rows]
    return rows


Send = Callable[[Any], Any]


@lru_cache(maxsize=256)
def _senders(way: Way, *, sqlite: bool) -> dict[str, Send]:
    """Give what SQLAlchemy passes values through, by their column."""
    found: dict[str, Send] = {}
    for name in way.columns:
        kind = way.table.c[name].type
        # PostgreSQL's driver takes all but enums as they are.
        if sqlite or isinstance(kind, EnumNumber | EnumText):
            send = kind._cached_bind_processor(_SQLITE if sqlite else _POSTGRESQL)  # noqa: SLF001 - what SQLAlchemy itself applies
            if send is not None:
                found[name] = send
    return found


@lru_cache(maxsize=128)
def _sqlite_sql(way: Way) -> tuple[str, tuple[str, ...]]:
    """Write a statement for one row, and name its values in order."""
    table = f'"{way.table.name}"'
    names = way.columns
    if way.by:
        changed = [f'"{name}" = "{name}" + ?' for name in way.add]
        changed += [f'"{name}" = ?' for name in way.replace]
        same = " AND ".join(f'"{name}" = ?' for name in way.by)
        sql = f"UPDATE {table} SET {', '.join(changed)} WHERE {same}"  # noqa: S608 - our own names
        return sql, (*way.add, *way.replace, *way.by)
    marks = ", ".join("?" * len(names))
    sql = f"INSERT INTO {table} AS old ({_names(names)}) VALUES ({marks}){_upsert(way)}"  # noqa: S608 - our own names
    return sql, names


@lru_cache(maxsize=512)
def _sql(ways: tuple[Way, ...], guarded: Way | None) -> str:
    """Write one statement that takes each part's rows as an array of its table's rows, and what the guard asks after them.

    An array for each column takes the driver and the server three times as long.
    """
    condition = "" if guarded is None else " WHERE (SELECT whole FROM held)"
    steps = []
    for place, way in enumerate(ways):
        source = f'unnest(CAST(${place + 1} AS "{way.table.name}"[])) AS new'
        rows = f"(SELECT * FROM {source}{condition}) AS new"  # noqa: S608 - our own names
        steps.append(f"p{place} AS ({_part(way, rows)})")
    if guarded is None:
        return f"WITH {', '.join(steps)} SELECT 1"
    [by] = guarded.by
    ids = f"CAST(${len(ways) + 1} AS UUID[])"
    versions = f"CAST(${len(ways) + 2} AS BIGINT[])"
    # Locked in the order of their ids before anything is written, and what is no longer as it was is left out.
    held = (
        f'SELECT old."{by}" FROM "{guarded.table.name}" AS old'  # noqa: S608 - our own names
        f" JOIN unnest({ids}, {versions}) AS seen(id, version)"
        f' ON old."{by}" = seen.id AND CAST(CAST(old.xmin AS text) AS bigint) = seen.version'
        f' ORDER BY old."{by}" FOR NO KEY UPDATE OF old'
    )
    whole = f"SELECT count(*) = cardinality({ids}) AS whole FROM ({held}) AS kept"  # noqa: S608 - our own names
    return f"WITH held AS MATERIALIZED ({whole}), {', '.join(steps)} SELECT whole FROM held"  # noqa: S608 - our own names


def _part(way: Way, source: str) -> str:
    table = f'"{way.table.name}"'
    if way.by:
        changed = [f'"{name}" = old."{name}" + new."{name}"' for name in way.add]
        changed += [f'"{name}" = new."{name}"' for name in way.replace]
        same = " AND ".join(f'old."{name}" = new."{name}"' for name in way.by)
        return f"UPDATE {table} AS old SET {', '.join(changed)} FROM {source} WHERE {same}"  # noqa: S608 - our own names
    names = _names(way.columns)
    return f"INSERT INTO {table} AS old ({names}) SELECT {names} FROM {source}{_upsert(way)}"  # noqa: S608 - our own names


def _upsert(way: Way) -> str:
    """Say what becomes of a row that is there."""
    if not way.unique:
        return ""
    changed = [f'"{name}" = old."{name}" + excluded."{name}"' for name in way.add]
    changed += [f'"{name}" = excluded."{name}"' for name in way.replace]
    return f" ON CONFLICT ({_names(way.unique)}) DO UPDATE SET {', '.join(changed)}"


def _names(columns: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in columns)
