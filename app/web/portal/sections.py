"""Sections: the pages of an account that the side bar leads to, in its order, and who may see them."""

from dataclasses import dataclass

from app.permissions import AccountKind, Permission
from app.seats import Seat


@dataclass(frozen=True, slots=True)
class Section:
    """A page of the map (INTERFACES.md, Portal). `path` comes after /a/{slug}; `group` is its heading there."""

    key: str
    label: str
    icon: str
    path: str
    permission: Permission | None
    group: str = ""
    shared_only: bool = False
    """Personal accounts have nothing of the kind."""

    def exists_in(self, seat: Seat) -> bool:
        """Tell whether an account of this kind has the page at all."""
        return not (self.shared_only and seat.kind is AccountKind.PERSONAL)

    def is_seen_by(self, seat: Seat) -> bool:
        """Tell whether its menu shows the page to this person."""
        allowed = self.permission is None or self.permission in seat.permissions
        return allowed and self.exists_in(seat)


# Each page adds its line when it is there.
SECTIONS: tuple[Section, ...] = (
    Section("dashboard", "Dashboard", "house", "", Permission.VIEW_OWN_USAGE),
    Section("usage", "Usage", "list", "usage", Permission.VIEW_OWN_USAGE),
    Section(
        "members",
        "Members",
        "users",
        "management/members",
        Permission.VIEW_MEMBERS,
        "Management",
        shared_only=True,
    ),
    Section(
        "audit",
        "Audit log",
        "history",
        "management/audit",
        Permission.VIEW_AUDIT_LOG,
        "Management",
    ),
)
BY_KEY = {one.key: one for one in SECTIONS}
