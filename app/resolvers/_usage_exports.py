"""Exports of usage, each from one snapshot: both part by part."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, join, literal_column, select, true
from sqlmodel import col

from app.access import Seat, Viewer
from app.database import Connection, Database, of_sqlite
from app.dialects import credits_text, hex_texts, moment_texts, text_columns
from app.models import UsageRecord
from app.resolvers._exports import Opened, Place, shown_in_parts
from app.resolvers._usage_finance import (
    bucket_order,
    buckets_in_order,
    export_columns,
    records_in_order,
    with_record_names,
)
from app.resolvers._usage_query import RecordsQuery, UsageQuery
from app.resolvers._usage_rows import (
    UsageBucketRow,
    UsageState,
    bucket_reader,
    facts_of,
    state_of,
    state_statement,
    state_values,
)
from app.resolvers._usage_sql import edges_of, grouped, with_names

OWN = 5
"""How many columns stand before whose the record is."""
OF_WHOM = ("model", "member_id", "member_email", "member_name", "api_key_id", "api_key_name", "tag")


@dataclass(frozen=True, slots=True)
class RecordTexts:
    """Some records of an export as texts, a list for each column.

    `whose` repeats itself from row to row: `whose_of` reads one. `corrects` is "" where there is none.
    """

    id: Sequence[str]
    event_id: Sequence[str]
    occurred_at: Sequence[str]
    recorded_at: Sequence[str]
    corrects: Sequence[str]
    whose: Sequence[str]
    counts: Sequence[Sequence[str]]
    cost: Sequence[str]


def whose_of(whose: str) -> dict[str, Any]:
    """Read the values of `OF_WHOM`."""
    read: dict[str, Any] = dict(zip(OF_WHOM, json.loads(whose), strict=True))
    return read | {name: UUID(read[name]) for name in ("member_id", "api_key_id")}


@asynccontextmanager
async def open_records(
    viewer: Viewer, seat: Seat, query: RecordsQuery, place: Place
) -> AsyncIterator[Opened[UsageState, RecordTexts]]:
    """Open an export of records: a million in seconds."""
    database = viewer.database
    statement = export_statement(database, seat.account_id, query, place)
    async with database.snapshot() as connection:
        facts = await _state_facts(connection, seat)
        columns = text_columns(database, connection, statement)
        yield Opened(state_of(seat, facts), _records(columns))


def export_statement(
    database: Database, account_id: UUID, query: RecordsQuery, place: Place
) -> Select[Any]:
    """Select the columns of `RecordTexts`; `whose` is JSON."""
    shown = export_columns()
    of_whom = [shown.pop(name) for name in OF_WHOM]
    own, counts = list(shown.values())[:OWN], list(shown.values())[OWN:-1]
    cost = credits_text(database, shown["cost"])
    member_id, api_key_id = col(UsageRecord.member_id), col(UsageRecord.api_key_id)
    chosen: Select[Any] = records_in_order(account_id, query, place)

    def select_from(whole: Any, whose: Any) -> Select[Any]:
        columns = [*own, whose, *counts, cost]
        return chosen.with_only_columns(*columns, maintain_column_froms=False).select_from(whole)

    if database.is_sqlite:
        plain = select_from(UsageRecord, func.json_array(*of_whom))
        named: Select[Any] = with_record_names(plain, member_id, api_key_id)
        return named
    # The server makes one text for each key, model and tag, and remembers it (Memoize): without
    # the offset it would look each row's names up, and make the text anew.
    text = func.json_build_array(*of_whom).label("text")
    one = select(literal_column("1").label("row")).subquery("one")
    names = with_record_names(select(text).select_from(one), member_id, api_key_id)
    whose = names.offset(literal_column("0")).lateral("whose")
    return select_from(join(UsageRecord, whose, true()), whose.c.text)


async def _records(
    columns: AsyncGenerator[list[Sequence[str]]],
) -> AsyncGenerator[RecordTexts]:
    async with aclosing(columns) as parts:
        async for ids, event_ids, occurred, recorded, corrects, whose, *counts, cost in parts:
            yield RecordTexts(
                id=hex_texts(ids),
                event_id=event_ids,
                occurred_at=moment_texts(occurred),
                recorded_at=moment_texts(recorded),
                corrects=hex_texts(corrects),
                whose=whose,
                counts=counts,
                cost=cost,
            )


@asynccontextmanager
async def open_buckets(
    viewer: Viewer, seat: Seat, query: UsageQuery, place: Place
) -> AsyncIterator[Opened[UsageState, list[UsageBucketRow]]]:
    """Open an export of buckets."""
    moments = edges_of(query)
    sums = grouped(viewer.database, [seat.account_id], query, moments).subquery("grouped")
    chosen = buckets_in_order(select(sums), query, place)
    named = with_names(chosen, query.group_by)
    columns = named.selected_columns
    order = bucket_order(columns, query.group_by, descending=place.descending)
    ordered = named.order_by(*order)
    show = bucket_reader(ordered.selected_columns.keys(), moments)
    async with viewer.database.snapshot() as connection:
        facts = await _state_facts(connection, seat)
        head = state_of(seat, facts)
        yield Opened(head, shown_in_parts(connection, ordered, show))


async def _state_facts(connection: Connection, seat: Seat) -> Mapping[str, Any]:
    statement = state_statement(sqlite=of_sqlite(connection))
    values = state_values({seat.account_id: seat})
    return facts_of((await connection.execute(statement, values)).one())
