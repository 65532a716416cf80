"""Outages: which failures mean that the database is away, full, locked or deadlocked. Nothing was committed then."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg  # type: ignore[import-untyped]
import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.errors import Unavailable

log = structlog.get_logger()
# Deadlock, serialization failure, lock timeout, too many connections, disk full, shutting down, starting up.
_PASSING_STATES = ("40P01", "40001", "55P03", "53", "57P", "08")
_READ_ONLY_STATE = "25006"
_PASSING_CODES = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
}


@contextmanager
def outages(*, writing: bool = False) -> Iterator[None]:
    """Turn an outage into `Unavailable`. A database that can only be read is away for `writing`."""
    try:
        yield
    except (
        DBAPIError,
        PoolTimeout,
        OSError,
        asyncpg.PostgresError,
        asyncpg.InterfaceError,
    ) as error:
        if not _is_outage(error, writing=writing):
            raise
        log.warning("database_unavailable", error=type(error).__name__)
        raise Unavailable from error


def _is_outage(error: BaseException, *, writing: bool) -> bool:
    if isinstance(error, PoolTimeout | OSError):
        return True
    if isinstance(error, DBAPIError):
        if error.connection_invalidated:
            return True
        error = error.orig or error
        # SQLAlchemy's own errors of asyncpg name the driver's as their cause.
        error = error.__cause__ or error
    if isinstance(error, sqlite3.Error):
        code = (
            getattr(error, "sqlite_errorcode", 0) & 0xFF
        )  # what is above it says more of the same
        return code in _PASSING_CODES or (writing and code == sqlite3.SQLITE_READONLY)
    if isinstance(error, asyncpg.InterfaceError):
        # A value that the driver cannot send is the fault of the call, not of the connection.
        return not isinstance(error, asyncpg.DataError)
    state = getattr(error, "sqlstate", None) or ""
    return state.startswith(_PASSING_STATES) or (writing and state == _READ_ONLY_STATE)
