"""Dates as people read them, in UTC."""

from datetime import datetime


def day(moment: datetime) -> str:
    """Write a day: 24 November 2026."""
    return f"{moment.day} {moment:%B %Y}"
