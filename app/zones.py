"""Time zones and the edges of buckets in them. Pure: no clock, no I/O."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

from app.errors import Invalid

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


class Granularity(Enum):
    """How long the buckets of a report are."""

    HOUR = "HOUR"
    DAY = "DAY"
    MONTH = "MONTH"
    TOTAL = "TOTAL"


@lru_cache(maxsize=1)
def _names() -> frozenset[str]:
    return frozenset(available_timezones())


def zone(name: str) -> ZoneInfo:
    """Find a time zone by its IANA name. Raises `Invalid`."""
    # Asked by name first: a name reaches no file system unless it is a known one.
    if name != "UTC" and name not in _names():
        raise Invalid(time_zone='Name a time zone of the IANA database, such as "Europe/Berlin".')
    return ZoneInfo(name)


def midnight(day: date, where: ZoneInfo) -> datetime:
    """Give the first moment of a local day, in UTC; where it was left out, that of the next one.

    Where midnight does not exist, the offset before the gap names the moment of the gap itself;
    where it comes twice, the first one counts.
    """
    return datetime.combine(day, time(), where).astimezone(UTC)


def edges(
    start: datetime, end: datetime, granularity: Granularity, where: ZoneInfo
) -> list[datetime]:
    """List the edges, in UTC, of all buckets that [start, end) touches: one more than there are buckets.

    The first and last bucket are whole ones, though the range may begin or end within them; the one
    bucket of TOTAL is the range. Buckets follow the local clock: a day may have 23 or 25 hours.
    """
    if granularity is Granularity.TOTAL:
        return [start, end]
    if granularity is Granularity.HOUR:
        return list(_hours(start, end, where))
    first = start.astimezone(where).date()
    following = _next_day
    if granularity is Granularity.MONTH:
        first, following = first.replace(day=1), _next_month
    return _of_days(first, following, end, where)


def _of_days(
    day: date, following: Callable[[date], date], end: datetime, where: ZoneInfo
) -> list[datetime]:
    found = [midnight(day, where)]
    while found[-1] < end:
        day = following(day)
        moment = midnight(day, where)
        # A day that the zone has left out is no bucket.
        if moment > found[-1]:
            found.append(moment)
    return found


def _next_day(day: date) -> date:
    return day + DAY


def _next_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


def _hours(start: datetime, end: datetime, where: ZoneInfo) -> Iterator[datetime]:
    moment = _hour_of(start, where)
    yield moment
    while moment < end:
        moment = _next_hour(moment, where)
        yield moment


def _into_hour(moment: datetime, where: ZoneInfo) -> timedelta:
    local = moment.astimezone(where)
    return timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)


def _hour_of(moment: datetime, where: ZoneInfo) -> datetime:
    """Give the start of the local hour that a moment is in."""
    begun = moment - _into_hour(moment, where)
    change = _change_between(begun, moment, where)
    return begun if change is None else change


def _next_hour(moment: datetime, where: ZoneInfo) -> datetime:
    """Give the end of the local hour that begins, or is cut in two, at a moment."""
    ended = moment + HOUR - _into_hour(moment, where)
    change = _change_between(moment, ended, where)
    return ended if change is None else change


def _change_between(before: datetime, after: datetime, where: ZoneInfo) -> datetime | None:
    """Find where the zone's offset changes, later than `before` and no later than `after`."""
    old = before.astimezone(where).utcoffset()
    if after.astimezone(where).utcoffset() == old:
        return None
    low, high = before, after
    while high - low > SECOND:
        middle = low + (high - low) / 2
        if middle.astimezone(where).utcoffset() == old:
            low = middle
        else:
            high = middle
    # Offsets change at whole seconds.
    return high.replace(microsecond=0)


def on_hours(moments: list[datetime]) -> bool:
    """Tell whether moments are full hours of UTC."""
    return all((one.minute, one.second, one.microsecond) == (0, 0, 0) for one in moments)


def on_days(moments: list[datetime]) -> bool:
    """Tell whether moments are midnights of UTC."""
    return on_hours(moments) and all(one.hour == 0 for one in moments)


def floored(moment: datetime, unit: timedelta) -> datetime:
    """Give the last full hour or day of UTC up to a moment."""
    hour = moment.replace(minute=0, second=0, microsecond=0)
    return hour.replace(hour=0) if unit == DAY else hour


def raised(moment: datetime, unit: timedelta) -> datetime:
    """Give the first full hour or day of UTC from a moment on."""
    low = floored(moment, unit)
    return low if low == moment else low + unit


def spans(moments: list[datetime]) -> list[tuple[datetime, datetime]]:
    """Pair edges as buckets."""
    return list(pairwise(moments))
