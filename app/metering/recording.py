"""Booking of usage: the one way in which usage gets in, from the gateway, the operator and an import of history."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Table

from app.bulk import Changes, Way, write_all
from app.database import Connection, Session
from app.ids import new_id
from app.ledger.posting import Movement, movement, plan, put_postings
from app.metering.books import Books, Both, CounterKey, load_counters, open_books, put_books
from app.metering.first_uses import put_first_uses
from app.metering.pricing import Tokens
from app.models.ledger import LedgerKind
from app.models.usage import UsageDay, UsageDayDetail, UsageEvent, UsageHour, UsageRecord
from app.months import month_of

_RECORDS: Table = UsageRecord.__table__  # type: ignore[attr-defined]
_EVENTS: Table = UsageEvent.__table__  # type: ignore[attr-defined]
_TALLY = (
    "requests",
    "prompt_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "completion_tokens",
    "reasoning_tokens",
    "cost_micro",
)
_ADD_RECORDS = Way(
    _RECORDS,
    (
        "id",
        "account_id",
        "sequence",
        "event_id",
        "gateway_id",
        "hold_id",
        "member_id",
        "api_key_id",
        "model",
        "tag",
        *_TALLY[1:],
        "price",
        "occurred_at",
        "recorded_at",
        "transfer_id",
        "corrects",
    ),
)
_ADD_EVENTS = Way(
    _EVENTS,
    (
        "gateway_id",
        "event_id",
        "account_id",
        "usage_record_id",
        "hold_id",
        "content_hash",
        "cost_micro",
        "late",
    ),
)


def _rollup(model: Any, key: tuple[str, ...]) -> Way:
    return Way(model.__table__, (*key, *_TALLY), unique=key, add=_TALLY)


_ADD_HOURS = _rollup(UsageHour, ("account_id", "hour", "model"))
_ADD_DAYS = _rollup(UsageDay, ("account_id", "day", "model"))
_ADD_DETAILS = _rollup(
    UsageDayDetail, ("account_id", "day", "member_id", "api_key_id", "model", "tag")
)


class Usage(NamedTuple):
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
    counted = [(count_usage(books, one, counters_of(books, one)), one) for one in usages]
    changes = Changes()
    put_usage(changes, books, counted)
    put_books(changes, books)
    await put_first_uses(connection, changes, books)
    await write_all(connection, changes)
    return [record_id for record_id, _one in counted]


def counters_of(books: Books, one: Usage) -> Both:
    """Give the month counters that a call weighs on."""
    month = month_of(one.occurred_at)
    return books.both(one.account_id, one.member_id, one.api_key_id, month)


def count_usage(books: Books, one: Usage, counters: Both) -> UUID:
    """Count a call in the books; the id that its record will have."""
    used_at = one.occurred_at if one.corrects is None else None
    books.use(counters, one.cost_micro, used_at)
    return new_id()


def put_usage(changes: Changes, books: Books, usages: Sequence[tuple[UUID, Usage]]) -> None:
    """Let counted calls be written under their records' ids: transfers, records, events and rollups.

    The wallets are changed in the books only: `put_books` lets them be written.
    """
    if not usages:
        return
    transfer_ids = _move(changes, books)
    records = []
    for record_id, one in usages:
        wallet = books.wallets[one.account_id]
        wallet.usage_sequence += 1
        books.changed_wallets[one.account_id] = wallet
        transfer_id = transfer_ids.get(one.account_id)
        records.append(_record(record_id, one, wallet.usage_sequence, transfer_id, books.at))
    changes.put(_ADD_RECORDS, records)
    events = [_event(record_id, one) for record_id, one in usages if one.gateway_id is not None]
    changes.put(_ADD_EVENTS, events)
    _sum_up(changes, [one for _id, one in usages])


def _move(changes: Changes, books: Books) -> dict[UUID, UUID]:
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
    put_postings(changes, postings)
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


def _sum_up(changes: Changes, usages: Sequence[Usage]) -> None:
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
    for way, sums in ((_ADD_HOURS, hours), (_ADD_DAYS, days), (_ADD_DETAILS, details)):
        changes.put(
            way,
            [
                dict(zip(way.columns, (*key, *figures), strict=True))
                for key, figures in sums.items()
            ],
        )
