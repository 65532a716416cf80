"""States of keys, in words. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

SOON = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class KeyState:
    """Whether a key works, and the word that says so; `soon`: it ends within a week."""

    live: bool
    word: str
    style: str
    soon: bool = False


def state_of(revoked_at: datetime | None, expires_at: datetime | None, now: datetime) -> KeyState:
    """Tell the state of a key."""
    if revoked_at is not None:
        return KeyState(live=False, word="Revoked", style="bad")
    if expires_at is not None and expires_at <= now:
        return KeyState(live=False, word="Expired", style="bad")
    if expires_at is not None and expires_at - now <= SOON:
        return KeyState(live=True, word="Ends soon", style="warn", soon=True)
    return KeyState(live=True, word="Active", style="good")
