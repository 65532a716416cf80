"""Pages that both kinds of keys have: the form of one, and the deeds that ask first."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from app.errors import Invalid
from app.resolvers.api_keys import ApiKeyRow
from app.resolvers.management_keys import ManagementKeyRow

OVERLAPS = ((0, "At once"), (60, "In an hour"), (1440, "In a day"))
ROTATE, REVOKE = "keys/rotate.html", "keys/revoke.html"
Row = ApiKeyRow | ManagementKeyRow


@dataclass(frozen=True, slots=True)
class KeyFormPage:
    """The form of a new key (`row` is None), or of one that is changed."""

    template: ClassVar[str] = "dialog.html"

    title: str
    form: str
    action: str
    back: str
    row: Row | None
    values: Mapping[str, str]
    errors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RotatePage:
    """Asks when the old secret ends."""

    template: ClassVar[str] = "dialog.html"
    form: ClassVar[str] = ROTATE
    overlaps: ClassVar[tuple[tuple[int, str], ...]] = OVERLAPS

    title: str
    action: str
    back: str
    row: Row


@dataclass(frozen=True, slots=True)
class RevokePage:
    """Says what ends: for `users`, with the key `whose` it is, and what else follows."""

    template: ClassVar[str] = "dialog.html"
    form: ClassVar[str] = REVOKE

    title: str
    action: str
    back: str
    row: Row
    now: datetime
    users: str
    whose: str
    follows: tuple[str, ...]


def overlap_entered(form: Mapping[str, str]) -> int:
    """Read for how many minutes the old secret goes on. Raises `Invalid`."""
    text = form.get("overlap", "")
    if text not in {str(minutes) for minutes, _ in OVERLAPS}:
        raise Invalid(overlapMinutes="Choose when the old secret ends.")
    return int(text)
