"""What the edge knows of a request before any window: its id, the caller's address, who it turned out to be."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import HTTPConnection
from starlette.types import Scope

from app.ids import new_id

KEY = "r9s.edge"
_WELL_FORMED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}", re.ASCII)

# Paths whose last part is a secret: they are written to no log and no answer.
_SECRET_PATHS = re.compile(r"^(/invitations/|/avatars/[^/]+/)[^/]+")


@dataclass(slots=True)
class Edge:
    """The facts of one request. `private`: the answer depends on who asks, so no cache may keep it."""

    request_id: str
    ip: str
    scheme: str
    sandbox: bool = False
    private: bool = False
    visit: Any = None
    after_answer: list[Callable[[], Awaitable[object]]] = field(default_factory=list)


def edge_of(source: Scope | HTTPConnection) -> Edge:
    """Give the edge's facts of a request."""
    scope = source.scope if isinstance(source, HTTPConnection) else source
    edge: Edge = scope[KEY]
    return edge


def request_id_from(*given: str) -> str:
    """Take the caller's request id where it is one and well formed (8 to 64 letters, digits, `.`, `_`, `-`), else make one."""
    if len(given) == 1 and _WELL_FORMED.fullmatch(given[0]):
        return given[0]
    return new_id().hex


def masked(path: str) -> str:
    """Show a path without the secret that it may hold."""
    return _SECRET_PATHS.sub(r"\1…", path)


def bearer_of(headers: Mapping[str, str]) -> str | None:
    """Give the bearer credential of a request; None where there is none. It may be empty or nonsense."""
    scheme, _, credential = headers.get("authorization", "").partition(" ")
    return credential.strip() if scheme.lower() == "bearer" else None
