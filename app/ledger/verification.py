"""`r9s verify`: the promises of PRODUCT.md on live data, in one snapshot and in bounded memory."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Uuid, bindparam, func, select, text
from sqlmodel import col

from app.database import Connection, Database, UtcParts, utc_parts
from app.ledger.checks import Check, hold_checks, ledger_checks
from app.ledger.payment_checks import payment_checks
from app.ledger.usage_checks import usage_checks
from app.models import Account, Transfer, UsageRecord

ACCOUNTS_AT_A_TIME = 1000
LAST = (1 << 128) - 1

Told = Callable[[str, int, int], None]
"""Gets the check that comes next, how many steps are done, and how many there are."""


@dataclass(frozen=True, slots=True)
class Wrong:
    """The first row that breaks a promise."""

    check: str
    promise: int
    says: str
    row: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Verified:
    """What was looked at, and the first row that is wrong; None where all is well."""

    checks: int
    accounts: int
    transfers: int
    usage_records: int
    wrong: Wrong | None


def all_checks(parts: UtcParts) -> list[Check]:
    """List the checks, in SQL as this database says hours, days and months."""
    return [*ledger_checks(parts), *payment_checks(), *hold_checks(parts), *usage_checks(parts)]


async def verify(database: Database, told: Told = lambda _name, _done, _of: None) -> Verified:
    """Check the promises 1, 2, 4, 5 and 6 as they stand at one moment, while the system goes on."""
    async with database.snapshot() as connection:
        checks = all_checks(utc_parts(connection))
        ranges = await _ranges(connection)
        wrong = await _first_wrong(connection, checks, ranges, told)
        return Verified(
            checks=len(checks),
            accounts=await _count(connection, Account),
            transfers=await _count(connection, Transfer),
            usage_records=await _count(connection, UsageRecord),
            wrong=wrong,
        )


async def _first_wrong(
    connection: Connection, checks: list[Check], ranges: list[tuple[UUID, UUID]], told: Told
) -> Wrong | None:
    whole = (UUID(int=0), UUID(int=LAST))
    steps = [(one, where) for one in checks for where in (ranges if one.by_account else [whole])]
    for done, (check, where) in enumerate(steps):
        told(check.name, done, len(steps))
        row = await _first(connection, check, where)
        if row is not None:
            return Wrong(check.name, check.promise, check.says, row)
    told("", len(steps), len(steps))
    return None


async def _first(
    connection: Connection, check: Check, where: tuple[UUID, UUID]
) -> dict[str, Any] | None:
    statement = text(check.sql)
    if check.by_account:
        low, high = where
        statement = statement.bindparams(
            bindparam("low", low, type_=Uuid()), bindparam("high", high, type_=Uuid())
        )
    row = (await connection.execute(statement)).first()
    if row is None:
        return None
    return {name: _plain(value) for name, value in row._mapping.items()}  # noqa: SLF001 - a Row's public accessor


def _plain(value: Any) -> Any:
    if isinstance(value, UUID):
        return value.hex
    if isinstance(value, Decimal):
        return int(value)
    return value if value is None or isinstance(value, int) else str(value)


async def _ranges(connection: Connection) -> list[tuple[UUID, UUID]]:
    """Part all possible account ids into ranges of at most so many accounts, gap-free."""
    ranges: list[tuple[UUID, UUID]] = []
    low = 0
    while True:
        statement = (
            select(col(Account.id))
            .where(col(Account.id) >= UUID(int=low))
            .order_by(col(Account.id))
            .limit(1)
            .offset(ACCOUNTS_AT_A_TIME - 1)
        )
        high = (await connection.execute(statement)).scalar_one_or_none()
        if high is None:
            return [*ranges, (UUID(int=low), UUID(int=LAST))]
        ranges.append((UUID(int=low), high))
        low = high.int + 1


async def _count(connection: Connection, model: type[Any]) -> int:
    count: int = (await connection.execute(select(func.count()).select_from(model))).scalar_one()
    return count
