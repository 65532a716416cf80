"""Exports of usage, each from one snapshot: records written by the database itself, buckets part by part."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from enum import Enum
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select
from sqlmodel import col

from app.access import Seat, Viewer
from app.database import Connection, Database, of_sqlite
from app.dialects import (
    credits_text,
    csv_chunks,
    harmless,
    json_chunks,
    moment_text,
    wire_id_text,
)
from app.models import ApiKey, UsageRecord, User
from app.resolvers._exports import Opened, Place, shown_in_parts
from app.resolvers._usage_finance import (
    bucket_order,
    buckets_in_order,
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
from app.resolvers._usage_sql import TOKENS, edges_of, grouped, with_names


class ExportFormat(Enum):
    """What a stream is written in."""

    CSV = "csv"
    NDJSON = "ndjson"


@asynccontextmanager
async def open_records(
    viewer: Viewer, seat: Seat, query: RecordsQuery, place: Place, form: ExportFormat
) -> AsyncIterator[Opened[UsageState, bytes]]:
    """Open an export of records, written by the database itself."""
    database = viewer.database
    statement = export_statement(database, seat.account_id, query, place, form)
    chunks = csv_chunks if form is ExportFormat.CSV else json_chunks
    async with database.snapshot() as connection:
        facts = await _state_facts(connection, seat)
        yield Opened(state_of(seat, facts), chunks(database, connection, statement))


def export_statement(
    database: Database, account_id: UUID, query: RecordsQuery, place: Place, form: ExportFormat
) -> Select[Any]:
    """Select records as an export shows them: every id, moment and amount in its outside form."""
    chosen: Select[Any] = records_in_order(account_id, query, place)
    columns = _export_columns(database, form)
    statement = chosen.with_only_columns(*columns, maintain_column_froms=False)
    statement = statement.select_from(UsageRecord)
    named: Select[Any] = with_record_names(
        statement, col(UsageRecord.member_id), col(UsageRecord.api_key_id)
    )
    return named


def _export_columns(database: Database, form: ExportFormat) -> list[Any]:
    def text(column: Any) -> Any:
        return harmless(column) if form is ExportFormat.CSV else column

    def wire(prefix: str, column: Any) -> Any:
        return wire_id_text(database, prefix, column)

    record = UsageRecord
    shown = {
        "id": wire("use", col(record.id)),
        "event_id": text(col(record.event_id)),
        "occurred_at": moment_text(database, col(record.occurred_at)),
        "recorded_at": moment_text(database, col(record.recorded_at)),
        "corrects": wire("use", col(record.corrects)),
        "model": text(col(record.model)),
        "member_id": wire("mem", col(record.member_id)),
        "member_email": text(col(User.email)),
        "member_name": text(col(User.name)),
        "api_key_id": wire("key", col(record.api_key_id)),
        "api_key_name": text(col(ApiKey.name)),
        "tag": text(col(record.tag)),
        **{name: col(getattr(record, name)) for name in TOKENS},
        "cost": credits_text(database, col(record.cost_micro)),
    }
    return [column.label(name) for name, column in shown.items()]


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
