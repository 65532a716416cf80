"""`GET /usage`: records or sums; what is asked for, and the answer in three formats."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from starlette.responses import Response

from app.errors import BadRequest, Invalid
from app.ids import id_of
from app.resolvers import usage
from app.resolvers.usage import (
    Dimension,
    Granularity,
    Place,
    RecordsQuery,
    UsageFilter,
    UsageQuery,
    UsageState,
)
from app.web.rest.formats import JSON, Row, format_of, moment, written
from app.web.rest.lists import List, page, stream
from app.web.rest.parameters import Parameters
from app.web.rest.record_lines import record_lines
from app.web.rest.usage_rows import (
    BUCKET_COLUMNS,
    RECORD_COLUMNS,
    bucket_row,
    record_row,
    totals_body,
    unsettled_body,
)
from app.web.rest.window import Visit
from app.zones import midnight, zone

FILTERS = ("model", "member_id", "api_key_id", "tag")
KNOWN = (
    *("from", "to", "granularity", "group_by", "time_zone"),
    *("order", "limit", "cursor", "format"),
)
RECORD = "record"
GRANULARITIES = (RECORD, *(one.value.lower() for one in Granularity))
IDS = {"member", "api_key"}
DIMENSIONS = {one.value.lower(): one for one in Dimension}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks for. `end` is None for records that are asked for without an end: an endless feed."""

    which: List
    kind: str
    granularity: str
    group_by: tuple[str, ...]
    time_zone: str
    start: datetime
    end: datetime | None
    filter: UsageFilter
    place: Place
    limit: int

    @property
    def visit(self) -> Visit:
        """The request."""
        return self.which.visit

    @property
    def records(self) -> RecordsQuery:
        """The query of records."""
        return RecordsQuery(self.start, self.end, self.filter)

    @property
    def buckets(self) -> UsageQuery:
        """The query of buckets."""
        dimensions = tuple(DIMENSIONS[one] for one in self.group_by)
        granularity = Granularity(self.granularity.upper())
        end = self.end or self.visit.seat.now
        return UsageQuery(self.start, end, granularity, dimensions, self.filter, self.time_zone)

    def key(self, key: Sequence[Any] | None) -> list[Any] | None:
        """Make a cursor's key: with the range, so that one that was not given stays what it was."""
        if key is None:
            return None
        end = None if self.end is None else self.end.isoformat()
        plain = [one.hex if isinstance(one, UUID) else one for one in key]
        return [self.start.isoformat(), end, *plain]


async def show(visit: Visit) -> Response:
    """Answer usage."""
    asked = read(visit)
    visit.range = (
        f"{moment(asked.start)}/{moment(asked.end) if asked.end else ''} {asked.granularity}"
    )
    if asked.kind == JSON:
        return await (_record_page(asked) if asked.granularity == RECORD else _bucket_page(asked))
    return await (_record_stream(asked) if asked.granularity == RECORD else _bucket_stream(asked))


def read(visit: Visit) -> Asked:
    """Read the parameters. Raises `BadRequest`, `Invalid`, `NotAcceptable`, and `NotFound` for ids that are none."""
    parameters = Parameters(visit.request, KNOWN, FILTERS)
    kind = format_of(visit.request, parameters)
    granularity = parameters.choice("granularity", GRANULARITIES, RECORD)
    which = List(visit, parameters)
    key = which.place()
    group_by = _group_by(parameters, granularity)
    start, end, after = _range(visit, parameters, granularity, key)
    # An end that nobody gave is another one each time, and would make each use a trace of its own.
    until = moment(end) if end is not None and parameters.one("to") is not None else ""
    visit.range = f"{moment(start)}/{until} {granularity}"
    return Asked(
        which,
        kind,
        granularity,
        group_by,
        parameters.zone_name(),
        start,
        end,
        _filter(visit, parameters),
        Place(_after(after, group_by), parameters.descending()),
        parameters.limit(visit.viewer.settings.page_rows),
    )


def _range(
    visit: Visit, parameters: Parameters, granularity: str, key: list[Any] | None
) -> tuple[datetime, datetime | None, list[Any] | None]:
    """Read the range: from a cursor where there is one, else as given, else this month until now."""
    if key is not None:
        return _range_of_cursor(key)
    where, now = zone(parameters.zone_name()), visit.seat.now
    start, end = parameters.span(where)
    if start is None:
        start = midnight(now.astimezone(where).date().replace(day=1), where)
    if end is None:
        # Records have no end then: one that a gateway dated a little ahead is not lost to the feed.
        usage.check_range(start, max(now, start))
        end = None if granularity == RECORD else max(now, start)
    return start, end, None


def _range_of_cursor(key: list[Any]) -> tuple[datetime, datetime | None, list[Any]]:
    try:
        start, end, *after = key
        return (
            datetime.fromisoformat(start),
            None if end is None else datetime.fromisoformat(end),
            after,
        )
    except (ValueError, TypeError):
        raise BadRequest("This cursor is not one of ours.") from None


def _after(key: list[Any] | None, group_by: tuple[str, ...]) -> list[Any] | None:
    """Read the key of the last row: a sequence, or the number of a bucket and what it was grouped by."""
    if key is None:
        return None
    try:
        number, *values = key
        dimensions = [
            UUID(one) if name in IDS else one for name, one in zip(group_by, values, strict=True)
        ]
    except (ValueError, AttributeError):
        raise BadRequest("This cursor is not one of ours.") from None
    return [number, *dimensions]


def _group_by(parameters: Parameters, granularity: str) -> tuple[str, ...]:
    given = parameters.one("group_by")
    if given is None:
        return ()
    names = tuple(given.split(","))
    if granularity == RECORD:
        raise Invalid(group_by="Records are not grouped: choose another granularity.")
    if not set(names) <= DIMENSIONS.keys():
        raise Invalid(group_by=f"Choose any of {', '.join(DIMENSIONS)}, by comma.")
    return names


def _filter(visit: Visit, parameters: Parameters) -> UsageFilter:
    models, members, keys, tags = (parameters.many(name) for name in FILTERS)
    most = visit.viewer.settings.list_input
    for name, given in zip(FILTERS, (models, members, keys, tags), strict=True):
        if given is not None and len(given) > most:
            raise Invalid(**{name: f"Give at most {most}."})
    return UsageFilter(
        models,
        None if members is None else tuple(id_of("member", one) for one in members),
        None if keys is None else tuple(id_of("api_key", one) for one in keys),
        tags,
    )


async def _record_page(asked: Asked) -> Response:
    viewer, account_id = asked.visit.viewer, asked.visit.seat.account_id
    found = await usage.record_page(viewer, account_id, asked.records, asked.place, asked.limit)
    rows = [record_row(row) for row in found.rows]
    return _page(asked, rows, found)


async def _bucket_page(asked: Asked) -> Response:
    viewer, account_id = asked.visit.viewer, asked.visit.seat.account_id
    found = await usage.bucket_page(viewer, account_id, asked.buckets, asked.place, asked.limit)
    rows = [bucket_row(row) for row in found.rows]
    return _page(asked, rows, found)


def _page(asked: Asked, rows: list[Row], found: usage.UsagePage[Any]) -> Response:
    # Without more there is nowhere to go on but in the feed of records.
    feed = asked.granularity == RECORD and not asked.place.descending
    key = asked.key(found.key) if found.has_more or feed else None
    before = {
        "range": {
            "from": moment(asked.start),
            "to": moment(asked.end or max(asked.visit.seat.now, asked.start)),
            "time_zone": asked.time_zone,
            "granularity": asked.granularity,
            "group_by": list(asked.group_by),
        }
    }
    after = {
        "totals": totals_body(found.totals),
        "unit": "credit",
        "complete_through": moment(found.state.complete_through),
        "unsettled": unsettled_body(found.state),
    }
    return page(asked.which, rows, has_more=found.has_more, key=key, before=before, after=after)


async def _record_stream(asked: Asked) -> Response:
    viewer, account_id = asked.visit.viewer, asked.visit.seat.account_id
    export = await usage.export_records(viewer, account_id, asked.records, asked.place)
    stack = AsyncExitStack()
    opened = await stack.enter_async_context(export())
    headers = _headers(opened.head)
    if not asked.place.descending:
        key = asked.key([opened.head.last_sequence]) or []
        headers["X-Next-Cursor"] = asked.which.cursors.write(key)
    chunks = record_lines(asked.kind, opened.parts)
    return stream(asked.visit, stack, chunks, asked.kind, RECORD_COLUMNS, headers)


async def _bucket_stream(asked: Asked) -> Response:
    viewer, account_id = asked.visit.viewer, asked.visit.seat.account_id
    export = await usage.export_buckets(viewer, account_id, asked.buckets, asked.place)
    stack = AsyncExitStack()
    opened = await stack.enter_async_context(export())
    chunks = written(asked.kind, BUCKET_COLUMNS, opened.parts, bucket_row)
    headers = _headers(opened.head)
    return stream(asked.visit, stack, chunks, asked.kind, BUCKET_COLUMNS, headers)


def _headers(state: UsageState) -> dict[str, str]:
    return {"X-Complete-Through": moment(state.complete_through)}
