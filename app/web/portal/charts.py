"""Stacked bars as plain geometry: sums in, heights out. Pure: no HTML, no colours, no rounding of what is summed."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

HEIGHT = 10_000
MOST_STEPS = 5
_ROUND = (1, 2, 5)


@dataclass(frozen=True, slots=True)
class Segment:
    """One series' part of a bar. `top` and `height` are parts of `HEIGHT`, from above; `value` is exact."""

    series: int
    value: int
    top: int
    height: int


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its parts from the bottom up, those that are zero left out, and their exact sum."""

    total: int
    segments: Sequence[Segment]


@dataclass(frozen=True, slots=True)
class Tick:
    """A round value of the axis; `top` is its place from above."""

    value: int
    top: int


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars and the axis that they stand on, whose ticks are evenly spaced from 0 up."""

    bars: Sequence[Bar]
    ticks: Sequence[Tick]

    @property
    def empty(self) -> bool:
        """Whether there is nothing to be drawn."""
        return not any(bar.segments for bar in self.bars)


def chart(stacks: Sequence[Sequence[int]]) -> Chart:
    """Draw `stacks[bar][series]`. What is below zero, as corrections may be, is kept and has no height."""
    most = max((sum(max(0, value) for value in stack) for stack in stacks), default=0)
    values = ticks(most)
    highest = values[-1]
    axis = [Tick(value, HEIGHT - _scaled(value, highest)) for value in values]
    return Chart([_bar(stack, highest) for stack in stacks], axis)


def _bar(stack: Sequence[int], highest: int) -> Bar:
    # Edges are rounded and not heights, so that heights add up to the height of their sum.
    sums = accumulate((max(0, value) for value in stack), initial=0)
    edges = [_scaled(one, highest) for one in sums]
    segments = [
        Segment(series, value, HEIGHT - high, high - low)
        for series, (value, (low, high)) in enumerate(zip(stack, pairwise(edges), strict=True))
        if value
    ]
    return Bar(sum(stack), segments)


def _scaled(value: int, highest: int) -> int:
    return (value * HEIGHT * 2 + highest) // (highest * 2)


def ticks(most: int) -> list[int]:
    """Give round values, evenly spaced, from 0 to the first one that is not below `most`."""
    step = round_step(most)
    return [step * n for n in range(max(1, -(-most // step)) + 1)]


def round_step(most: int) -> int:
    """Give the smallest of 1, 2, 5, 10, 20, 50, … of which few reach `most`."""
    power = 1
    while True:
        for one in _ROUND:
            if one * power * MOST_STEPS >= most:
                return one * power
        power *= 10


def marks_at(count: int, most: int) -> range:
    """Choose which of `count` bars are named below the axis: at even distances, `most` at the most."""
    return range(0, count, max(1, -(-count // most)))
