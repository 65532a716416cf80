"""Ranges of days that people ask for: presets and own dates, the range before, and how both are said. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from app.errors import Invalid
from app.months import month_of
from app.zones import DAY, HOUR, Granularity

LONGEST = timedelta(days=366)
BY_HOUR = timedelta(days=2)
BY_DAY = timedelta(days=92)
FIRST_YEAR, LAST_YEAR = 2000, 8999
DEFAULT = "month"
DASH = "\N{EN DASH}"
PRESETS = {
    "today": "Today",
    "7d": "7 days",
    "30d": "30 days",
    "90d": "90 days",
    "month": "This month",
    "last-month": "Last month",
}
_LENGTHS = {"today": 1, "7d": 7, "30d": 30, "90d": 90}
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(T\d{2})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Range:
    """Whole days, or hours, of UTC: [start, end). `preset` is empty for own dates."""

    start: datetime
    end: datetime
    preset: str = ""

    @property
    def granularity(self) -> Granularity:
        """How long the bars of a chart of this range are."""
        length = self.end - self.start
        if length <= BY_HOUR:
            return Granularity.HOUR
        return Granularity.DAY if length <= BY_DAY else Granularity.MONTH

    @property
    def asked(self) -> dict[str, str]:
        """The parameters that name this range in an address; none for the default one."""
        if self.preset:
            return {} if self.preset == DEFAULT else {"range": self.preset}
        return {"from": named(self.start), "to": named_end(self.end)}

    @property
    def first_day(self) -> str:
        """The first day, as a field of dates holds it."""
        return self.start.date().isoformat()

    @property
    def last_day(self) -> str:
        """The last day, as a field of dates holds it."""
        return (self.end - timedelta(microseconds=1)).date().isoformat()

    @property
    def words(self) -> str:
        """Say it, as `words` does."""
        return words(self.start, self.end)

    def before(self, now: datetime) -> tuple[datetime, datetime]:
        """Give the range to compare with: the one just before, cut where this one stands now.

        A month is compared with the month before it, up to the same day and time.
        """
        elapsed = min(max(now, self.start), self.end) - self.start
        if self.preset == "month":
            start = _month_before(self.start)
            return start, min(start + elapsed, self.start)
        if self.preset == "last-month":
            return _month_before(self.start), self.start
        start = self.start - (self.end - self.start)
        return start, start + elapsed


def _month_before(start: datetime) -> datetime:
    return _midnight(month_of(start - DAY))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def preset_range(name: str, now: datetime) -> Range:
    """Give a preset's range: with the whole of today, which has not ended. Raises `Invalid`."""
    today = _midnight(now.astimezone(UTC).date())
    month = _midnight(month_of(now))
    if name in _LENGTHS:
        return Range(today - DAY * (_LENGTHS[name] - 1), today + DAY, name)
    if name == "month":
        return Range(month, today + DAY, name)
    if name == "last-month":
        return Range(_month_before(month), month, name)
    raise Invalid(range=f"Choose one of {', '.join(PRESETS)}.")


def read_range(asked: Mapping[str, str], now: datetime, default: str = DEFAULT) -> Range:
    """Read `range`, or `from` and `to`: days or hours, the last one included. Raises `Invalid`."""
    first, last = asked.get("from", ""), asked.get("to", "")
    if not first and not last:
        return preset_range(asked.get("range") or default, now)
    start = _read("from", first) if first else None
    end = _read("to", last) if last else preset_range("today", now).end
    if last:
        end += HOUR if "T" in last else DAY
    if start is None:
        raise Invalid(**{"from": "Say from which day on."})
    if end <= start:
        raise Invalid(to="The last day lies before the first one.")
    if end - start > LONGEST:
        raise Invalid(to=f"Ask for at most {LONGEST.days} days.")
    return Range(start, end)


def _read(name: str, text: str) -> datetime:
    try:
        if _DATE.fullmatch(text):
            day, _, hour = text.partition("T")
            moment = _midnight(date.fromisoformat(day)) + HOUR * int(hour or 0)
            if FIRST_YEAR <= moment.year <= LAST_YEAR and int(hour or 0) < DAY // HOUR:
                return moment
    except ValueError:
        pass
    raise Invalid(**{name: "Write a day as 2026-11-24."})


def named(moment: datetime) -> str:
    """Name the day, or hour, that begins at a moment, as `read_range` reads it."""
    return moment.strftime("%Y-%m-%dT%H" if moment.hour else "%Y-%m-%d")


def named_end(end: datetime) -> str:
    """Name the last day, or hour, before a moment."""
    return (end - HOUR).strftime("%Y-%m-%dT%H") if end.hour else (end - DAY).strftime("%Y-%m-%d")


def bucket_asked(start: datetime, end: datetime) -> dict[str, str]:
    """Name one bar of a chart as a range of its own."""
    if end - start <= HOUR:
        hour = start.strftime("%Y-%m-%dT%H")
        return {"from": hour, "to": hour}
    return Range(start, end).asked


def words(start: datetime, end: datetime) -> str:
    """Say a range as people do: a day, days of a month, or from one to another."""
    if end - start < DAY:
        return f"{_day(start)} {start:%B %Y}, {start:%H:%M}{DASH}{end:%H:%M}"
    last = end - timedelta(microseconds=1)
    if start.year != last.year:
        return f"{_day(start)} {start:%B %Y} {DASH} {_day(last)} {last:%B %Y}"
    if start.month != last.month:
        return f"{_day(start)} {start:%B} {DASH} {_day(last)} {last:%B %Y}"
    if start.day != last.day:
        return f"{_day(start)}{DASH}{_day(last)} {last:%B %Y}"
    return f"{_day(start)} {start:%B %Y}"


def bucket_words(start: datetime, granularity: Granularity) -> str:
    """Say one bar: 3 November 2026; 3 November, 10:00; November 2026."""
    if granularity is Granularity.HOUR:
        return f"{_day(start)} {start:%B}, {start:%H:%M}"
    if granularity is Granularity.MONTH:
        return f"{start:%B %Y}"
    return f"{_day(start)} {start:%B %Y}"


def bucket_mark(start: datetime, granularity: Granularity) -> str:
    """Say one bar below the axis: 3 Nov; 10:00; Nov 2026."""
    if granularity is Granularity.HOUR:
        return f"{start:%H:%M}"
    return f"{start:%b %Y}" if granularity is Granularity.MONTH else f"{_day(start)} {start:%b}"


def _day(moment: datetime) -> int:
    return moment.day
