"""Dashboard: what was used here, by day and by whom, against the range before; and what one has left oneself."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

from starlette.requests import Request
from starlette.responses import Response

from app.errors import Invalid
from app.months import month_of, month_range
from app.permissions import AccountKind
from app.resolvers import balances, members, usage_overviews
from app.resolvers.members import MemberRow
from app.resolvers.usage import NOUN, Dimension, UsageFilter
from app.resolvers.usage_overviews import Figure, OverviewQuery, Ranking, UsageOverview
from app.web.forms import only
from app.web.portal.download_menu import Download, download_of
from app.web.portal.figures import change, compact, value_of
from app.web.portal.frame import Room, room_of
from app.web.portal.live import answer, unchanged
from app.web.portal.ranges import PRESETS, words
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
)
from app.web.portal.usage_charts import ChartView, chart_view
from app.web.words import counted, rounded

TITLES = {"credits": "Credits", "tokens": "Tokens", "requests": "Requests"}
DIMENSIONS = {name: one for one, name in PARAMETER.items()}
SERIES, BESIDE, ALL_BESIDE = 6, 6, 100
LOW_DAYS = 14
SECONDS_A_DAY = 86_400
PACE_FROM = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class Tile:
    """A headline figure, and what is said below it."""

    label: str
    figure: str
    title: str
    note: str
    path: str
    """What is behind it."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the ranking: who or what, its sums, its share in percent, where it leads."""

    name: str
    email: str
    share: int
    requests: str
    tokens: str
    cost_micro: int
    path: str
    records: str


@dataclass(frozen=True, slots=True)
class Lines:
    """A ranking of one dimension. `all_path` shows more of it, where there are more."""

    noun: str
    lines: Sequence[Line]
    count: int
    all_path: str


@dataclass(frozen=True, slots=True)
class Dashboard:
    """The dashboard. `range_words` are said with UTC; `alert` is empty where nothing runs low."""

    template: ClassVar[str] = "dashboard.html"

    asked: Asked
    here: str
    whose: str
    presets: Sequence[Link]
    sides: Sequence[Link]
    """Everybody's, or one's own; empty where there is no choice."""
    figures: Sequence[Link]
    splits: Sequence[Link]
    chips: Sequence[Chip]
    crumbs: Sequence[Link]
    own: MemberRow
    quota_again: datetime
    tiles: Sequence[Tile]
    alert: str
    chart: ChartView
    chart_title: str
    split_noun: str
    with_table: bool
    table_path: str
    download: Download
    records_path: str
    ranking: Lines
    final: datetime
    any_use: bool
    shared: bool
    """Whether this is an organization, where one has a quota."""


async def show(request: Request) -> Response:
    """Show the dashboard of an account."""
    room = await room_of(request, "dashboard")
    asked, split, figure = read(room)
    tag, same = await unchanged(room)
    if same is not None:
        return same
    page = await _dashboard(room, asked, split, figure)
    status = 422 if asked.errors else 200
    return await answer(room, page, tag, part="usage/dashboard.html", status=status)


def read(room: Room) -> tuple[Asked, Dimension, Figure]:
    """Read the address. Raises `Invalid`, `BadRequest`."""
    given = room.request.query_params
    more = {
        name: value for name in ("by", "figure", "table", "top") if (value := only(given, name))
    }
    asked = read_asked(room, room.path(), more)
    split = DIMENSIONS.get(more.get("by", "model"))
    if split is None:
        raise Invalid(by=f"Choose one of {', '.join(DIMENSIONS)}.")
    try:
        figure = Figure(more.get("figure", Figure.CREDITS.value))
    except ValueError:
        raise Invalid(figure=f"Choose one of {', '.join(TITLES)}.") from None
    return asked, split, figure


async def _dashboard(room: Room, asked: Asked, split: Dimension, figure: Figure) -> Dashboard:
    viewer, account_id, now = room.viewer, room.seat.account_id, room.seat.now
    query = _query(asked, split, figure, now)
    verb = usage_overviews.own_usage_overview if asked.mine else usage_overviews.usage_overview
    overview = await verb(viewer, account_id, query)
    own = await members.own_membership(viewer, account_id)
    beside = query.beside[0]
    shown = chips(asked, overview.labels)
    return Dashboard(
        asked=asked,
        here=asked.link(),
        whose=_whose(room, asked),
        presets=preset_links(asked, PRESETS),
        sides=whose_links(asked) if sees_all(room) else (),
        figures=[
            Link(label, asked.link(figure=name), figure.value == name)
            for name, label in TITLES.items()
        ],
        splits=_splits(asked, split),
        chips=shown,
        crumbs=crumbs(shown, asked, room.path()),
        own=own,
        quota_again=month_range(month_of(now))[1],
        tiles=_tiles(asked, overview, now),
        alert=await _alert(room, asked, overview),
        chart=chart_view(asked, overview, split, figure, now),
        chart_title=f"{TITLES[figure.value]} by {query.granularity.value.lower()}",
        split_noun=NOUN[split],
        with_table="table" in asked.more,
        table_path=asked.link(table=None if "table" in asked.more else "1"),
        download=download_of(room, asked, "dashboard", {"table": None, "top": None}),
        records_path=asked.records({}),
        ranking=_lines(asked, beside, overview.rankings[beside], overview, figure),
        final=overview.state.complete_through,
        any_use=overview.totals.requests > 0 or not _is_bare(asked),
        shared=room.seat.kind is AccountKind.ORGANIZATION,
    )


def _is_bare(asked: Asked) -> bool:
    return asked.which == UsageFilter()


def _query(asked: Asked, split: Dimension, figure: Figure, now: datetime) -> OverviewQuery:
    if asked.mine:
        beside = Dimension.API_KEY if split is Dimension.MODEL else Dimension.MODEL
    else:
        beside = Dimension.MODEL if split is Dimension.MEMBER else Dimension.MEMBER
    span = asked.range
    return OverviewQuery(
        span.start,
        span.end,
        span.before(now),
        span.granularity,
        split,
        (beside,),
        asked.which,
        figure,
        SERIES,
        ALL_BESIDE if asked.more.get("top") else BESIDE,
    )


def _whose(room: Room, asked: Asked) -> str:
    if asked.mine and room.seat.kind is AccountKind.ORGANIZATION:
        return f"Your own calls in {room.seat.name}"
    return f"Everybody in {room.seat.name}" if sees_all(room) else "Your personal account"


def _splits(asked: Asked, split: Dimension) -> list[Link]:
    shown = [one for one in Dimension if not (asked.mine and one is Dimension.MEMBER)]
    return [Link(NOUN[one], asked.link(by=PARAMETER[one], top=None), split is one) for one in shown]


def _tiles(asked: Asked, overview: UsageOverview, now: datetime) -> list[Tile]:
    totals, before = overview.totals, overview.before
    start, end = asked.range.before(now)
    against = "on " + words(start, _whole_days(start, end)).removesuffix(f" {now.year}")
    cached = f"{compact(totals.cached_tokens)} from cache"
    into, out = compact(totals.prompt_tokens), compact(totals.completion_tokens)

    def note(figure: Figure) -> str:
        told = change(value_of(totals, figure), value_of(before, figure))
        return f"{told} {against}" if told else f"nothing {against}"

    calls = asked.records({})
    tiles = [
        Tile("Credits used", rounded(totals.cost_micro), "", note(Figure.CREDITS), calls),
        Tile("Requests", f"{totals.requests:,}", "", note(Figure.REQUESTS), calls),
        Tile(
            "Tokens in / out",
            f"{into} / {out}",
            f"{totals.prompt_tokens:,} in, {totals.completion_tokens:,} out",
            cached,
            asked.link(figure=Figure.TOKENS.value),
        ),
    ]
    ranking = overview.rankings.get(Dimension.MEMBER)
    if ranking is not None and not asked.mine:
        people = f"{counted(ranking.count, 'person', 'people')} made calls"
        by_member = asked.link(by=PARAMETER[Dimension.MEMBER], top=None)
        tiles.append(
            Tile(
                "People active", f"{ranking.count:,}", people, "made calls in this range", by_member
            )
        )
    return tiles


def _whole_days(start: datetime, end: datetime) -> datetime:
    """End a range with its last day, for saying it."""
    return max(end, start + timedelta(days=1))


def _lines(
    asked: Asked, dimension: Dimension, ranking: Ranking, overview: UsageOverview, figure: Figure
) -> Lines:
    whole = max(1, value_of(overview.totals, figure))
    lines = []
    for one in ranking.series:
        narrowed = asked.narrowed(dimension, one.value)
        totals = one.totals
        lines.append(
            Line(
                name=label_of(dimension, one.name),
                email=one.email or "",
                share=max(0, min(100, value_of(totals, figure) * 100 // whole)),
                requests=f"{totals.requests:,}",
                tokens=compact(totals.prompt_tokens + totals.completion_tokens),
                cost_micro=totals.cost_micro,
                path=asked.address({**narrowed, "top": None}) if one.value else "",
                records=asked.records(narrowed) if one.value else "",
            )
        )
    more = ranking.count > len(lines) and len(lines) < ALL_BESIDE
    return Lines(NOUN[dimension], lines, ranking.count, asked.link(top="all") if more else "")


async def _alert(room: Room, asked: Asked, overview: UsageOverview) -> str:
    """Say when credits run out at the pace of the range, for who sees the balance and where it is soon."""
    now = room.seat.now
    elapsed = min(now, asked.range.end) - asked.range.start
    is_of_all = not asked.mine or room.seat.kind is AccountKind.PERSONAL
    if not (is_of_all and room.can(balances.balance) and _is_bare(asked)):
        return ""
    if elapsed < PACE_FROM or asked.range.end < now or overview.totals.cost_micro <= 0:
        return ""
    balance = await balances.balance(room.viewer, room.seat.account_id)
    available = balance.available or 0
    if available == 0:
        return "There are no credits left: calls that cost something are refused until there are."
    # In whole seconds: a span of time times a sum of credits is more than a span of time can hold.
    seconds = elapsed // timedelta(seconds=1) * available // overview.totals.cost_micro
    if seconds > LOW_DAYS * SECONDS_A_DAY:
        return ""
    day = now + timedelta(seconds=seconds)
    return f"Credits run low. At the pace of this range {rounded(available)} credits last until {day.day} {day:%B}."
