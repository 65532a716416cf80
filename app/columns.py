"""What rows hold and how time is asked for, in each database's dialect: column types, and the database's clock."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from functools import lru_cache
from typing import Any, TypeVar
from uuid import UUID, SafeUUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Date,
    DateTime,
    Dialect,
    ScalarSelect,
    SmallInteger,
    String,
    TypeDecorator,
    Uuid,
    bindparam,
    select,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.visitors import InternalTraversal

T = TypeVar("T")
Micro = BigInteger
Read = Callable[[Any], Any]
"""How a column's value is read from what the driver gives."""


def _in_utc(value: datetime | None) -> datetime | None:
    if value is not None and value.tzinfo is None:
        raise ValueError("a time without a zone")
    return value.astimezone(UTC) if value is not None else None


@lru_cache(maxsize=4096)
def _written(moment: datetime) -> str:
    """Write a moment in UTC: in another zone, the two hours that a clock shows twice would be equal."""
    return moment.replace(tzinfo=None).isoformat(" ", "microseconds")


def sqlite_moment(value: datetime | None) -> str | None:
    """Write a moment as SQLite's rows hold it: most of those that are written together are the same."""
    moment = _in_utc(value)
    return None if moment is None else _written(moment)


def _moment_of_sqlite(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(f"{value}+00:00")


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC, to the microsecond. Refuses naive times; gives back aware ones on both databases."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy gives it
        """Refuse what has no zone."""
        return _in_utc(value)

    def bind_processor(self, dialect: Dialect) -> Read | None:
        """Write for SQLite what its own type writes. SQLAlchemy's own writer takes ten times as long."""
        return sqlite_moment if dialect.name == "sqlite" else super().bind_processor(dialect)

    def result_processor(self, dialect: Dialect, coltype: object) -> Read | None:  # noqa: ARG002 - SQLAlchemy gives it
        """SQLite holds a text without a zone; it is UTC. SQLAlchemy's own reader takes three times as long."""
        return _moment_of_sqlite if dialect.name == "sqlite" else None


class _EnumColumn(TypeDecorator[Any]):
    """Stores an enumeration's values; SQLAlchemy's own way to store one takes four times as long."""

    cache_ok = True

    def __init__(self, kind: type[Enum], *arguments: Any) -> None:
        super().__init__(*arguments)
        self.kind = kind
        self._read = {None: None, **{one.value: one for one in kind}}
        self._stored = {value: value for value in self._read} | {one: one.value for one in kind}

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:  # noqa: ARG002 - SQLAlchemy gives it
        """Store a value; an unknown one raises."""
        return self._stored[value]

    def bind_processor(self, dialect: Dialect) -> Read | None:  # noqa: ARG002 - SQLAlchemy gives it
        """Store a value; an unknown one raises."""
        return self._stored.__getitem__

    def result_processor(self, dialect: Dialect, coltype: object) -> Read | None:  # noqa: ARG002 - SQLAlchemy gives it
        """Read a value; an unknown one raises."""
        return self._read.__getitem__


class EnumNumber(_EnumColumn):
    """An `IntEnum` stored as its number."""

    impl = SmallInteger
    cache_ok = True


class EnumText(_EnumColumn):
    """An `Enum` with text values, stored as text; a named CHECK stands beside it in each table."""

    impl = String
    cache_ok = True

    def __init__(self, kind: type[Enum]) -> None:
        super().__init__(kind, max(len(member.value) for member in kind))


class _SqliteUuid(Uuid[UUID]):
    """SQLite holds 32 digits. `UUID(digits)` looks at them, and at what else it may be given, three times as long."""

    cache_ok = True

    def result_processor(self, dialect: Dialect, coltype: object) -> Read | None:  # noqa: ARG002 - SQLAlchemy gives it
        """Read the digits."""
        return _uuid_of_sqlite


def _uuid_of_sqlite(digits: str | None) -> UUID | None:
    if digits is None:
        return None
    made = _new(UUID)
    _set(made, "int", int(digits, 16))
    _set(made, "is_safe", SafeUUID.unknown)
    return made


_new, _set = object.__new__, object.__setattr__


class _SqliteDate(Date):
    """SQLite holds an ISO date. SQLAlchemy's own writer takes three times as long."""

    def bind_processor(self, dialect: Dialect) -> Read | None:  # noqa: ARG002 - SQLAlchemy gives it
        """Write the day."""
        return _day_of

    def result_processor(self, dialect: Dialect, coltype: object) -> Read | None:  # noqa: ARG002 - SQLAlchemy gives it
        """Read the day."""
        return _day_from


def _day_of(value: date | None) -> str | None:
    return None if value is None else date.isoformat(value)[:10]


def _day_from(value: str | None) -> date | None:
    return None if value is None else date.fromisoformat(value)


def use_sqlite_types(dialect: Any) -> None:
    """Let a dialect of SQLite read and write ids and days by the types above."""
    dialect.colspecs = {**dialect.colspecs, Uuid: _SqliteUuid, Date: _SqliteDate}


def folded(length: int) -> String:
    """Text that sorts by code point on both databases."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")


class _ClockShift:
    """How far tests have moved the clock. Nothing else may touch it."""

    by = timedelta()


def _shift_text() -> str:
    return f"{_ClockShift.by.total_seconds():+.3f} seconds"


class now(ColumnElement[datetime]):  # noqa: N801 - reads as SQL's own now()
    """The database's clock: the one source of time for everything that is decided or stored."""

    type = UtcDateTime()
    inherit_cache = True
    # Without it no statement that asks for the time would be kept compiled.
    _traverse_internals = [("shift", InternalTraversal.dp_clauseelement)]  # noqa: RUF012 - as SQLAlchemy declares it

    def __init__(self) -> None:
        self.shift = bindparam("clock_shift", callable_=_shift_text, type_=String, unique=True)


@compiles(now, "sqlite")
def _now_sqlite(element: now, compiler: Any, **kwargs: Any) -> str:
    return f"strftime('%Y-%m-%d %H:%M:%f000', 'now', {compiler.process(element.shift, **kwargs)})"


@compiles(now, "postgresql")
def _now_postgresql(element: now, compiler: Any, **kwargs: Any) -> str:
    shift = compiler.process(element.shift, **kwargs)
    return f"(clock_timestamp() + CAST(CAST({shift} AS text) AS interval))"


class this_month(ColumnElement[date]):  # noqa: N801 - reads as SQL, like now()
    """The first day of the UTC month that it is by the database's clock."""

    type = Date()
    inherit_cache = True
    _traverse_internals = [("moment", InternalTraversal.dp_clauseelement)]  # noqa: RUF012 - as SQLAlchemy declares it

    def __init__(self) -> None:
        self.moment = now()


@compiles(this_month, "sqlite")
def _this_month_sqlite(element: this_month, compiler: Any, **kwargs: Any) -> str:
    return f"date({compiler.process(element.moment, **kwargs)}, 'start of month')"


@compiles(this_month, "postgresql")
def _this_month_postgresql(element: this_month, compiler: Any, **kwargs: Any) -> str:
    moment = compiler.process(element.moment, **kwargs)
    return f"CAST(date_trunc('month', {moment} AT TIME ZONE 'UTC') AS date)"


class today(ColumnElement[date]):  # noqa: N801 - reads as SQL, like now()
    """The UTC day that it is by the database's clock."""

    type = Date()
    inherit_cache = True
    _traverse_internals = [("moment", InternalTraversal.dp_clauseelement)]  # noqa: RUF012 - as SQLAlchemy declares it

    def __init__(self) -> None:
        self.moment = now()


@compiles(today, "sqlite")
def _today_sqlite(element: today, compiler: Any, **kwargs: Any) -> str:
    return f"date({compiler.process(element.moment, **kwargs)})"


@compiles(today, "postgresql")
def _today_postgresql(element: today, compiler: Any, **kwargs: Any) -> str:
    return f"CAST({compiler.process(element.moment, **kwargs)} AT TIME ZONE 'UTC' AS date)"


def once(clock: ColumnElement[T]) -> ScalarSelect[T]:
    """Ask the clock once in a statement. Compare a column with this, else no index serves: the clock goes on from row to row."""
    return select(clock).scalar_subquery()
