"""Posting: the plan against a naive model, and the write on both databases."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select
from sqlmodel import col

from app.database import Database, now
from app.ledger.posting import LIFETIME, SIDES, Movement, Postings, movement, plan, post, write
from app.ledger.wallets import WalletState, load_wallets
from app.models import LedgerAccount, LedgerEntry, LedgerKind, Wallet
from app.money import MICRO
from tests.scene import Scene

START = datetime(2026, 3, 31, 22, 0, tzinfo=UTC)
ACCOUNTS = [UUID(int=n) for n in range(3)]
KINDS = st.sampled_from(LedgerKind)
AMOUNTS = st.integers(-5, 5)
MOVES = st.lists(st.tuples(st.integers(0, 2), KINDS, AMOUNTS), max_size=8)
STEPS = st.lists(st.tuples(st.integers(0, 90), MOVES), max_size=8)


class Naive:
    """The ledger as one would write it by hand: each account's list of what happened to it."""

    def __init__(self) -> None:
        self.sums: dict[tuple[UUID, LedgerAccount], int] = {}
        self.entries: dict[UUID, list[list[object]]] = {one: [] for one in ACCOUNTS}

    def move(self, account_id: UUID, kind: LedgerKind, amount: int, at: datetime) -> None:
        """Book one movement."""
        if amount == 0:
            return
        debit, credit = SIDES[kind]
        for side, gained in ((debit, -amount), (credit, amount)):
            self.sums[account_id, side] = self.sums.get((account_id, side), 0) + gained
        gained = amount if credit is LedgerAccount.CREDITS else -amount
        balance = self.sums[account_id, LedgerAccount.CREDITS]
        entries = self.entries[account_id]
        day = at.date()
        if kind is LedgerKind.USAGE and entries and entries[-1][:2] == [kind, day]:
            entries[-1][2] += gained  # type: ignore[operator]
            entries[-1][3] = balance
        else:
            entries.append([kind, day, gained, balance])


def _signed(row: dict[str, object]) -> int:
    amount = row["amount_micro"]
    assert isinstance(amount, int)
    return amount if row["credit"] is LedgerAccount.CREDITS else -amount


def _merge(entries: dict[tuple[UUID, int], list[object]], postings: Postings) -> None:
    for row in postings.entries:
        key = row["account_id"], row["number"]
        assert key not in entries
        entries[key] = [
            row["kind"],
            row["created_at"].date(),
            row["amount_micro"],
            row["balance_after_micro"],
        ]
    for row in postings.extensions:
        entry = entries[row["account_id"], row["number"]]
        entry[2] += row["amount_micro"]
        entry[3] = row["balance_after_micro"]


@given(STEPS)
def test_any_plans_add_up_to_what_a_naive_ledger_says(
    steps: Sequence[tuple[int, Sequence[tuple[int, LedgerKind, int]]]],
) -> None:
    wallets = {one: WalletState(one) for one in ACCOUNTS}
    naive, at = Naive(), START
    entries: dict[tuple[UUID, int], list[object]] = {}
    transfers: list[dict[str, object]] = []
    for minutes, moves in steps:
        at += timedelta(minutes=minutes)
        wanted = [movement(wallets[ACCOUNTS[n]], kind, amount) for n, kind, amount in moves]
        postings = plan([one for one in wanted if one is not None], at)
        for n, kind, amount in moves:
            naive.move(ACCOUNTS[n], kind, amount, at)
        _merge(entries, postings)
        transfers += postings.transfers
        assert [row["id"] for row in postings.transfers] == postings.transfer_ids
    for account_id, wallet in wallets.items():
        expected = naive.entries[account_id]
        assert [entries[account_id, n + 1] for n in range(len(expected))] == expected
        assert wallet.entry_number == len(expected)
        assert wallet.balance_micro == naive.sums.get((account_id, LedgerAccount.CREDITS), 0)
        assert wallet.balance_micro == sum(
            _signed(row) for row in transfers if row["account_id"] == account_id
        )
        assert wallet.balance_micro == (
            wallet.purchased_micro
            + wallet.granted_micro
            + wallet.adjusted_micro
            - wallet.refunded_micro
            - wallet.used_micro
        )
    assert len(entries) == sum(len(one) for one in naive.entries.values())
    assert sum(naive.sums.values()) == 0


def test_each_kind_has_two_sides_and_a_lifetime_sum() -> None:
    assert set(SIDES) == set(LIFETIME) == set(LedgerKind)
    for debit, credit in SIDES.values():
        assert (debit is LedgerAccount.CREDITS) != (credit is LedgerAccount.CREDITS)


def test_a_plan_refuses_amounts_that_are_not_positive_and_one_sided_movements() -> None:
    wallet = WalletState(uuid4())
    credits_, revenue = LedgerAccount.CREDITS, LedgerAccount.REVENUE
    for amount, debit, credit in (
        (0, credits_, revenue),
        (-1, credits_, revenue),
        (1, revenue, revenue),
    ):
        with pytest.raises(ValueError, match="two sides"):
            plan([Movement(wallet, LedgerKind.USAGE, debit, credit, amount)], START)
    assert wallet == WalletState(wallet.account_id)


def test_what_moves_a_dissolved_accounts_credits_moves_dissolved_instead() -> None:
    wallet = WalletState(uuid4(), dissolved_at=START)
    before = asdict(wallet)
    used = movement(wallet, LedgerKind.USAGE, 5)
    paid = movement(wallet, LedgerKind.TOP_UP, 7)
    corrected = movement(wallet, LedgerKind.USAGE, -2)
    assert used
    assert paid
    assert corrected
    sides = [
        (one.debit.value, one.credit.value, one.amount_micro) for one in (used, paid, corrected)
    ]
    assert sides == [
        ("DISSOLVED", "REVENUE", 5),
        ("STRIPE", "DISSOLVED", 7),
        ("REVENUE", "DISSOLVED", 2),
    ]
    postings = plan([used, paid, corrected], START)
    assert asdict(wallet) == before
    assert not postings.entries
    assert [row["entry_number"] for row in postings.transfers] == [None] * 3


async def _entries(database: Database, account_id: UUID) -> list[tuple[str, int, int]]:
    statement = (
        select(
            col(LedgerEntry.kind),
            col(LedgerEntry.amount_micro),
            col(LedgerEntry.balance_after_micro),
        )
        .where(col(LedgerEntry.account_id) == account_id)
        .order_by(col(LedgerEntry.number))
    )
    return [(row[0].value, row[1], row[2]) for row in await database.rows(statement)]


async def _post(scene: Scene, account_id: UUID, kind: LedgerKind, amount: int) -> None:
    async with scene.database.write() as session:
        await post(session, account_id, kind, amount)


async def test_usage_of_one_day_is_one_entry_until_something_else_happens(
    scene: Scene, shift_clock: Callable[[timedelta], None]
) -> None:
    ann = await scene.person("ann")
    account_id = await scene.personal_account(ann)
    row = await scene.database.row(select(now()))
    assert row is not None
    noon = row[0].replace(hour=12, minute=0, second=0, microsecond=0)
    shift_clock(noon - row[0])
    usage, grant = LedgerKind.USAGE, LedgerKind.GRANT
    for kind, amount in (
        (grant, 100),
        (usage, 5),
        (usage, 3),
        (usage, -2),
        (grant, 10),
        (usage, 1),
    ):
        await _post(scene, account_id, kind, amount)
    shift_clock(timedelta(hours=12))
    for amount in (2, 2):
        await _post(scene, account_id, usage, amount)
    assert await _entries(scene.database, account_id) == [
        ("GRANT", 100, 100),
        ("USAGE", -6, 94),
        ("GRANT", 10, 104),
        ("USAGE", -1, 103),
        ("USAGE", -4, 99),
    ]


async def test_a_source_moves_credits_once(scene: Scene) -> None:
    account_id = await scene.personal_account(await scene.person("ann"))

    async def pay() -> bool:
        async with scene.database.write() as session:
            made = await post(
                session, account_id, LedgerKind.TOP_UP, 5 * MICRO, source="stripe:cs_1"
            )
        return made is not None

    assert sum(await asyncio.gather(*(pay() for _ in range(10)))) == 1
    assert await _entries(scene.database, account_id) == [("TOP_UP", 5 * MICRO, 5 * MICRO)]


async def test_many_posts_to_one_wallet_at_once_all_count(scene: Scene) -> None:
    account_id = await scene.personal_account(await scene.person("ann"))
    kinds = [LedgerKind.GRANT, LedgerKind.USAGE]
    await asyncio.gather(*(_post(scene, account_id, kinds[n % 2], n + 1) for n in range(40)))
    entries = await _entries(scene.database, account_id)
    row = await scene.database.row(
        select(col(Wallet.balance_micro), col(Wallet.entry_number)).where(
            col(Wallet.account_id) == account_id
        )
    )
    granted, used = sum(range(1, 40, 2)), sum(range(2, 41, 2))
    assert row is not None
    assert tuple(row) == (granted - used, len(entries))
    balance = 0
    for _kind, amount, after in entries:
        balance += amount
        assert after == balance


async def test_a_write_takes_as_many_statements_for_a_hundred_accounts_as_for_one(
    scene: Scene, database: Database
) -> None:
    people = [await scene.person(f"person {n}") for n in range(20)]
    accounts = [await scene.personal_account(one) for one in people]
    seen: list[str] = []
    database.on_statement(seen.append)

    async def use(some: list[UUID]) -> int:
        seen.clear()
        async with database.write() as session:
            wallets = await load_wallets(session, some)
            moves = [movement(wallet, LedgerKind.USAGE, 1) for wallet in wallets.values()]
            at = (await session.execute(select(now()))).scalar_one()
            await write(session, plan([one for one in moves if one], at))
        return len([one for one in seen if not one.startswith("BEGIN")])

    statements = 5 if database.is_sqlite else 3
    assert await use(accounts[:1]) == await use(accounts[1:]) == await use(accounts) == statements


async def test_every_account_has_a_wallet(scene: Scene) -> None:
    ann = await scene.person("ann")
    await scene.organization(ann, "Acme")
    row = await scene.database.row(select(func.count()).select_from(Wallet))
    assert row is not None
    assert row[0] == 2
