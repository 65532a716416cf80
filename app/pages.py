"""Pages of a list: keyset cursors, signed and bound to the list that they came from."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Generic, TypeVar

from itsdangerous import BadData, URLSafeSerializer

from app.errors import BadRequest, Invalid
from app.settings import Settings

T = TypeVar("T")

CURSOR_LENGTH = 2048


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows of a list, in its order. A row's cursor is made only when somebody asks for it."""

    rows: Sequence[T]
    has_next: bool
    has_previous: bool
    cursor: Callable[[int], str]
    """`cursor(index)`: where the list goes on after that row."""


@dataclass(frozen=True, slots=True)
class Cursors:
    """Cursors of one list. `binding` names the list, its account, order and filters."""

    settings: Settings
    binding: tuple[Any, ...]

    def _serializer(self) -> URLSafeSerializer:
        return _serializer(self.settings.secret_key.get_secret_value())

    def _bound(self) -> str:
        plain = json.dumps(self.binding, default=str, ensure_ascii=True)
        return hashlib.sha256(plain.encode()).hexdigest()[:16]

    def write(self, key: Sequence[Any]) -> str:
        """Make the cursor after the row whose order key this is."""
        return self._serializer().dumps([self._bound(), *key])

    def read(self, cursor: str | None) -> list[Any] | None:
        """Read an order key; None at the start of the list. Raises `BadRequest` for a foreign cursor."""
        if cursor is None:
            return None
        try:
            bound, *key = self._serializer().loads(cursor[:CURSOR_LENGTH])
        except (BadData, ValueError, TypeError, UnicodeError):
            raise BadRequest("This cursor is not one of ours.") from None
        if bound != self._bound():
            raise BadRequest("This cursor belongs to another list.")
        return list(key)


@lru_cache(maxsize=4)
def _serializer(secret: str) -> URLSafeSerializer:
    return URLSafeSerializer(secret, salt="cursor")


def page_of(
    rows: Sequence[T],
    first: int,
    after: Sequence[Any] | None,
    cursors: Cursors,
    key_of: Callable[[T], Sequence[Any]],
) -> Page[T]:
    """Make a page of what a statement gave for `first + 1` rows after a key."""
    shown = rows[:first]

    def cursor(index: int) -> str:
        return cursors.write(key_of(shown[index]))

    return Page(shown, len(rows) > first, after is not None, cursor)


def check_first(first: int, settings: Settings) -> int:
    """Refuse page sizes that are none. Raises `Invalid`."""
    if not 1 <= first <= settings.page_size:
        raise Invalid(first=f"Ask for 1 to {settings.page_size} rows a page.")
    return first
