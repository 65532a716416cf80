"""Quotas as people type them: a number of credits, or one of the two words."""

from app.money import DISABLED, UNLIMITED, parse_quota

WORDS = {
    "no limit": UNLIMITED,
    "unlimited": UNLIMITED,
    "none": DISABLED,
    "may not call models": DISABLED,
}


def read_quota(text: str, field: str = "quota") -> int:
    """Read a quota: "250", "12.5", "no limit" or "-1", "may not call models" or "0". Raises `Invalid`."""
    plain = " ".join(text.replace("\N{MINUS SIGN}", "-").casefold().split())
    if plain in WORDS:
        return WORDS[plain]
    return parse_quota(plain, field)
