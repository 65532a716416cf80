"""Booking of usage: the one way in which usage gets in, from the gateway, the operator and an import of history."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Table, insert

from app.database import Connection, Session, upsert
from app.ids import new_id
from app.ledger.posting import Movement, movement, plan, write
from app.metering.books import Books, CounterKey, load_counters, open_books, save_books
from app.metering.pricing import Tokens
from app.models.ledger import LedgerKind
from app.models.usage import UsageDay, UsageDayDetail, UsageEvent, UsageHour, UsageRecord
from app.months import month_of

_RECORDS: Table = UsageRecord.__table__  # type: ignore[attr-defined]
_EVENTS: Table = UsageEvent.__table__  # type: ignore[attr-defined]
_ADD_RECORDS = insert(_RECORDS)
_ADD_EVENTS = insert(_EVENTS)
_HOUR_KEY = ("account_id", "hour", "model")
_DAY_KEY = ("account_id", "day", "model")
_DETAIL_KEY = ("account_id", "day", "member_id", "api_key_id", "model", "tag")
_TALLY = (
    "requests",
    "prompt_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "completion_tokens",
    "reasoning_tokens",
    "cost_micro",
)


@dataclass(frozen=True, slots=True)
class Usage:
    """One call to be booked; with `corrects` a correction, whose figures may be negative.

    With a `gateway_id` its event id is taken for ever, and `content_hash` tells what it stood for.
    """

    account_id: UUID
    member_id: UUID
    api_key_id: UUID
    event_id: str
    occurred_at: datetime
    model: str
    tokens: Tokens
    cost_micro: int
    price: str
    tag: str | None = None
    gateway_id: UUID | None = None
    hold_id: UUID | None = None
    content_hash: bytes = b""
    late: bool = False
    corrects: UUID | None = None

    @property
    def counter_keys(self) -> tuple[CounterKey, CounterKey]:
        """Name the month counters that it weighs on."""
        month = month_of(self.occurred_at)
        return CounterKey(self.member_id, month), CounterKey(self.api_key_id, month)


async def book(connection: Session | Connection, usages: Sequence[Usage]) -> list[UUID]:
    """Book calls by themselves: locks the wallets of their accounts; the records' ids in the same order.

    At most as many calls as one statement may carry rows: some thousands. Raises `UniqueViolation`
    where a gateway's event id was booked before.
    """
    books = await open_books(connection, {one.account_id for one in usages})
    await load_counters(connection, books, {key for one in usages for key in one.counter_keys})
    counted = [(count_usage(books, one), one) for one in usages]
    await write_usage(connection, books, counted)
    await save_books(connection, books)
    return [record_id for record_id, _one in counted]


def count_usage(books: Books, one: Usage) -> UUID:
    """Count a call in the books, whose counters are loaded; the id that its record will have."""
    used_at = one.occurred_at if one.corrects is None else None
    month = month_of(one.occurred_at)
    both = books.both(one.account_id, one.member_id, one.api_key_id, month)
    books.use(both, one.cost_micro, used_at)
    return new_id()


async def write_usage(
    connection: Session | Connection, books: Books, usages: Sequence[tuple[UUID, Usage]]
) -> None:
    """Write counted calls under their records' ids: transfers, records, events and rollups, a statement each.

    The wallets are changed in the books only: `save_books` writes them.
    """
    if not usages:
        return
    transfer_ids = await _move(connection, books)
    records = []
    for record_id, one in usages:
        wallet = books.wallets[one.account_id]
        wallet.usage_sequence += 1
        books.changed_wallets[one.account_id] = wallet
        transfer_id = transfer_ids.get(one.account_id)
        records.append(_record(record_id, one, wallet.usage_sequence, transfer_id, books.at))
    await connection.execute(_ADD_RECORDS, records)
    events = [_event(record_id, one) for record_id, one in usages if one.gateway_id is not None]
    if events:
        await connection.execute(_ADD_EVENTS, events)
    await _sum_up(connection, [one for _id, one in usages])


async def _move(connection: Session | Connection, books: Books) -> dict[UUID, UUID]:
    """Move what each account's counted calls cost together, by one transfer each; their ids."""
    made = [
        movement(books.wallets[account_id], LedgerKind.USAGE, cost)
        for account_id, cost in books.spent.items()
    ]
    books.spent.clear()
    movements: list[Movement] = [one for one in made if one is not None]
    postings = plan(movements, books.at)
    # Saved once, at the end, with what else changes.
    books.changed_wallets |= postings.wallets
    postings.wallets = {}
    await write(connection, postings)
    return {
        one.wallet.account_id: transfer_id
        for one, transfer_id in zip(movements, postings.transfer_ids, strict=True)
    }


def _record(
    record_id: UUID, one: Usage, sequence: int, transfer_id: UUID | None, at: datetime
) -> dict[str, Any]:
    return {
        "id": record_id,
        "account_id": one.account_id,
        "sequence": sequence,
        "event_id": one.event_id,
        "gateway_id": one.gateway_id,
        "hold_id": one.hold_id,
        "member_id": one.member_id,
        "api_key_id": one.api_key_id,
        "model": one.model,
        "tag": one.tag,
        "prompt_tokens": one.tokens.prompt,
        "cached_tokens": one.tokens.cached,
        "cache_write_tokens": one.tokens.cache_write,
        "completion_tokens": one.tokens.completion,
        "reasoning_tokens": one.tokens.reasoning,
        "cost_micro": one.cost_micro,
        "price": one.price,
        "occurred_at": one.occurred_at,
        "recorded_at": at,
        "transfer_id": transfer_id,
        "corrects": one.corrects,
    }


def _event(record_id: UUID, one: Usage) -> dict[str, Any]:
    return {
        "gateway_id": one.gateway_id,
        "event_id": one.event_id,
        "account_id": one.account_id,
        "usage_record_id": record_id,
        "hold_id": one.hold_id,
        "content_hash": one.content_hash,
        "cost_micro": one.cost_micro,
        "late": one.late,
    }


async def _sum_up(connection: Session | Connection, usages: Sequence[Usage]) -> None:
    """Add calls to the three rollups."""
    hours: dict[tuple[Any, ...], list[int]] = {}
    days: dict[tuple[Any, ...], list[int]] = {}
    details: dict[tuple[Any, ...], list[int]] = {}
    for one in usages:
        moment = one.occurred_at.astimezone(UTC)
        hour = moment.replace(minute=0, second=0, microsecond=0)
        day = moment.date()
        whom = (one.member_id, one.api_key_id, one.model, one.tag or "")
        figures = (int(one.corrects is None), *one.tokens, one.cost_micro)
        for sums, key in (
            (hours, (one.account_id, hour, one.model)),
            (days, (one.account_id, day, one.model)),
            (details, (one.account_id, day, *whom)),
        ):
            known = sums.get(key)
            sums[key] = (
                list(figures)
                if known is None
                else [a + b for a, b in zip(known, figures, strict=True)]
            )
    for model, names, sums in (
        (UsageHour, _HOUR_KEY, hours),
        (UsageDay, _DAY_KEY, days),
        (UsageDayDetail, _DETAIL_KEY, details),
    ):
        rows = [
            dict(zip((*names, *_TALLY), (*key, *figures), strict=True))
            for key, figures in sums.items()
        ]
        await upsert(connection, model, rows, unique=names, add=_TALLY)
