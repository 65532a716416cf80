"""Sections: the pages of an account that the side bar leads to, in its order, and who may see them."""

from dataclasses import dataclass

from app.permissions import AccountKind, Permission
from app.seats import Seat

P = Permission
MANAGEMENT, ORGANIZATION = "Management", "Organization"


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


def _shared(
    key: str,
    label: str,
    icon: str,
    path: str,
    permission: Permission | None,
    group: str = MANAGEMENT,
) -> Section:
    """Make a section that only organizations have."""
    return Section(key, label, icon, path, permission, group, shared_only=True)


# Each page adds its line when it is there.
SECTIONS: tuple[Section, ...] = (
    Section("dashboard", "Dashboard", "house", "", P.VIEW_OWN_USAGE),
    Section("usage", "Usage", "list", "usage", P.VIEW_OWN_USAGE),
    Section("keys", "Keys", "key-round", "keys", P.MANAGE_OWN_KEYS),
    Section("credits", "Credits", "coins", "credits", P.VIEW_BILLING),
    Section("billing", "Billing", "receipt", "billing", P.VIEW_BILLING),
    _shared("members", "Members", "users", "management/members", P.VIEW_MEMBERS),
    _shared("settings", "Settings", "settings-2", "management/settings", P.MANAGE_QUOTAS),
    _shared(
        "management_keys",
        "Management keys",
        "shield",
        "management/keys",
        P.MANAGE_MANAGEMENT_KEYS,
    ),
    Section("audit", "Audit log", "history", "management/audit", P.VIEW_AUDIT_LOG, MANAGEMENT),
    _shared("profile", "Organization Profile", "building-2", "profile", None, ORGANIZATION),
)
BY_KEY = {one.key: one for one in SECTIONS}
