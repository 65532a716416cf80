"""Entries of forms as people fill them in: days on which something ends, and what is said at a field. Pure."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta

from app.errors import Invalid


def last_day(ends_at: datetime | None) -> str:
    """Write the last whole day (UTC) before an end, as a date entry shows it; empty for none."""
    if ends_at is None:
        return ""
    return (ends_at.astimezone(UTC) - timedelta(microseconds=1)).date().isoformat()


def end_entered(form: Mapping[str, str], name: str) -> datetime | None:
    """Read the end of the day that was entered (UTC); None where it is empty. Raises `Invalid` under `name`."""
    text = form.get(name, "").strip()
    if not text:
        return None
    try:
        last = date.fromisoformat(text)
        return datetime.combine(last + timedelta(days=1), time(), UTC)
    except (ValueError, OverflowError):
        raise Invalid(**{name: "Write a day as year-month-day, such as 2026-12-31."}) from None


def errors_of(refusal: Invalid) -> dict[str, str]:
    """List the sentences of a refusal by field."""
    return {one["field"]: one["message"] for one in refusal.fields}
