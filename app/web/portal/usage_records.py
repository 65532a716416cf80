"""Usage: the records behind every figure, newest first, filtered as the address says; one record in full."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from app.ids import id_of, wire_id
from app.permissions import AccountKind
from app.resolvers import usage_overviews
from app.resolvers.usage import NOUN, Dimension, RecordsQuery, UsageRecordRow, UsageTotals
from app.resolvers.usage_overviews import Label, RecordDetail, UsageChoices
from app.web.forms import only
from app.web.portal.download_menu import Download, download_of
from app.web.portal.figures import compact
from app.web.portal.frame import Room, room_of
from app.web.portal.live import answer, unchanged
from app.web.portal.ranges import PRESETS
from app.web.portal.usage_asked import (
    PARAMETER,
    Asked,
    Chip,
    Link,
    chips,
    crumbs,
    label_of,
    preset_links,
    read_asked,
    sees_all,
    whose_links,
    written,
)

ROWS = 50
OPEN = "open"


@dataclass(frozen=True, slots=True)
class RecordLine:
    """One call in the list."""

    id: str
    at: datetime
    model: str
    member: str
    key: str
    tag: str
    into: str
    out: str
    cost_micro: int
    correction: bool
    path: str


@dataclass(frozen=True, slots=True)
class Choice:
    """What one may filter by: (value, name, whether it is chosen) of one dimension."""

    parameter: str
    noun: str
    options: Sequence[tuple[str, str, bool]]


@dataclass(frozen=True, slots=True)
class UsagePage:
    """Records. `choices` are there while the filter is open; `after` is empty on the first page."""

    template: ClassVar[str] = "usage.html"

    asked: Asked
    here: str
    live: bool
    whose: str
    now: datetime
    presets: Sequence[Link]
    sides: Sequence[Link]
    chips: Sequence[Chip]
    choices: Sequence[Choice]
    filter_path: str
    lines: Sequence[RecordLine]
    with_members: bool
    totals: UsageTotals
    tokens: tuple[str, str, str]
    first_path: str
    next_path: str
    download: Download
    live_path: str
    crumbs: Sequence[Link]
    any_filter: bool


@dataclass(frozen=True, slots=True)
class RecordPage:
    """One call in full, with its corrections."""

    template: ClassVar[str] = "usage/record_page.html"

    record: UsageRecordRow
    id: str
    now: datetime
    member: str
    email: str
    key: str
    corrects_path: str
    corrections: Sequence[tuple[str, UsageRecordRow]]
    back: str


async def show(request: Request) -> Response:
    """List records."""
    room = await room_of(request, "usage")
    given = request.query_params
    more = {name: value for name in ("filter", "live") if (value := only(given, name))}
    asked = read_asked(room, room.path("usage"), more)
    after = only(given, "after") or None
    tag, same = await unchanged(room)
    if same is not None:
        return same
    page = await _page(room, asked, after)
    status = 422 if asked.errors else 200
    return await answer(room, page, tag, part="usage/records.html", status=status)


async def _page(room: Room, asked: Asked, after: str | None) -> UsagePage:
    viewer, account_id = room.viewer, room.seat.account_id
    query = RecordsQuery(asked.range.start, asked.range.end, asked.which)
    if asked.mine:
        found = await usage_overviews.own_record_list(viewer, account_id, query, ROWS, after)
    else:
        found = await usage_overviews.record_list(viewer, account_id, query, ROWS, after)
    rows, totals = found.page.rows, found.totals
    live = asked.more.get("live") != "off"
    shown = chips(asked, found.labels)
    last = found.page.cursor(len(rows) - 1) if found.page.has_next else None
    return UsagePage(
        asked=asked,
        here=asked.link(after=after),
        live=live and after is None,
        whose=_whose(room, asked),
        now=room.seat.now,
        presets=preset_links(asked, PRESETS),
        sides=whose_links(asked) if sees_all(room) else (),
        chips=shown,
        choices=await _choices(room, asked, query),
        filter_path=asked.link(filter=None if asked.more.get("filter") else OPEN),
        lines=[_line(room, row, found.labels) for row in rows],
        with_members=not asked.mine,
        totals=totals,
        tokens=(
            compact(totals.prompt_tokens),
            compact(totals.completion_tokens),
            compact(totals.cached_tokens),
        ),
        first_path=asked.link() if after else "",
        next_path=asked.link(after=last) if last else "",
        download=download_of(room, asked, "usage", {"filter": None, "live": None}),
        live_path=asked.link(live="off" if live else None),
        crumbs=crumbs(shown, asked, room.path(), f"Calls of {asked.range.words}"),
        any_filter=bool(asked.filters),
    )


def _whose(room: Room, asked: Asked) -> str:
    if room.seat.kind is AccountKind.PERSONAL:
        return "Calls of your personal account"
    return f"Your own calls in {room.seat.name}" if asked.mine else f"Calls in {room.seat.name}"


def _line(room: Room, row: UsageRecordRow, labels: Mapping[UUID, Label]) -> RecordLine:
    record_id = wire_id("usage_record", row.id)
    return RecordLine(
        record_id,
        row.occurred_at,
        row.model,
        labels[row.member_id].name,
        labels[row.api_key_id].name,
        row.tag or "",
        compact(row.prompt_tokens),
        compact(row.completion_tokens),
        row.cost_micro,
        row.corrects is not None,
        room.path("usage", record_id),
    )


async def _choices(room: Room, asked: Asked, query: RecordsQuery) -> list[Choice]:
    """Offer what was used most, when the filter is open; what is chosen stays on offer in any case."""
    if not asked.more.get("filter"):
        return []
    verb = usage_overviews.own_usage_choices if asked.mine else usage_overviews.usage_choices
    found = await verb(room.viewer, room.seat.account_id, query)
    return [_choice(one, asked, found) for one in found.values]


def _choice(dimension: Dimension, asked: Asked, found: UsageChoices) -> Choice:
    chosen = asked.filters.get(dimension, "")
    options = []
    for value in found.values[dimension]:
        name = value if isinstance(value, str) else found.labels[value].name
        if value:
            text = written(dimension, value)
            options.append((text, label_of(dimension, name), text == chosen))
    if chosen and not any(text == chosen for text, _name, _chosen in options):
        options.insert(0, (chosen, "as chosen", True))
    return Choice(PARAMETER[dimension], NOUN[dimension], options)


async def record(request: Request) -> Response:
    """Show one record, in a dialog where script opens it. Raises `NotFound`."""
    room = await room_of(request, "usage")
    record_id = id_of("usage_record", request.path_params["record"])
    found = await usage_overviews.record_detail(room.viewer, record_id)
    return await room.page(_record_page(room, found), part="usage/record.html")


def _record_page(room: Room, found: RecordDetail) -> RecordPage:
    row = found.record
    corrected = wire_id("usage_record", row.corrects) if row.corrects else ""
    return RecordPage(
        row,
        wire_id("usage_record", row.id),
        room.seat.now,
        found.member.name,
        found.member.email or "",
        found.key.name,
        room.path("usage", corrected) if corrected else "",
        [(room.path("usage", wire_id("usage_record", one.id)), one) for one in found.corrections],
        room.path("usage"),
    )
