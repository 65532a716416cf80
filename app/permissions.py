"""Who may do what: the role matrix of PRODUCT.md as one table. No I/O."""

from enum import Enum, IntEnum


class Permission(Enum):
    """One thing that an actor may do."""

    USE_CREDITS = "USE_CREDITS"
    VIEW_OWN_USAGE = "VIEW_OWN_USAGE"
    MANAGE_OWN_KEYS = "MANAGE_OWN_KEYS"
    VIEW_BALANCE = "VIEW_BALANCE"
    VIEW_BILLING = "VIEW_BILLING"
    MANAGE_BILLING = "MANAGE_BILLING"
    VIEW_MEMBERS = "VIEW_MEMBERS"
    MANAGE_MEMBERS = "MANAGE_MEMBERS"
    MANAGE_QUOTAS = "MANAGE_QUOTAS"
    MANAGE_ALL_KEYS = "MANAGE_ALL_KEYS"
    MANAGE_MANAGEMENT_KEYS = "MANAGE_MANAGEMENT_KEYS"
    VIEW_ACCOUNT_USAGE = "VIEW_ACCOUNT_USAGE"
    MANAGE_SETTINGS = "MANAGE_SETTINGS"
    VIEW_AUDIT_LOG = "VIEW_AUDIT_LOG"
    CHANGE_ROLES = "CHANGE_ROLES"
    TRANSFER_OWNERSHIP = "TRANSFER_OWNERSHIP"
    DISSOLVE_ORGANIZATION = "DISSOLVE_ORGANIZATION"
    LEAVE_ORGANIZATION = "LEAVE_ORGANIZATION"


class Role(IntEnum):
    """A named set of permissions. The number is the rank and is what the database stores."""

    MEMBER = 10
    ADMIN = 20
    OWNER = 30


class AccountKind(Enum):
    """The two kinds of account."""

    PERSONAL = "PERSONAL"
    ORGANIZATION = "ORGANIZATION"


P = Permission
_MEMBER = frozenset({P.USE_CREDITS, P.VIEW_OWN_USAGE, P.MANAGE_OWN_KEYS, P.LEAVE_ORGANIZATION})
_ADMIN = _MEMBER | {
    P.VIEW_MEMBERS,
    P.MANAGE_MEMBERS,
    P.MANAGE_QUOTAS,
    P.CHANGE_ROLES,
    P.MANAGE_ALL_KEYS,
    P.MANAGE_MANAGEMENT_KEYS,
    P.VIEW_BALANCE,
    P.VIEW_BILLING,
    P.MANAGE_BILLING,
    P.VIEW_ACCOUNT_USAGE,
    P.VIEW_AUDIT_LOG,
}
_OWNER = _ADMIN | {P.MANAGE_SETTINGS, P.TRANSFER_OWNERSHIP, P.DISSOLVE_ORGANIZATION}

ROLE_PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.MEMBER: _MEMBER,
    Role.ADMIN: _ADMIN,
    Role.OWNER: _OWNER,
}
# A personal account has one user: nothing there concerns other people or the account's own end.
PERSONAL_PERMISSIONS = _OWNER - {
    P.VIEW_MEMBERS,
    P.MANAGE_MEMBERS,
    P.MANAGE_QUOTAS,
    P.CHANGE_ROLES,
    P.MANAGE_MANAGEMENT_KEYS,
    P.MANAGE_SETTINGS,
    P.TRANSFER_OWNERSHIP,
    P.DISSOLVE_ORGANIZATION,
    P.LEAVE_ORGANIZATION,
}
MANAGEMENT_KEY_PERMISSIONS = frozenset(
    {P.VIEW_BALANCE, P.VIEW_BILLING, P.VIEW_ACCOUNT_USAGE, P.VIEW_MEMBERS}
)


def permissions_of(kind: AccountKind, role: Role) -> frozenset[Permission]:
    """List what a member may do in an account of this kind."""
    return PERSONAL_PERMISSIONS if kind is AccountKind.PERSONAL else ROLE_PERMISSIONS[role]


def roles_with(permission: Permission) -> tuple[Role, ...]:
    """List the roles of an organization that hold a permission."""
    return tuple(role for role, held in ROLE_PERMISSIONS.items() if permission in held)
