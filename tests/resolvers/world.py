"""What the role matrix is acted out in: one organization, its people and keys, and the rows' form."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from app.seats import Viewer
from tests.scene import Scene

CALLERS = ("owner", "admin", "member", "outsider", "signed_out")


@dataclass
class World:
    """One organization with two people of each role but the highest, an invitation and keys."""

    scene: Scene
    account_id: UUID
    people: dict[str, Viewer]
    member_ids: dict[str, UUID]
    invitation_id: UUID
    api_keys: dict[str, UUID] = field(default_factory=dict)
    management_keys: dict[str, UUID] = field(default_factory=dict)
    ledger_entry_id: UUID = field(default_factory=uuid4)
    usage_records: dict[str, UUID] = field(default_factory=dict)
    billing: dict[str, UUID] = field(default_factory=dict)
    exports: dict[str, UUID] = field(default_factory=dict)

    def caller(self, name: str) -> Viewer:
        """Make the viewer of a new request of this person."""
        if name == "signed_out":
            return self.scene.signed_out()
        return self.scene.fresh(self.people[name])


Act = Callable[[World, Viewer], Awaitable[Any]]


@dataclass(frozen=True)
class Row:
    """One line of the matrix. `verb` names the declaration that it is about."""

    verb: str
    what: str
    act: Act
    expected: str

    def outcomes(self) -> dict[str, str]:
        """Tell what each caller gets."""
        return dict(zip(CALLERS, self.expected.split(), strict=True))
