"""Balances: now, without what has expired, and at past moments, exactly."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from app.database import Database, now
from app.errors import Forbidden, Invalid, NotFound, Refusal
from app.ledger.posting import post
from app.models import LedgerKind
from app.permissions import Role
from app.resolvers.balances import BalanceRow, balance
from tests.ledger.books import keep_books, use
from tests.scene import Scene

SUMS = ("credits", "purchased", "granted", "used", "refunded", "adjusted")


async def clock(database: Database) -> datetime:
    row = await database.row(select(now()))
    assert row is not None
    return row[0]


def sums(row: BalanceRow) -> tuple[int, ...]:
    return tuple(getattr(row, name) for name in SUMS)


async def test_a_new_account_has_nothing(scene: Scene) -> None:
    ann = await scene.person("ann")
    found = await balance(ann, await scene.personal_account(ann))
    assert sums(found) == (0,) * 6
    assert (found.held, found.available, found.month_used) == (0, 0, 0)
    assert found.month_start <= found.as_of < found.month_end


async def test_a_hold_counts_until_it_expires_and_available_is_never_below_zero(
    scene: Scene, shift_clock: Callable[[timedelta], None]
) -> None:
    ann = await scene.person("ann")
    account_id = await scene.organization(ann, "Acme")
    await keep_books(scene.database, account_id, granted=20)
    found = await balance(ann, account_id)
    assert sums(found) == (1, 0, 20, 19, 0, 0)
    assert (found.held, found.available) == (3, 0)
    shift_clock(timedelta(minutes=11))
    found = await balance(scene.fresh(ann), account_id)
    assert (found.held, found.available) == (0, 1)


async def test_many_accounts_are_answered_by_one_statement(scene: Scene) -> None:
    ann, bob = await scene.person("ann"), await scene.person("bob")
    orgs = [await scene.organization(ann, f"Org {n}") for n in range(4)]
    foreign = await scene.organization(bob, "Other")
    for n, one in enumerate(orgs):
        await keep_books(scene.database, one, granted=100 + n)
    await scene.join(orgs[3], bob, role=Role.OWNER)
    await balance.many(ann, [*orgs, foreign])
    seen: list[str] = []
    scene.database.on_statement(seen.append)
    found = await balance.many(ann, orgs)
    assert len(seen) == 1
    assert [one.credits for one in found.values() if isinstance(one, BalanceRow)] == [
        81 + n for n in range(4)
    ]
    assert isinstance((await balance.many(ann, [foreign]))[foreign], NotFound)


async def test_a_member_is_refused_and_a_stranger_finds_nothing(scene: Scene) -> None:
    ann, bob = await scene.person("ann"), await scene.person("bob")
    account_id = await scene.organization(ann, "Acme")
    with pytest.raises(NotFound):
        await balance(bob, account_id)
    await scene.join(account_id, bob)
    with pytest.raises(Forbidden):
        await balance(scene.fresh(bob), account_id)


async def test_a_past_balance_is_what_was_shown_then(
    scene: Scene, shift_clock: Callable[[timedelta], None]
) -> None:
    ann = await scene.person("ann")
    account_id = await scene.organization(ann, "Acme")
    database = scene.database
    shown: list[BalanceRow] = [await balance(ann, account_id)]
    steps = [
        (LedgerKind.TOP_UP, 1000),
        (LedgerKind.USAGE, 30),
        (LedgerKind.USAGE, 7),
        (LedgerKind.REFUND, 100),
        (LedgerKind.USAGE, 11),
        (LedgerKind.GRANT, 50),
        (LedgerKind.DISPUTE, 20),
        (LedgerKind.DISPUTE, -20),
        (LedgerKind.ADJUSTMENT, -900),
        (LedgerKind.USAGE, -5),
    ]
    for n, (kind, amount) in enumerate(steps):
        shift_clock(timedelta(hours=5 * (n % 3), seconds=1))
        if kind is LedgerKind.USAGE and amount > 0:
            await use(database, account_id, (amount,))
        else:
            async with database.write() as session:
                await post(session, account_id, kind, amount)
        shown.append(await balance(ann, account_id))
    for before in shown:
        past = await balance(scene.fresh(ann), account_id, at=before.as_of)
        assert sums(past) == sums(before)
        assert (past.held, past.available) == (None, None)
        assert (past.month_start, past.month_used) == (before.month_start, before.month_used)
    assert (shown[-1].credits, shown[-1].used) == (7, 43)
    long_ago = await balance(ann, account_id, at=shown[0].as_of - timedelta(days=400))
    assert sums(long_ago) == (0,) * 6


async def test_a_moment_that_has_not_come_is_refused(scene: Scene) -> None:
    ann = await scene.person("ann")
    account_id = await scene.personal_account(ann)
    at = await clock(scene.database) + timedelta(minutes=1)
    with pytest.raises(Invalid):
        await balance(ann, account_id, at=at)
    many = await balance.many(ann, [account_id], at=at)
    assert isinstance(many[account_id], Refusal)


async def test_the_month_goes_by_when_calls_were_made(
    scene: Scene, shift_clock: Callable[[timedelta], None]
) -> None:
    ann = await scene.person("ann")
    account_id = await scene.organization(ann, "Acme")
    at = await clock(scene.database)
    first = (at.replace(day=1) + timedelta(days=40)).replace(day=1, hour=1, minute=0)
    shift_clock(first - at)
    await use(scene.database, account_id, (5,), ago=timedelta(hours=3))
    await use(scene.database, account_id, (7,))
    found = await balance(ann, account_id)
    assert (found.used, found.month_used) == (12, 7)
    assert found.month_start.day == 1
    past = await balance(scene.fresh(ann), account_id, at=found.as_of)
    assert (past.used, past.month_used) == (12, 7)
