"""What the stand-in for Stripe remembers: plain objects by kind and id, kept in a file where it is given one."""

import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Plain = dict[str, Any]
# Of these there are many, and old ones are of no use.
MOST = {"event": 5000, "answer": 1000, "portal": 1000}


class Store:
    """Objects in the order in which they were made."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._kinds: dict[str, dict[str, Plain]] = {}

    def load(self) -> None:
        """Remember what an earlier process wrote down."""
        if self._path is not None and self._path.exists():
            self._kinds = json.loads(self._path.read_text())

    def put(self, kind: str, one: Plain) -> Plain:
        """Keep an object under its `id`, in place of what was there."""
        kept = self._kinds.setdefault(kind, {})
        kept[one["id"]] = one
        while len(kept) > MOST.get(kind, len(kept)):
            del kept[next(iter(kept))]
        return one

    def find(self, kind: str, given: str) -> Plain | None:
        """Find an object; None where there is none."""
        return self._kinds.get(kind, {}).get(given)

    def drop(self, kind: str, given: str) -> None:
        """Forget an object."""
        self._kinds.get(kind, {}).pop(given, None)

    def newest_first(self, kind: str, **equal: Any) -> Iterator[Plain]:
        """Go through the objects of a kind whose fields are these."""
        for one in reversed(list(self._kinds.get(kind, {}).values())):
            if all(one.get(name) == value for name, value in equal.items()):
                yield one

    def save(self) -> None:
        """Write everything down, so that a restart finds it."""
        if self._path is None:
            return
        beside = self._path.with_suffix(".new")
        beside.write_text(json.dumps(self._kinds))
        beside.replace(self._path)


def new_id(prefix: str) -> str:
    """Make an id such as `cus_…`."""
    return f"{prefix}_{secrets.token_hex(12)}"
