"""Ranges: presets and own dates as addresses name them, the range before, and how they are said."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import Invalid
from app.web.portal.ranges import PRESETS, Range, bucket_asked, read_range
from app.zones import Granularity, edges, zone

NOW = datetime(2026, 3, 31, 15, 30, tzinfo=UTC)
DASH = "\N{EN DASH}"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("preset", "start", "end", "before", "said"),
    [
        ("today", "2026-03-31", "2026-04-01", ("2026-03-30", "2026-03-30T15:30"), "31 March 2026"),
        (
            "7d",
            "2026-03-25",
            "2026-04-01",
            ("2026-03-18", "2026-03-24T15:30"),
            f"25{DASH}31 March 2026",
        ),
        (
            "30d",
            "2026-03-02",
            "2026-04-01",
            ("2026-01-31", "2026-03-01T15:30"),
            f"2{DASH}31 March 2026",
        ),
        (
            "90d",
            "2026-01-01",
            "2026-04-01",
            ("2025-10-03", "2025-12-31T15:30"),
            f"1 January {DASH} 31 March 2026",
        ),
        # February has no 31st: a month is never compared with more than the month before it.
        (
            "month",
            "2026-03-01",
            "2026-04-01",
            ("2026-02-01", "2026-03-01"),
            f"1{DASH}31 March 2026",
        ),
        (
            "last-month",
            "2026-02-01",
            "2026-03-01",
            ("2026-01-01", "2026-02-01"),
            f"1{DASH}28 February 2026",
        ),
    ],
)
def test_presets_end_with_today_and_are_compared_up_to_the_same_time(
    preset: str, start: str, end: str, before: tuple[str, str], said: str
) -> None:
    found = read_range({"range": preset}, NOW)
    assert (found.start, found.end) == (at(start), at(end))
    assert found.before(NOW) == (at(before[0]), at(before[1]))
    assert found.words == said
    assert read_range(found.asked, NOW) == found


def test_own_dates_include_their_last_day_or_hour() -> None:
    days = read_range({"from": "2025-12-30", "to": "2026-01-02"}, NOW)
    assert (days.start, days.end) == (at("2025-12-30"), at("2026-01-03"))
    assert days.words == f"30 December 2025 {DASH} 2 January 2026"
    hour = read_range({"from": "2026-03-01T09", "to": "2026-03-01T09"}, NOW)
    assert (hour.start, hour.end) == (at("2026-03-01T09:00"), at("2026-03-01T10:00"))
    assert hour.words == f"1 March 2026, 09:00{DASH}10:00"
    assert read_range({"from": "2026-03-30"}, NOW).end == at("2026-04-01")


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"from": "2026-03-02", "to": "2026-03-01"}, "to"),
        ({"from": "2025-01-01", "to": "2026-03-01"}, "to"),
        ({"to": "2026-03-01"}, "from"),
        ({"from": "1 March"}, "from"),
        ({"from": "2026-02-30"}, "from"),
        ({"from": "2026-02-20T24"}, "from"),
        ({"from": "0001-01-01", "to": "0001-01-02"}, "from"),
        ({"from": "9999-12-31"}, "from"),
        ({"range": "8d"}, "range"),
    ],
)
def test_a_range_that_is_none_is_refused_at_its_field(asked: dict[str, str], field: str) -> None:
    with pytest.raises(Invalid) as refusal:
        read_range(asked, NOW)
    assert [one["field"] for one in refusal.value.fields] == [field]


@given(
    st.datetimes(at("2001-01-01").replace(tzinfo=None), at("2030-01-01").replace(tzinfo=None)),
    st.integers(1, 366),
    st.sampled_from(["", *PRESETS]),
)
def test_bars_of_a_range_are_ranges_that_an_address_can_name(
    moment: datetime, days: int, preset: str
) -> None:
    now = moment.replace(tzinfo=UTC)
    if preset:
        one = read_range({"range": preset}, now)
    else:
        start = now.replace(hour=0, minute=0, second=0, microsecond=0)
        one = Range(start, start + timedelta(days=days))
    assert read_range(one.asked, now) == one
    low, high = one.before(now)
    assert low <= high <= one.start
    bars = edges(one.start, one.end, one.granularity, zone("UTC"))
    assert len(bars) <= 93
    for start, end in pairwise(bars):
        bar = read_range(bucket_asked(start, end), now)
        assert (bar.start, bar.end) == (start, end)
    assert (one.granularity is Granularity.HOUR) is (one.end - one.start <= timedelta(days=2))
