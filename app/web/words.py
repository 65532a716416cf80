"""Figures and moments as people read them: rounded credits, quotas in words, days and times in UTC. Pure."""

from datetime import datetime, timedelta

from app.money import DISABLED, MICRO, UNLIMITED, credits_text

CENT = MICRO // 100
MINUS = "\N{MINUS SIGN}"
NO_LIMIT = "no limit"
NO_CALLS = "may not call models"


def rounded(micro: int) -> str:
    """Show micro-credits with two places, half up: 1234567890 → "1,234.57"; what is less than a cent says so."""
    if 0 < abs(micro) < CENT // 2:
        return "< 0.01" if micro > 0 else f"> {MINUS}0.01"
    cents = (abs(micro) + CENT // 2) // CENT
    sign = MINUS if micro < 0 else ""
    return f"{sign}{cents // 100:,}.{cents % 100:02d}"


def exact(micro: int) -> str:
    """Show micro-credits in full, for the title of a rounded figure."""
    return f"{credits_text(micro)} credits"


def quota_short(quota: int) -> str:
    """Show a quota beside a figure: "250", "12.50"; in words where it is no number."""
    if quota == UNLIMITED:
        return NO_LIMIT
    if quota == DISABLED:
        return NO_CALLS
    return f"{quota // MICRO:,}" if quota % MICRO == 0 else rounded(quota)


def quota_words(quota: int) -> str:
    """Say a quota in a sentence: "250 credits a month", "no limit", "may not call models"."""
    short = quota_short(quota)
    return short if quota in (UNLIMITED, DISABLED) else f"{short} credits a month"


def percent(part: int, whole: int) -> int:
    """Tell how much of a whole is used, in whole percent, rounded down, so that 100 means used up."""
    return part * 100 // whole


def day(moment: datetime) -> str:
    """Write a day: 24 November 2026."""
    return f"{moment.day} {moment:%B %Y}"


def utc(moment: datetime) -> str:
    """Write a moment exactly: 2026-11-24 13:05:09 UTC."""
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def when(moment: datetime, now: datetime) -> str:
    """Say when something was or will be, as people do: "5 minutes ago", "yesterday", "24 November 2026"."""
    past = moment <= now
    seconds = int(abs((now - moment).total_seconds()))
    if seconds < 60:  # noqa: PLR2004 - a minute
        return "just now" if past else "in a moment"
    if seconds < 3600:  # noqa: PLR2004 - an hour
        return _told(seconds // 60, "minute", past=past)
    days = (now.date() - moment.date()).days
    if days == 0:
        return _told(seconds // 3600, "hour", past=past)
    if abs(days) == 1:
        return "yesterday" if past else "tomorrow"
    if abs(days) < 14:  # noqa: PLR2004 - two weeks
        return _told(abs(days), "day", past=past)
    same_year = moment.year == now.year and abs(now - moment) < timedelta(days=300)
    return f"{moment.day} {moment:%B}" if same_year else day(moment)


def _told(number: int, unit: str, *, past: bool) -> str:
    words = f"{number} {unit}{'' if number == 1 else 's'}"
    return f"{words} ago" if past else f"in {words}"


def counted(number: int, noun: str, plural: str = "") -> str:
    """Count things: "1 member", "3 members", "1,204 people"."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def stopped(name: str) -> str:
    """End a sentence with a name, which may have its own full stop: "Acme." and "Acme Inc."."""
    return name if name.endswith(".") else f"{name}."
