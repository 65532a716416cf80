# ruff: noqa: S608 - every word of these statements is our own
"""Verify: right books pass, each kind of damage is found and its row named."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Uuid, bindparam, select, text

from app.database import Database, UtcDateTime, now, utc_parts
from app.ledger import verification
from app.ledger.payment_checks import payment_checks
from app.ledger.posting import movement, plan, post, write
from app.ledger.verification import all_checks, verify
from app.ledger.wallets import load_wallets
from app.models import LedgerKind
from tests.ledger.books import keep_books, use, without_triggers
from tests.scene import Scene


@dataclass(frozen=True)
class Damage:
    """A statement that breaks one row, the check that must find it, and what of the row it must show."""

    check: str
    sql: str
    shows: dict[str, Any]


FIRST_RECORD = "WHERE account_id = :account AND sequence = 1"
LAST_RECORD = "WHERE account_id = :account AND sequence = 4"
OWN = "WHERE account_id = :account"

DAMAGES = [
    Damage("accounts", "UPDATE wallets SET dissolved_at = :moment " + OWN, {"slug": "acme"}),
    Damage(
        "transfers",
        "UPDATE transfers SET debit = 'STRIPE' WHERE account_id = :account AND kind = 'GRANT'",
        {"kind": "GRANT", "debit": "STRIPE"},
    ),
    Damage(
        "transfers",
        "UPDATE transfers SET entry_number = NULL WHERE account_id = :account AND kind = 'GRANT'",
        {"kind": "GRANT", "entry_number": None},
    ),
    Damage(
        "wallets",
        "UPDATE wallets SET balance_micro = balance_micro + 1, granted_micro = granted_micro + 1 "
        + OWN,
        {"balance_micro": 1, "granted_micro": 1, "used_micro": 0},
    ),
    Damage(
        "wallets",
        "UPDATE wallets SET used_micro = used_micro - 1, refunded_micro = refunded_micro + 1 "
        + OWN,
        {"balance_micro": 0, "used_micro": -1, "refunded_micro": 1},
    ),
    Damage(
        "wallets",
        "UPDATE transfers SET amount_micro = 1001 WHERE account_id = :account AND kind = 'GRANT'",
        {"balance_micro": -1, "granted_micro": -1},
    ),
    Damage(
        "entries",
        "UPDATE ledger_entries SET balance_after_micro = balance_after_micro + 1 "
        + OWN
        + " AND number = 2",
        {"number": 2, "balance_before_micro": 1000},
    ),
    Damage(
        "entries", "UPDATE ledger_entries SET number = 7 " + OWN + " AND number = 2", {"number": 7}
    ),
    Damage(
        "entry_sums",
        "UPDATE ledger_entries SET amount_micro = amount_micro + 1,"
        " balance_after_micro = balance_after_micro + 1 " + OWN + " AND number = 2",
        {"number": 2, "amount_micro": 1},
    ),
    Damage(
        "entry_kinds",
        "UPDATE ledger_entries SET kind = 'ADJUSTMENT' " + OWN + " AND number = 1",
        {"number": 1, "kind": "GRANT", "entry_kind": "ADJUSTMENT"},
    ),
    Damage(
        "numbers",
        "UPDATE wallets SET entry_number = entry_number + 1 " + OWN,
        {"entry_number": 1, "usage_sequence": 0},
    ),
    Damage(
        "numbers",
        "UPDATE wallets SET usage_sequence = usage_sequence - 1 " + OWN,
        {"entry_number": 0, "usage_sequence": -1},
    ),
    Damage("held", "UPDATE wallets SET held_micro = held_micro + 2 " + OWN, {"held_micro": 2}),
    Damage(
        "held",
        "DELETE FROM holds WHERE account_id = :account AND status = 'OPEN'",
        {"held_micro": 3},
    ),
    Damage(
        "counters_held",
        "UPDATE month_counters SET held_micro = held_micro + 2 " + OWN + " AND kind = 'MEMBER'",
        {"held_micro": 2},
    ),
    Damage(
        "holds",
        "UPDATE holds SET ended_at = NULL WHERE account_id = :account AND status = 'RELEASED'",
        {"status": "RELEASED", "ended_at": None},
    ),
    Damage(
        "settlements",
        "UPDATE holds SET status = 'SETTLED' WHERE account_id = :account AND status = 'RELEASED'",
        {"times": 1},
    ),
    Damage(
        "settlements",
        "UPDATE holds SET status = 'RELEASED' WHERE id ="
        " (SELECT hold_id FROM usage_records " + FIRST_RECORD + ")",
        {"times": -1},
    ),
    Damage(
        "usage_transfers",
        "UPDATE usage_records SET cost_micro = cost_micro + 1 " + FIRST_RECORD,
        {"cost_micro": -1},
    ),
    Damage(
        "usage_transfers",
        "UPDATE usage_records SET transfer_id = NULL " + FIRST_RECORD,
        {},
    ),
    Damage(
        "sequences",
        "UPDATE usage_records SET sequence = 9 " + FIRST_RECORD,
        {"sequence": 2, "sequence_before": 0},
    ),
    Damage(
        "corrections",
        "UPDATE usage_records SET corrects = id " + LAST_RECORD,
        {},
    ),
    Damage(
        "events_of_records",
        "UPDATE usage_records SET event_id = 'other' " + FIRST_RECORD,
        {"event_id": "other"},
    ),
    Damage(
        "events_of_records",
        "UPDATE usage_events SET cost_micro = 99 WHERE usage_record_id ="
        " (SELECT id FROM usage_records " + FIRST_RECORD + ")",
        {},
    ),
    Damage(
        "records_of_events",
        "UPDATE usage_records SET gateway_id = NULL " + FIRST_RECORD,
        {},
    ),
    Damage(
        "counters_used",
        "UPDATE month_counters SET used_micro = used_micro - 1 " + OWN + " AND kind = 'API_KEY'",
        {"used_micro": -1},
    ),
    Damage(
        "usage_hours",
        "UPDATE usage_hours SET requests = requests + 1 " + OWN,
        {"requests": 1, "cost_micro": 0},
    ),
    Damage(
        "usage_days",
        "UPDATE usage_days SET reasoning_tokens = reasoning_tokens + 5 " + OWN,
        {"reasoning_tokens": 5},
    ),
    Damage("usage_days", "DELETE FROM usage_days " + OWN, {"requests": -3, "cost_micro": -19}),
    Damage(
        "usage_day_details",
        "UPDATE usage_day_details SET tag = 'red' " + OWN + " AND tag = 'blue'",
        {"requests": -1, "tag": "blue"},
    ),
]


async def _books(scene: Scene) -> Any:
    ann = await scene.person("ann")
    account_id = await scene.organization(ann, "Acme")
    await keep_books(scene.database, account_id)
    return account_id


async def test_right_books_pass_and_are_counted(scene: Scene, database: Database) -> None:
    account_id = await _books(scene)
    await use(database, account_id, (2, -2))
    found = await verify(database)
    assert found.wrong is None
    assert (found.accounts, found.transfers, found.usage_records) == (2, 4, 6)


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda one: f"{one.check}:{one.sql[:48]}")
async def test_each_damage_is_found_and_its_row_named(
    scene: Scene, database: Database, damage: Damage
) -> None:
    account_id = await _books(scene)
    statement = text(damage.sql).bindparams(bindparam("account", account_id, type_=Uuid()))
    if ":moment" in damage.sql:
        row = await database.row(select(now()))
        assert row is not None
        statement = statement.bindparams(bindparam("moment", row[0], type_=UtcDateTime()))
    await without_triggers(database, statement)
    wrong = (await verify(database)).wrong
    assert wrong is not None
    assert wrong.check == damage.check, wrong
    assert wrong.row.items() >= damage.shows.items()
    assert wrong.row.get("account_id", account_id.hex) == account_id.hex
    assert wrong.says


async def test_every_check_has_its_damage(database: Database) -> None:
    async with database.snapshot() as connection:
        names = {one.name for one in all_checks(utc_parts(connection))}
    elsewhere = {"sources", *(one.name for one in payment_checks())}
    assert names - {one.check for one in DAMAGES} == elsewhere


async def test_a_cause_that_moved_credits_twice_is_found(scene: Scene, database: Database) -> None:
    account_id = await _books(scene)
    async with database.write() as session:
        # Nothing else lets it happen.
        await session.execute(text("DROP INDEX uq_transfers_source"))
        for _time in range(2):
            wallet = (await load_wallets(session, [account_id]))[account_id]
            at = (await session.execute(select(now()))).scalar_one()
            paid = movement(wallet, LedgerKind.TOP_UP, 5, source="stripe:cs_1")
            assert paid
            await write(session, plan([paid], at))
    wrong = (await verify(database)).wrong
    assert wrong is not None
    assert (wrong.check, wrong.row) == ("sources", {"source": "stripe:cs_1", "transfers": 2})


async def test_damage_is_found_in_any_of_many_ranges_of_accounts(
    scene: Scene, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "ACCOUNTS_AT_A_TIME", 2)
    people = [await scene.person(f"person {n}") for n in range(5)]
    accounts = [await scene.personal_account(one) for one in people]
    told: list[tuple[str, int, int]] = []
    assert (await verify(database, lambda *step: told.append(step))).wrong is None
    assert told[-1][1] == told[-1][2]
    assert [step[1] for step in told] == list(range(len(told)))
    for account_id in accounts:
        damage = text("UPDATE wallets SET held_micro = 5 WHERE account_id = :account")
        mend = text("UPDATE wallets SET held_micro = 0 WHERE account_id = :account")
        for statement, expected in ((damage, account_id.hex), (mend, None)):
            async with database.write() as session:
                await session.execute(
                    statement.bindparams(bindparam("account", account_id, type_=Uuid()))
                )
            wrong = (await verify(database)).wrong
            assert (wrong and wrong.row["account_id"]) == expected


async def test_it_sees_one_moment_while_credits_move(scene: Scene, database: Database) -> None:
    account_id = await _books(scene)

    async def move() -> None:
        for n in range(15):
            async with database.write() as session:
                await post(session, account_id, LedgerKind.GRANT, n + 1)
            await use(database, account_id, (n,))

    results = await asyncio.gather(move(), *(verify(database) for _ in range(3)))
    assert [one.wrong for one in results[1:]] == [None] * 3
    assert (await verify(database)).wrong is None


async def test_usage_over_midnight_and_a_month_is_right(
    scene: Scene, database: Database, shift_clock: Callable[[timedelta], None]
) -> None:
    account_id = await _books(scene)
    for hours in (13, 13, 24 * 31):
        shift_clock(timedelta(hours=hours))
        await use(database, account_id, (3, 4), ago=timedelta(hours=30))
    assert (await verify(database)).wrong is None
