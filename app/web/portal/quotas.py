"""Quotas as people type them: a number of credits, or one of the two words."""

from collections.abc import Mapping

from app.errors import Invalid
from app.money import DISABLED, UNLIMITED, parse_quota, quota_text

NO_LIMIT, NO_CALLS, AMOUNT = "no-limit", "no-calls", "amount"

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


def quota_entered(form: Mapping[str, str], name: str) -> int:
    """Read a limit: a named choice, or an amount in credits, where -1 and 0 are the choices as well.

    Raises `Invalid` under `name`, also where an amount was written beside another choice.
    """
    choice = form.get(f"{name}_choice", AMOUNT)
    amount = form.get(name, "").strip()
    if choice == AMOUNT:
        return read_quota(amount, name)
    if choice not in (NO_LIMIT, NO_CALLS):
        raise Invalid(**{name: "Choose one of these."})
    if amount and amount != form.get(f"{name}_was", ""):
        raise Invalid(**{name: f"You wrote {amount[:20]} and chose something else. Choose one."})
    return UNLIMITED if choice == NO_LIMIT else DISABLED


def choice_of(quota: int) -> str:
    """Tell which choice stands for a limit."""
    return {UNLIMITED: NO_LIMIT, DISABLED: NO_CALLS}.get(quota, AMOUNT)


def amount_of(quota: int) -> str:
    """Write a limit's amount for its entry; empty for a named choice."""
    return "" if quota in (UNLIMITED, DISABLED) else quota_text(quota)
