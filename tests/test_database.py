"""What every verb relies on: transactions, locks, the clock, types, and outages that wave nothing through."""

import asyncio
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import delete, insert, literal, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError, StatementError
from sqlmodel import col

from app.database import (
    Database,
    EnumNumber,
    EnumText,
    UtcDateTime,
    affected,
    async_url,
    insert_or_ignore,
    locked,
    now,
    skip_locked,
    this_month,
    upsert,
)
from app.errors import Unavailable
from app.ids import new_id
from app.models import (
    Account,
    AuditActorKind,
    AuditEvent,
    LedgerAccount,
    LedgerKind,
    Transfer,
    UsageDay,
)
from app.permissions import AccountKind, Role
from tests.accounts import AT, account, names
from tests.conftest import PostgresServer

# Time.


@pytest.mark.parametrize("moment", [AT, AT.astimezone(timezone(timedelta(hours=5, minutes=45)))])
async def test_a_moment_comes_back_in_utc_to_the_microsecond(
    database: Database, moment: datetime
) -> None:
    async with database.write() as session:
        session.add(account(created_at=moment))
    row = await database.row(select(col(Account.created_at)))
    assert row.created_at == AT
    assert row.created_at.utcoffset() == timedelta()


async def test_the_hours_that_a_clock_shows_twice_are_two(database: Database) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    for fold, hour in ((0, 0), (1, 1), (0, 0)):
        moment = datetime(2026, 10, 25, 2, 30, tzinfo=berlin, fold=fold)
        row = await database.row(select(literal(moment, UtcDateTime())))
        assert row[0] == datetime(2026, 10, 25, hour, 30, tzinfo=UTC)


async def test_a_moment_without_a_zone_is_refused(database: Database) -> None:
    naive = AT.replace(tzinfo=None)
    with pytest.raises(StatementError, match="without a zone"):
        await database.row(select(literal(naive, UtcDateTime())))
    with pytest.raises(StatementError, match="without a zone"):
        async with database.write() as session:
            session.add(account(created_at=naive))
    assert await names(database) == []


async def clock(database: Database) -> datetime:
    row = await database.row(select(now()))
    return row[0]


async def test_the_clock_is_aware_and_never_goes_back(database: Database) -> None:
    first, second = await clock(database), await clock(database)
    assert first.utcoffset() == timedelta()
    assert first <= second


@pytest.mark.parametrize("by", [timedelta(days=400), timedelta(seconds=-1.5), timedelta(hours=2)])
async def test_tests_can_move_the_clock(
    database: Database, shift_clock: Callable[[timedelta], None], by: timedelta
) -> None:
    before = await clock(database)
    shift_clock(by)
    after = await clock(database)
    assert after - before >= by
    assert after - before < by + timedelta(minutes=5)


async def test_the_clock_goes_on_within_a_transaction(
    database: Database, shift_clock: Callable[[timedelta], None]
) -> None:
    async with database.write() as session:
        before = (await session.execute(select(now()))).scalar_one()
        shift_clock(timedelta(hours=1))
        after = (await session.execute(select(now()))).scalar_one()
    assert after - before >= timedelta(hours=1)


async def test_what_was_stored_compares_with_the_clock(database: Database) -> None:
    at = await clock(database)
    async with database.write() as session:
        session.add(account("past", created_at=at - timedelta(minutes=5)))
        session.add(account("future", created_at=at + timedelta(minutes=5)))
    past = select(col(Account.slug)).where(col(Account.created_at) <= now())
    assert [row.slug for row in await database.rows(past)] == ["past"]


async def test_the_month_is_that_of_the_clock_in_utc(
    database: Database, shift_clock: Callable[[timedelta], None]
) -> None:
    at = await clock(database)
    for moment in (
        datetime(2027, 2, 28, 23, 50, tzinfo=UTC),
        datetime(2027, 3, 1, 0, 10, tzinfo=UTC),
        datetime(2028, 2, 29, 12, 0, tzinfo=UTC),
    ):
        shift_clock(moment - at)
        at = moment
        row = await database.row(select(this_month()))
        assert row[0] == date(moment.year, moment.month, 1)


# Transactions.


async def test_a_write_is_there_when_it_ends(database: Database, impatient: Database) -> None:
    async with database.write() as session:
        session.add(account())
        await session.flush()
        assert await names(impatient) == []
    assert await names(impatient) == ["Acme"]


async def test_a_write_that_raises_leaves_nothing(database: Database) -> None:
    async def break_off() -> None:
        async with database.write() as session:
            session.add(account())
            await session.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await break_off()
    assert await names(database) == []


async def test_a_write_that_is_cancelled_leaves_nothing_and_blocks_nobody(
    database: Database,
) -> None:
    inside = asyncio.Event()

    async def never_ends() -> None:
        async with database.write() as session:
            session.add(account())
            await session.flush()
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(never_ends())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await names(database) == []
    async with database.write() as session:
        session.add(account())
    assert await names(database) == ["Acme"]


@pytest.mark.parametrize(
    "statement",
    [
        insert(Account).values(**account().model_dump()),
        update(Account).values(name="Other"),
        delete(Account),
        text("CREATE TABLE more (id INTEGER)"),
        text("DROP TABLE accounts"),
    ],
    ids=["insert", "update", "delete", "create", "drop"],
)
async def test_reading_cannot_write(database: Database, statement: Any) -> None:
    async with database.write() as session:
        session.add(account("first"))
    with pytest.raises(DBAPIError):
        async with database.read() as connection:
            await connection.execute(statement)
    assert await names(database) == ["Acme"]
    async with database.write() as session:
        session.add(account("second"))


async def test_broken_rules_are_no_outage(database: Database) -> None:
    async with database.write() as session:
        session.add(account())
    with pytest.raises(IntegrityError):
        async with database.write() as session:
            session.add(account())
    with pytest.raises(DBAPIError):
        await database.rows(text("SELECT nothing FROM nowhere"))
    assert await names(database) == ["Acme"]


async def test_every_statement_is_told(database: Database) -> None:
    heard: list[str] = []
    database.on_statement(heard.append)
    await database.rows(select(col(Account.id)))
    async with database.write() as session:
        session.add(account())
    told = [one for one in heard if not one.startswith("BEGIN")]
    assert [one.split()[0] for one in told] == ["SELECT", "INSERT"]


# Locks.


async def test_a_locked_row_waits_for_its_holder(database: Database, impatient: Database) -> None:
    async with database.write() as session:
        session.add(account())
    statement = locked(select(Account), Account)
    async with database.write() as holder:
        held = (await holder.execute(statement)).scalar_one()
        with pytest.raises(Unavailable):
            async with impatient.write() as session:
                await session.execute(statement)
        assert await names(impatient) == ["Acme"], "reading waits for nobody"
        held.name = "Acme Two"
    async with impatient.write() as session:
        assert (await session.execute(statement)).scalar_one().name == "Acme Two"


async def test_locked_counting_loses_nothing(database: Database) -> None:
    async with database.write() as session:
        session.add(account(default_quota=0))

    async def count() -> None:
        async with database.write() as session:
            row = (await session.execute(locked(select(Account), Account))).scalar_one()
            row.default_quota += 1

    await asyncio.gather(*(count() for _ in range(40)))
    row = await database.row(select(col(Account.default_quota)))
    assert row[0] == 40


async def test_skip_locked_leaves_out_what_others_hold(
    postgres: PostgresServer, postgres_template: str
) -> None:
    name = postgres.create(postgres_template)
    database = Database(postgres.url(name))
    async with database.write() as session:
        session.add_all([account("one"), account("two")])
    one = select(col(Account.slug)).order_by(col(Account.slug)).limit(1)
    async with database.write() as first, database.write() as second:
        assert (await first.execute(skip_locked(one))).scalars().all() == ["one"]
        assert (await second.execute(skip_locked(one))).scalars().all() == ["two"]
    await database.dispose()
    postgres.drop(name)


# Bulk.


async def test_insert_or_ignore_inserts_once(database: Database) -> None:
    async with database.write() as session:
        assert await insert_or_ignore(session, account(name="First"), ("slug",))
        assert not await insert_or_ignore(session, account(name="Second"), ("slug",))
    assert await names(database) == ["First"]


async def test_upsert_adds_and_replaces(database: Database) -> None:
    key = {"account_id": new_id(), "day": date(2026, 11, 1)}
    empty = {name: 0 for name in UsageDay.model_fields if name not in {*key, "model"}}

    def tally(model: str, requests: int, cost: int) -> dict[str, Any]:
        return {**empty, **key, "model": model, "requests": requests, "cost_micro": cost}

    unique = ("account_id", "day", "model")
    async with database.write() as session:
        await upsert(session, UsageDay, [], unique=unique)
        for rows in ([tally("a", 1, 10), tally("b", 2, 20)], [tally("a", 5, 7)]):
            await upsert(session, UsageDay, rows, unique=unique, add=("requests",))
        await upsert(session, UsageDay, [tally("b", 9, 9)], unique=unique, replace=("cost_micro",))
    found = await database.rows(
        select(col(UsageDay.model), col(UsageDay.requests), col(UsageDay.cost_micro)).order_by(
            col(UsageDay.model)
        )
    )
    assert [tuple(row) for row in found] == [("a", 6, 10), ("b", 2, 9)]


async def test_affected_counts_changed_rows(database: Database) -> None:
    async with database.write() as session:
        session.add_all([account("one"), account("two"), account("three", name="Other")])
        await session.flush()
        changed = await session.execute(
            update(Account).where(col(Account.name) == "Acme").values(default_quota=5)
        )
        assert affected(changed) == 2


# What is written once.


def _written_once(account_id: Any) -> list[Any]:
    event = AuditEvent(
        account_id=account_id,
        action="x",
        actor_kind=AuditActorKind.SYSTEM,
        actor_name="system",
        at=AT,
    )
    transfer = Transfer(
        account_id=account_id,
        kind=LedgerKind.GRANT,
        debit=LedgerAccount.GRANTS,
        credit=LedgerAccount.CREDITS,
        amount_micro=5,
        created_at=AT,
    )
    return [event, transfer]


@pytest.mark.parametrize("which", [0, 1], ids=["audit_events", "transfers"])
@pytest.mark.parametrize("verb", ["update", "delete"])
async def test_what_is_written_once_stays(database: Database, which: int, verb: str) -> None:
    async with database.write() as session:
        made = account()
        session.add(made)
        await session.flush()
        session.add_all(_written_once(made.id))
    model: Any = (AuditEvent, Transfer)[which]
    before = [tuple(row) for row in await database.rows(select(model.__table__))]
    statement = delete(model) if verb == "delete" else update(model).values(account_id=new_id())
    with pytest.raises(DBAPIError, match="append-only"):
        async with database.write() as session:
            await session.execute(statement)
    assert [tuple(row) for row in await database.rows(select(model.__table__))] == before
    assert len(before) == 1


# Types.


@pytest.mark.parametrize("wrong", [15, "OWNER", -1])
async def test_a_role_that_nobody_knows_is_neither_stored_nor_read(
    database: Database, wrong: Any
) -> None:
    with pytest.raises(StatementError):
        await database.row(select(literal(wrong, EnumNumber(Role))))
    stored = text("SELECT 15 AS role").columns(role=EnumNumber(Role))
    with pytest.raises(LookupError, match="15"):
        await database.row(stored)


async def test_enumerations_come_back_as_themselves(database: Database) -> None:
    async with database.write() as session:
        session.add(account(kind=AccountKind.PERSONAL))
    row = await database.row(select(col(Account.kind)))
    assert row.kind is AccountKind.PERSONAL
    for kind, value in (
        (EnumNumber(Role), Role.ADMIN),
        (EnumText(AccountKind), AccountKind.PERSONAL),
    ):
        assert (await database.row(select(literal(value, kind))))[0] is value
        assert (await database.row(select(literal(None, kind))))[0] is None


@pytest.mark.parametrize(
    ("given", "full"),
    [
        ("sqlite:///var/r9s.sqlite3", "sqlite+aiosqlite:///var/r9s.sqlite3"),
        ("postgresql://u:p@db.example:5432/r9s", "postgresql+asyncpg://u:p@db.example:5432/r9s"),
        # As psql and every hosted PostgreSQL write it; asyncpg has another word for it.
        (
            "postgresql://db.example/r9s?sslmode=require",
            "postgresql+asyncpg://db.example/r9s?ssl=require",
        ),
    ],
)
def test_the_driver_is_added_to_an_address(given: str, full: str) -> None:
    assert async_url(given).render_as_string(hide_password=False) == full
