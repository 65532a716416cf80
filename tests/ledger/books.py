"""Books of a small organization, written straight into the tables: what verify must find right."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import insert, select

from app.database import Database, Session, append_only_ddl, drop_append_only_ddl, now, upsert
from app.ids import new_id
from app.ledger.posting import movement, plan, write
from app.ledger.wallets import load_wallets
from app.models import (
    CounterKind,
    Hold,
    HoldStatus,
    LedgerKind,
    MonthCounter,
    UsageDay,
    UsageDayDetail,
    UsageEvent,
    UsageHour,
    UsageRecord,
)
from app.months import month_of

GATEWAY, MEMBER, KEY = (UUID(int=n) for n in (71, 72, 73))
TOKENS = (
    "prompt_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "completion_tokens",
    "reasoning_tokens",
)
APPEND_ONLY = ("transfers", "usage_records", "usage_events")


async def keep_books(database: Database, account_id: UUID, *, granted: int = 1000) -> None:
    """Book a grant, some settled calls with a correction, and holds in each state."""
    async with database.write() as session:
        wallet = (await load_wallets(session, [account_id]))[account_id]
        at = (await session.execute(select(now()))).scalar_one()
        gift = movement(wallet, LedgerKind.GRANT, granted, source=f"grant:{uuid4()}")
        assert gift
        await write(session, plan([gift], at))
    for costs in ((5, 7), (11,)):
        await use(database, account_id, costs)
    await use(database, account_id, (-4,), corrects=True)
    await _hold(database, account_id)


async def use(
    database: Database,
    account_id: UUID,
    costs: Sequence[int],
    *,
    ago: timedelta = timedelta(),
    corrects: bool = False,
) -> None:
    """Book calls of one group: holds that settle, records, events, counters and rollups."""
    async with database.write() as session:
        wallet = (await load_wallets(session, [account_id]))[account_id]
        at = (await session.execute(select(now()))).scalar_one()
        used = movement(wallet, LedgerKind.USAGE, sum(costs))
        postings = plan([used] if used else [], at)
        transfer_id = postings.transfer_ids[0] if used else None
        records = []
        for cost in costs:
            wallet.usage_sequence += 1
            records.append(_record(account_id, wallet.usage_sequence, cost, transfer_id, at, ago))
        postings.wallets[account_id] = wallet
        await write(session, postings)
        if corrects:
            first = await session.execute(
                select(UsageRecord.id).where(
                    UsageRecord.sequence == 1, UsageRecord.account_id == account_id
                )
            )
            for row in records:
                row |= {"corrects": first.scalar_one(), "gateway_id": None, "hold_id": None}
        else:
            await session.execute(insert(Hold), [_settled(row) for row in records])
            await session.execute(insert(UsageEvent), [_event(row) for row in records])
        await session.execute(insert(UsageRecord), records)
        await _sum_up(session, records)


def _record(
    account_id: UUID,
    sequence: int,
    cost: int,
    transfer_id: UUID | None,
    at: datetime,
    ago: timedelta,
) -> dict[str, Any]:
    sign = -1 if cost < 0 else 1
    return {
        "id": new_id(),
        "account_id": account_id,
        "sequence": sequence,
        "event_id": f"event {account_id} {sequence}",
        "gateway_id": GATEWAY,
        "hold_id": new_id(),
        "member_id": MEMBER,
        "api_key_id": KEY,
        "model": "openai/gpt-4.1",
        "tag": None if sequence % 2 else "blue",
        **{name: sign * (n + sequence) for n, name in enumerate(TOKENS)},
        "cost_micro": cost,
        "price": "gateway",
        "occurred_at": at - ago,
        "recorded_at": at,
        "transfer_id": transfer_id,
        "corrects": None,
    }


def _event(row: dict[str, Any]) -> dict[str, Any]:
    names = ("gateway_id", "event_id", "account_id", "hold_id", "cost_micro")
    return {
        **{name: row[name] for name in names},
        "usage_record_id": row["id"],
        "content_hash": b"hash",
        "late": False,
    }


def _settled(row: dict[str, Any]) -> dict[str, Any]:
    return _hold_row(
        row["account_id"], row["occurred_at"], HoldStatus.SETTLED, abs(row["cost_micro"])
    ) | {"id": row["hold_id"]}


def _hold_row(account_id: UUID, at: datetime, status: HoldStatus, amount: int) -> dict[str, Any]:
    return {
        "id": new_id(),
        "account_id": account_id,
        "member_id": MEMBER,
        "api_key_id": KEY,
        "gateway_id": GATEWAY,
        "request_id": uuid4().hex,
        "request_hash": b"hash",
        "asked_micro": amount,
        "amount_micro": amount,
        "month": month_of(at),
        "status": status,
        "authorized_at": at,
        "expires_at": at + timedelta(minutes=10),
        "ended_at": None if status is HoldStatus.OPEN else at,
    }


async def _hold(database: Database, account_id: UUID) -> None:
    async with database.write() as session:
        wallet = (await load_wallets(session, [account_id]))[account_id]
        at = (await session.execute(select(now()))).scalar_one()
        rows = [
            _hold_row(account_id, at, status, 3)
            for status in HoldStatus
            if status is not HoldStatus.SETTLED
        ]
        await session.execute(insert(Hold), rows)
        wallet.held_micro += 3
        postings = plan([], at)
        postings.wallets[account_id] = wallet
        await write(session, postings)
        await _count(session, account_id, month_of(at), held=3)


async def _count(
    session: Session, account_id: UUID, month: date, *, used: int = 0, held: int = 0
) -> None:
    rows = [
        {
            "subject_id": subject,
            "month": month,
            "account_id": account_id,
            "kind": kind,
            "used_micro": used,
            "held_micro": held,
        }
        for subject, kind in ((MEMBER, CounterKind.MEMBER), (KEY, CounterKind.API_KEY))
    ]
    await upsert(
        session,
        MonthCounter,
        rows,
        unique=("subject_id", "month"),
        add=("used_micro", "held_micro"),
    )


async def _sum_up(session: Session, records: list[dict[str, Any]]) -> None:
    names = (*TOKENS, "cost_micro")
    for row in records:
        at = row["occurred_at"]
        tally = {name: row[name] for name in names} | {"requests": int(row["corrects"] is None)}
        of = {"account_id": row["account_id"], "model": row["model"]}
        of_call = {"member_id": MEMBER, "api_key_id": KEY, "tag": row["tag"] or ""}
        for model, keys in (
            (UsageHour, of | {"hour": at.replace(minute=0, second=0, microsecond=0)}),
            (UsageDay, of | {"day": at.date()}),
            (UsageDayDetail, of | of_call | {"day": at.date()}),
        ):
            await upsert(session, model, [keys | tally], unique=tuple(keys), add=tuple(tally))
        await _count(session, row["account_id"], month_of(at), used=row["cost_micro"])


async def without_triggers(database: Database, *statements: Any) -> None:
    """Do what nobody may: change rows of append-only tables."""
    dialect = "sqlite" if database.is_sqlite else "postgresql"
    async with database.write() as session:
        connection = await session.connection()
        for table in APPEND_ONLY:
            for ddl in drop_append_only_ddl(table, dialect):
                await connection.exec_driver_sql(ddl)
        for statement in statements:
            result = await session.execute(statement)
            assert result.rowcount == 1, "the damage missed"
        for table in APPEND_ONLY:
            for ddl in append_only_ddl(table, dialect):
                await connection.exec_driver_sql(ddl)
