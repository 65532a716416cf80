"""The three formats: chosen by `format` or `Accept`, and how values look in each."""

import csv
import io
import json
import re
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, TypeVar
from uuid import UUID

from starlette.requests import Request

from app.errors import NotAcceptable
from app.ids import wire_id
from app.money import credits_text
from app.web.rest.parameters import Parameters

JSON, CSV, NDJSON = "json", "csv", "ndjson"
MEDIA_TYPES = {
    JSON: "application/json",
    CSV: "text/csv; charset=utf-8; header=present",
    NDJSON: "application/x-ndjson",
}
_ACCEPTED = {
    "application/json": JSON,
    "text/csv": CSV,
    "application/x-ndjson": NDJSON,
    "application/ndjson": NDJSON,
    "application/jsonl": NDJSON,
    "application/*": JSON,
    "text/*": CSV,
    "*/*": JSON,
}
_WEIGHT = re.compile(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?", re.ASCII)
_RUN_AS_FORMULA = tuple("=+-@\t\r\n")

T = TypeVar("T")
Row = Mapping[str, Any]


class Figure(str):
    """A text that is a number: no spreadsheet runs it."""

    __slots__ = ()


def format_of(request: Request, parameters: Parameters | None = None) -> str:
    """Choose a format. Without `parameters` there is JSON only. Raises `Invalid`, `NotAcceptable`."""
    if parameters is not None and parameters.one("format") is not None:
        return parameters.choice("format", (JSON, CSV, NDJSON), JSON)
    accept = request.headers.get("accept", "").strip()
    if not accept:
        return JSON
    best, chosen = Decimal(0), None
    for part in accept.split(","):
        media, _, rest = part.partition(";")
        kind = _ACCEPTED.get(media.strip().lower())
        quality = _quality(rest)
        if kind is None or (parameters is None and kind != JSON):
            continue
        if quality > best:
            best, chosen = quality, kind
    if chosen is None:
        raise NotAcceptable
    return chosen


def _quality(rest: str) -> Decimal:
    """Read the weight of RFC 9110, section 12.4.2; one that is none counts as 0."""
    for part in rest.split(";"):
        name, _, value = part.partition("=")
        if name.strip().lower() == "q":
            return Decimal(value.strip()) if _WEIGHT.fullmatch(value.strip()) else Decimal(0)
    return Decimal(1)


def moment(value: datetime) -> str:
    """Write a moment as `2026-11-01T00:00:00Z`, with a fraction where there is one."""
    return _of_utc(value.astimezone(UTC))


@lru_cache(maxsize=4096)
def _of_utc(value: datetime) -> str:
    # In another zone, the two hours that a clock shows twice would be equal.
    return value.isoformat().replace("+00:00", "Z")


def span_text(start: datetime | None, end: datetime | None) -> str:
    """Write a range for a trace, an open end as nothing."""
    return "/".join("" if one is None else moment(one) for one in (start, end))


def exact_moment(value: datetime) -> str:
    """Write a moment with all six digits of its fraction, as exports do."""
    return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def amount(micro: int) -> Figure:
    """Write credits."""
    return Figure(credits_text(micro))


def optional_amount(micro: int | None) -> Figure | None:
    """Write credits, where there are any to be told."""
    return None if micro is None else amount(micro)


def optional_id(kind: str, value: UUID | None) -> str | None:
    """Write an id, where there is one."""
    return None if value is None else wire_id(kind, value)


def _field(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and not isinstance(value, Figure):
        return f"'{value}" if value.lstrip(" ").startswith(_RUN_AS_FORMULA) else value
    return value


def csv_header(columns: Sequence[str]) -> bytes:
    """Write the header row."""
    return (",".join(columns) + "\r\n").encode()


def csv_rows(columns: Sequence[str], rows: Iterable[Row]) -> bytes:
    """Write rows after RFC 4180; texts that a spreadsheet would run as a formula get an apostrophe."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerows([[_field(row[name]) for name in columns] for row in rows])
    return text.getvalue().encode()


def ndjson_rows(rows: Iterable[Row]) -> bytes:
    """Write rows as JSON, a line each."""
    return "".join([plain_json(row) + "\n" for row in rows]).encode()


plain_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
"""Write JSON without white space."""


async def written(
    kind: str,
    columns: Sequence[str],
    parts: AsyncGenerator[list[T]],
    show: Callable[[T], Row],
) -> AsyncGenerator[bytes]:
    """Write parts of rows in a format that streams, without the header row."""
    async with aclosing(parts):
        async for part in parts:
            rows = [show(one) for one in part]
            yield csv_rows(columns, rows) if kind == CSV else ndjson_rows(rows)
