"""Edges of buckets: whole, in order, and where the local clock says."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import Invalid
from app.zones import Granularity, edges, zone

ZONES = (
    *("UTC", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu", "Pacific/Apia"),
    *("Australia/Lord_Howe", "America/Havana", "Africa/Cairo", "America/St_Johns", "Asia/Beirut"),
)
MOMENTS = st.integers(631_152_000, 1_893_456_000).map(lambda one: datetime.fromtimestamp(one, UTC))


def label(moment: datetime, granularity: Granularity, where: ZoneInfo) -> object:
    """Name the bucket of a moment by the local clock alone."""
    local = moment.astimezone(where)
    return {
        Granularity.HOUR: (local.date(), local.hour, local.utcoffset()),
        Granularity.DAY: local.date(),
        Granularity.MONTH: (local.year, local.month),
        Granularity.TOTAL: None,
    }[granularity]


@given(
    MOMENTS,
    st.timedeltas(timedelta(seconds=1), timedelta(days=90)),
    st.sampled_from(Granularity),
    st.sampled_from(ZONES),
)
def test_buckets_cover_the_range_without_gap_and_no_edge_lies_within_a_local_bucket(
    start: datetime, length: timedelta, granularity: Granularity, name: str
) -> None:
    where, end = zone(name), start + length
    found = edges(start, end, granularity, where)
    assert found[0] <= start < found[1]
    assert found[-2] < end <= found[-1]
    assert all(one < other for one, other in pairwise(found))
    labels = [label(one, granularity, where) for one in found[:-1]]
    assert len(set(labels)) == len(labels)
    moment = timedelta(microseconds=1)
    for (one, other), named in zip(pairwise(found), labels, strict=True):
        assert (
            label(other - moment, granularity, where) == named or granularity is Granularity.TOTAL
        )
        assert one.tzinfo is UTC


def _lengths(day: str, name: str, granularity: Granularity = Granularity.DAY) -> list[float]:
    where = zone(name)
    start = datetime.fromisoformat(day).replace(tzinfo=where).astimezone(UTC)
    found = edges(start, start + timedelta(days=2), granularity, where)
    return [(other - one) / timedelta(hours=1) for one, other in pairwise(found)]


def test_days_have_23_24_or_25_hours_as_the_local_clock_has() -> None:
    assert _lengths("2026-03-08", "America/New_York")[:2] == [23, 24]
    assert _lengths("2026-11-01", "America/New_York")[:2] == [25, 24]
    assert _lengths("2026-04-05", "Australia/Lord_Howe")[:1] == [24.5]


def test_a_day_that_a_zone_left_out_is_no_bucket() -> None:
    where = zone("Pacific/Apia")
    start = datetime(2011, 12, 29, tzinfo=where).astimezone(UTC)
    found = edges(start, start + timedelta(days=2), Granularity.DAY, where)
    assert [one.astimezone(where).day for one in found] == [29, 31, 1]


def test_a_day_whose_midnight_is_left_out_begins_at_the_change() -> None:
    where = zone("Africa/Cairo")
    start = datetime(2026, 4, 24, 12, tzinfo=where).astimezone(UTC)
    first = edges(start, start + timedelta(hours=1), Granularity.DAY, where)[0]
    assert first == datetime(2026, 4, 23, 22, tzinfo=UTC)
    assert first.astimezone(where).hour == 1


@pytest.mark.parametrize("name", ["", "Nowhere/City", "../etc/passwd", "/etc/localtime", "utc\0"])
def test_what_is_no_zone_is_refused(name: str) -> None:
    with pytest.raises(Invalid):
        zone(name)
