"""A chart of usage as a page shows it: bars, their notes and links, a legend, and the same as a table."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.resolvers.usage import Dimension
from app.resolvers.usage_overviews import Figure, Series, UsageOverview
from app.web.portal.charts import Bar, chart, marks_at
from app.web.portal.figures import exact_text, text_of, tick_text, value_of
from app.web.portal.ranges import bucket_asked, bucket_mark, bucket_words
from app.web.portal.usage_asked import Asked, label_of

OTHERS = 0
WIDE_MARKS, NARROW_MARKS = 10, 4


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure: rounded, and in full."""

    text: str
    title: str


@dataclass(frozen=True, slots=True)
class SeriesView:
    """An entry of the legend. `number` is its colour, 0 for all others together; no path where none can be."""

    number: int
    name: str
    sum: Cell
    path: str


@dataclass(frozen=True, slots=True)
class PartView:
    """A part of a bar: its colour, place and height, and the records behind it."""

    number: int
    top: int
    height: int
    path: str


@dataclass(frozen=True, slots=True)
class BarView:
    """A bar, what it says when pointed at, and the records behind it."""

    label: str
    mark: str
    """What stands below the axis; empty below most bars."""
    minor: bool
    """Whether it does so where there is room only."""
    unfinished: bool
    late: bool
    """Whether it stands in the right half."""
    path: str
    sum: Cell
    parts: Sequence[PartView]
    notes: Sequence[tuple[SeriesView, Cell]]


@dataclass(frozen=True, slots=True)
class ChartView:
    """Everything that a chart and its table show. `cells[row][series]`, in the order of the legend."""

    empty: bool
    ticks: Sequence[str]
    """From above."""
    bars: Sequence[BarView]
    legend: Sequence[SeriesView]
    cells: Sequence[Sequence[Cell]]
    sum: Cell


def chart_view(
    asked: Asked, overview: UsageOverview, split: Dimension, figure: Figure, now: datetime
) -> ChartView:
    """Draw an overview as of a moment."""
    return _Drawing(asked, overview, split, figure, now).view()


@dataclass(frozen=True, slots=True)
class _Drawing:
    asked: Asked
    overview: UsageOverview
    split: Dimension
    figure: Figure
    now: datetime

    def view(self) -> ChartView:
        stacks = self.overview.stacks
        values = [[value_of(one, self.figure) for one in stack] for stack in stacks]
        drawn = chart(values)
        sums = [sum(column) for column in zip(*values, strict=True)] if values else []
        legend = self.legend(sums)
        bars = [self.bar(n, bar, legend, len(values)) for n, bar in enumerate(drawn.bars)]
        # The last of a stack are all others; without any they have no entry.
        cells = [[self.cell(one) for one in stack[: len(legend)]] for stack in values]
        ticks = [tick_text(one.value, self.figure) for one in reversed(drawn.ticks)]
        return ChartView(drawn.empty, ticks, bars, legend, cells, self.cell(sum(sums)))

    def legend(self, sums: Sequence[int]) -> list[SeriesView]:
        ranking = self.overview.rankings[self.split]
        shown = [
            self.entry(number, one, sums[number - 1])
            for number, one in enumerate(ranking.series, start=1)
        ]
        others = ranking.count - len(shown)
        # What came in since the biggest were chosen may be of none of them.
        if others > 0 or (sums and sums[-1]):
            name = f"{max(1, others):,} more"
            shown.append(SeriesView(OTHERS, name, self.cell(sums[-1]), ""))
        return shown

    def entry(self, number: int, one: Series, value: int) -> SeriesView:
        narrowed = self.asked.narrowed(self.split, one.value)
        path = self.asked.address(narrowed) if one.value else ""
        return SeriesView(number, label_of(self.split, one.name), self.cell(value), path)

    def bar(self, n: int, bar: Bar, legend: Sequence[SeriesView], count: int) -> BarView:
        start, end = self.overview.edges[n : n + 2]
        granularity = self.asked.range.granularity
        wide = marks_at(count, WIDE_MARKS)
        span = self.asked.range
        # The first and last month may be cut by the range: what is drawn is what is behind it.
        inside = bucket_asked(max(start, span.start), min(end, span.end))
        within = self.asked.with_range(inside)
        return BarView(
            label=bucket_words(start, granularity),
            mark=bucket_mark(start, granularity) if n in wide else "",
            minor=n not in wide[:: marks_at(len(wide), NARROW_MARKS).step],
            unfinished=start <= self.now < end,
            late=n * 2 >= count,
            path=self.records(within),
            sum=self.cell(bar.total),
            parts=[
                PartView(
                    legend[one.series].number, one.top, one.height, self.part(within, one.series)
                )
                for one in bar.segments
                if one.height
            ],
            notes=[(legend[one.series], self.cell(one.value)) for one in reversed(bar.segments)],
        )

    def part(self, within: dict[str, str | None], series: int) -> str:
        ranked = self.overview.rankings[self.split].series
        if series < len(ranked) and ranked[series].value:
            return self.records({**within, **self.asked.narrowed(self.split, ranked[series].value)})
        return self.records(within)

    def records(self, changed: dict[str, str | None]) -> str:
        return self.asked.records(changed)

    def cell(self, value: int) -> Cell:
        return Cell(text_of(value, self.figure), exact_text(value, self.figure))
