"""Charts: bars sum to totals, heights to bars, ticks are round, no series is lost; figures and changes in words."""

from hypothesis import given
from hypothesis import strategies as st

from app.resolvers.usage_overviews import Figure
from app.web.portal.charts import HEIGHT, chart, marks_at, ticks
from app.web.portal.figures import change, compact, tick_text

VALUES = st.integers(-(10**6), 10**15)
STACKS = st.integers(1, 8).flatmap(
    lambda series: st.lists(st.lists(VALUES, min_size=series, max_size=series), max_size=40)
)


@given(STACKS)
def test_bars_sum_to_totals_and_no_series_is_lost(stacks: list[list[int]]) -> None:
    drawn = chart(stacks)
    assert [bar.total for bar in drawn.bars] == [sum(stack) for stack in stacks]
    highest = drawn.ticks[-1].value
    for bar, stack in zip(drawn.bars, stacks, strict=True):
        assert [(one.series, one.value) for one in bar.segments] == [
            (series, value) for series, value in enumerate(stack) if value
        ]
        seen = [one for one in bar.segments if one.height]
        assert all(one.value > 0 for one in seen), "what is below zero has no height"
        bottom = HEIGHT
        for one in seen:
            assert one.top + one.height == bottom, "parts stand on each other"
            bottom = one.top
        whole = sum(value for value in stack if value > 0)
        assert abs((HEIGHT - bottom) - whole * HEIGHT / highest) <= 1
        assert bottom >= 0, "no bar is higher than the axis"
    assert drawn.empty is not any(value for stack in stacks for value in stack)


@given(st.integers(0, 10**18))
def test_ticks_are_round_evenly_spaced_and_reach_the_highest_bar(most: int) -> None:
    found = ticks(most)
    step = found[1]
    assert str(step).rstrip("0") in {"1", "2", "5"}
    assert found == [step * n for n in range(len(found))]
    assert 2 <= len(found) <= 6
    assert found[-2] < most <= found[-1] or most == 0


def test_an_empty_chart_has_an_axis_and_no_bars() -> None:
    for stacks in ([], [[], []], [[0, 0], [0, 0]]):
        drawn = chart(stacks)
        assert drawn.empty
        assert [one.top for one in drawn.ticks] == [HEIGHT, 0]
        assert not any(bar.segments for bar in drawn.bars)


@given(st.integers(0, 400), st.integers(1, 12))
def test_names_below_the_axis_are_few_and_evenly_spaced(count: int, most: int) -> None:
    found = marks_at(count, most)
    assert len(found) <= most
    assert (0 in found) is (count > 0)


@given(st.integers(-(10**17), 10**17))
def test_compact_counts_are_close_and_short(number: int) -> None:
    text = compact(number)
    assert len(text) <= 10
    plain = text.replace("\N{MINUS SIGN}", "-").replace(",", "")
    digits, _, letter = plain.partition("\N{NARROW NO-BREAK SPACE}")
    unit = {"": 1, "k": 10**3, "M": 10**6, "B": 10**9, "T": 10**12, "Q": 10**15}[letter]
    assert abs(float(digits) * unit - number) <= unit / 20 + abs(number) * 1e-12


def test_figures_are_said_as_people_read_them() -> None:
    thin, minus = "\N{NARROW NO-BREAK SPACE}", "\N{MINUS SIGN}"
    assert [compact(one) for one in (0, 9_999, 10_000, 999_949, 999_950, 91_200_000)] == [
        "0",
        "9,999",
        f"10{thin}k",
        f"999.9{thin}k",
        f"1{thin}M",
        f"91.2{thin}M",
    ]
    assert tick_text(2_500_000, Figure.CREDITS) == "2.5"
    assert tick_text(20, Figure.CREDITS) == "0.00002"
    assert tick_text(20_000_000, Figure.TOKENS) == f"20{thin}M"
    assert [change(now, before) for now, before in ((112, 100), (96, 100), (100, 100))] == [
        f"+12{thin}%",
        f"{minus}4{thin}%",
        "as before",
    ]
    assert change(5, 0) == ""
    assert change(1001, 1000) == f"±0{thin}%"
    assert change(12_000, 1000) == "12-fold"
