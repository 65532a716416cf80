"""Months: UTC calendar months, half-open, named by their first day. Pure."""

from datetime import UTC, date, datetime, timedelta

LONGEST = timedelta(days=31)


def month_of(moment: datetime) -> date:
    """Name the UTC month that a moment is in."""
    return moment.astimezone(UTC).date().replace(day=1)


def next_month(month: date) -> date:
    """Name the month after one."""
    return (month.replace(day=1) + LONGEST).replace(day=1)


def month_range(month: date) -> tuple[datetime, datetime]:
    """Tell when a month starts, and when it has ended."""
    return _midnight(month.replace(day=1)), _midnight(next_month(month))


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
