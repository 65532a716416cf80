"""The rows of an export with their types, from one snapshot: what they are, what they add up to, and they themselves."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from sqlalchemy import Select, func, select

from app.access import Seat, Viewer
from app.database import Connection, Database, now
from app.dialects import rows_in_parts, wire_id_text
from app.ids import wire_id
from app.models import ExportWhat, UsageRecord
from app.money import credits_text
from app.resolvers._export_asked import ExportAsked
from app.resolvers._exports import Opened, Place
from app.resolvers._usage_exports import OF_WHOM
from app.resolvers._usage_finance import (
    bucket_order,
    buckets_in_order,
    export_columns,
    records_in_order,
    with_record_names,
)
from app.resolvers._usage_overviews import only_own
from app.resolvers._usage_query import NOUN
from app.resolvers._usage_rows import UsageBucketRow, UsageTotals, bucket_reader
from app.resolvers._usage_sql import TALLY, TOKENS, edges_of, grouped, with_names


class Kind(Enum):
    """What a column holds: text, a moment in UTC, a whole number, or whole micro-credits."""

    TEXT = "text"
    MOMENT = "moment"
    COUNT = "count"
    CREDITS = "credits"


KIND_OF = {
    **dict.fromkeys(("occurred_at", "recorded_at"), Kind.MOMENT),
    **dict.fromkeys(TOKENS, Kind.COUNT),
    "cost": Kind.CREDITS,
}
ID_OF = {
    **dict.fromkeys(("id", "corrects"), "usage_record"),
    "member_id": "member",
    "api_key_id": "api_key",
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table."""

    name: str
    kind: Kind


Values = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class TableHead:
    """What is known of a table before its first row. `sums` are what its numbers add up to, by column.

    `about` says in words what the table is, as people and machines read it beside the rows.
    """

    columns: Sequence[Column]
    rows: int
    sums: Mapping[str, int]
    about: Mapping[str, str]


@asynccontextmanager
async def open_table(
    viewer: Viewer, seat: Seat, asked: ExportAsked, *, own_only: bool
) -> AsyncIterator[Opened[TableHead, Sequence[Values]]]:
    """Open the snapshot of an export: the head and the rows are of one moment."""
    mine = replace(asked, which=only_own(seat, asked.which)) if own_only else asked
    table = _records if asked.what is ExportWhat.RECORDS else _sums
    async with viewer.database.snapshot() as connection:
        columns, counted, statement, show = table(viewer.database, seat, mine)
        at = (await connection.execute(select(now()))).scalar_one()
        rows = (await connection.execute(counted)).scalar_one()
        totals = await _totals(viewer.database, connection, seat, mine)
        sums = {"cost": totals.cost_micro} | {name: getattr(totals, name) for name in TALLY[:-1]}
        facts = {"as_of": _said(at), "rows": str(rows), **_totals_said(totals)}
        whose = viewer.person.email if own_only else "everybody"
        about = {**_about(seat, asked, whose), **facts}
        yield Opened(TableHead(columns, rows, sums, about), _shown(connection, statement, show))


async def _shown(
    connection: Connection, statement: Select[Any], show: Callable[[Any], Values] | None
) -> AsyncGenerator[Sequence[Values]]:
    async with aclosing(rows_in_parts(connection, statement)) as parts:
        async for part in parts:
            yield part if show is None else [show(row) for row in part]


async def _totals(
    database: Database, connection: Connection, seat: Seat, asked: ExportAsked
) -> UsageTotals:
    """Sum the range as its page does."""
    if asked.start >= asked.end:
        return UsageTotals()
    statement = grouped(database, [seat.account_id], asked.whole, [asked.start, asked.end])
    row = (await connection.execute(statement)).first()
    facts = {} if row is None else row._mapping  # noqa: SLF001 - a Row's public accessor
    return UsageTotals(*(facts.get(name, 0) for name in TALLY))


def _about(seat: Seat, asked: ExportAsked, whose: str) -> dict[str, str]:
    of_sums = asked.what is ExportWhat.SUMS
    split = {"split_by": NOUN[asked.split], "by": asked.granularity.value.lower()}
    return {
        "organization": seat.name,
        "what": "sums of usage" if of_sums else "records of usage, newest first",
        "from": _said(asked.start),
        "until": f"{_said(asked.end)}, not included",
        "whose": whose,
        **(split if of_sums else {}),
        **{f"filter_{noun.lower()}": value for noun, value in asked.filters.items()},
    }


def _said(moment: Any) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _totals_said(totals: UsageTotals) -> dict[str, str]:
    counts = {name: str(getattr(totals, name)) for name in TALLY[:-1]}
    return {**counts, "cost": credits_text(totals.cost_micro)}


def _records(
    database: Database, seat: Seat, asked: ExportAsked
) -> tuple[Sequence[Column], Select[Any], Select[Any], None]:
    """Select records as they are stored, but for ids, which are those of the outside."""
    stored = export_columns()
    shown = stored | {
        name: wire_id_text(database, kind, stored[name]) for name, kind in ID_OF.items()
    }
    columns = [one.label(name) for name, one in shown.items()]
    chosen = records_in_order(seat.account_id, asked.records, Place(descending=True))
    plain = chosen.with_only_columns(*columns, maintain_column_froms=False)
    statement: Select[Any] = with_record_names(
        plain.select_from(UsageRecord), stored["member_id"], stored["api_key_id"]
    )
    counted = chosen.with_only_columns(func.count()).order_by(None)
    heads = [Column(name, KIND_OF.get(name, Kind.TEXT)) for name in shown]
    return heads, counted, statement, None


def _sums(
    database: Database, seat: Seat, asked: ExportAsked
) -> tuple[Sequence[Column], Select[Any], Select[Any], Callable[[Any], Values]]:
    """Select the sums of each bucket and series."""
    query = asked.sums
    moments = edges_of(query)
    sums = grouped(database, [seat.account_id], query, moments).subquery("grouped")
    named = with_names(buckets_in_order(select(sums), query, Place()), query.group_by)
    columns = named.selected_columns
    statement = named.order_by(*bucket_order(columns, query.group_by, descending=False))
    read = bucket_reader(statement.selected_columns.keys(), moments)
    kinds = {
        **dict.fromkeys(("start", "end"), Kind.MOMENT),
        **dict.fromkeys(OF_WHOM, Kind.TEXT),
        **dict.fromkeys(TALLY[:-1], Kind.COUNT),
        "cost": Kind.CREDITS,
    }
    shown = [Column(name, kind) for name, kind in kinds.items()]
    counted = select(func.count()).select_from(sums)
    return shown, counted, statement, lambda row: _bucket(read(row))


def _bucket(row: UsageBucketRow) -> Values:
    return (
        row.start,
        row.end,
        row.model,
        row.member_id and wire_id("member", row.member_id),
        row.member_email,
        row.member_name,
        row.api_key_id and wire_id("api_key", row.api_key_id),
        row.api_key_name,
        row.tag,
        *row.totals,
    )
