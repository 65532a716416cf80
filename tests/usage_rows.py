"""Usage put straight into the tables, consistent with its rollups, for tests of what reads it."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlmodel import col

from app.database import Database, Session, upsert
from app.ids import new_id
from app.models.ledger import Wallet
from app.models.metering import CounterKind, MonthCounter
from app.models.usage import UsageDay, UsageDayDetail, UsageHour, UsageRecord
from app.months import month_of

TOKENS = (
    "prompt_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "completion_tokens",
    "reasoning_tokens",
)
TALLY = ("requests", *TOKENS, "cost_micro")
RECORDED = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Made:
    """One call to be recorded."""

    occurred_at: datetime
    member_id: UUID
    api_key_id: UUID
    model: str = "openai/gpt-4.1"
    tag: str | None = None
    tokens: tuple[int, int, int, int, int] = (1000, 100, 10, 250, 50)
    cost_micro: int = 3000
    corrects: UUID | None = None
    event_id: str = ""


def tally(one: Made) -> dict[str, int]:
    """Say what a call adds to sums."""
    return {
        "requests": int(one.corrects is None),
        **dict(zip(TOKENS, one.tokens, strict=True)),
        "cost_micro": one.cost_micro,
    }


async def book(
    database: Database, account_id: UUID, calls: Iterable[Made], recorded_at: datetime = RECORDED
) -> list[UUID]:
    """Record calls in one transaction, as metering would; the records' ids."""
    calls = list(calls)
    async with database.write() as session:
        statement = select(col(Wallet.usage_sequence)).where(col(Wallet.account_id) == account_id)
        last = (await session.execute(statement)).scalar_one()
        rows = [
            {
                "id": new_id(),
                "account_id": account_id,
                "sequence": last + n,
                "event_id": one.event_id or f"event-{last + n}",
                "member_id": one.member_id,
                "api_key_id": one.api_key_id,
                "model": one.model,
                "tag": one.tag,
                **{name: value for name, value in tally(one).items() if name != "requests"},
                "price": "gateway",
                "occurred_at": one.occurred_at,
                "recorded_at": recorded_at,
                "corrects": one.corrects,
            }
            for n, one in enumerate(calls, start=1)
        ]
        await session.execute(insert(UsageRecord), rows)
        for table, key_of in ROLLUPS.items():
            sums: dict[tuple[Any, ...], Counter[str]] = {}
            for one in calls:
                sums.setdefault(key_of(one), Counter()).update(tally(one))
            unique = tuple(column.name for column in table.__table__.primary_key)
            # Counter keeps negative sums when it is updated, unlike when it is added.
            rolled = [
                dict(zip(unique, (account_id, *key), strict=True))
                | {name: total[name] for name in TALLY}
                for key, total in sums.items()
            ]
            await upsert(session, table, rolled, unique=unique, add=TALLY)
        await _count(session, account_id, calls)
        await session.execute(
            update(Wallet)
            .where(col(Wallet.account_id) == account_id)
            .values(usage_sequence=last + len(calls))
        )
    return [row["id"] for row in rows]


async def _count(session: Session, account_id: UUID, calls: list[Made]) -> None:
    """Sum what members and keys used by UTC month."""
    sums: dict[tuple[UUID, CounterKind, date], int] = {}
    last: dict[UUID, datetime] = {}
    for one in calls:
        for subject, kind in (
            (one.member_id, CounterKind.MEMBER),
            (one.api_key_id, CounterKind.API_KEY),
        ):
            place = (subject, kind, month_of(one.occurred_at))
            sums[place] = sums.get(place, 0) + one.cost_micro
            last[subject] = max(one.occurred_at, last.get(subject, one.occurred_at))
    rows = [
        {
            "subject_id": subject,
            "month": month,
            "account_id": account_id,
            "kind": kind,
            "used_micro": used,
            "held_micro": 0,
            "last_used_at": last[subject],
        }
        for (subject, kind, month), used in sums.items()
    ]
    await upsert(
        session,
        MonthCounter,
        rows,
        unique=("subject_id", "month"),
        add=("used_micro",),
        replace=("last_used_at",),
    )


def _hour(one: Made) -> datetime:
    return one.occurred_at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _day(one: Made) -> date:
    return one.occurred_at.astimezone(UTC).date()


ROLLUPS: dict[Any, Any] = {
    UsageHour: lambda one: (_hour(one), one.model),
    UsageDay: lambda one: (_day(one), one.model),
    UsageDayDetail: lambda one: (
        _day(one),
        one.member_id,
        one.api_key_id,
        one.model,
        one.tag or "",
    ),
}
