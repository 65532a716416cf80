"""The role matrix of the product, written out once more: roles hold these permissions and no others."""

import pytest

from app.permissions import (
    MANAGEMENT_KEY_PERMISSIONS,
    AccountKind,
    Permission,
    Role,
    permissions_of,
    roles_with,
)

OWNER, ADMIN, MEMBER = Role.OWNER, Role.ADMIN, Role.MEMBER
# Permission: roles of an organization, in a personal account, by a management key.
MATRIX: dict[str, tuple[tuple[Role, ...], bool, bool]] = {
    "USE_CREDITS": ((MEMBER, ADMIN, OWNER), True, False),
    "VIEW_OWN_USAGE": ((MEMBER, ADMIN, OWNER), True, False),
    "MANAGE_OWN_KEYS": ((MEMBER, ADMIN, OWNER), True, False),
    "LEAVE_ORGANIZATION": ((MEMBER, ADMIN, OWNER), False, False),
    "VIEW_MEMBERS": ((ADMIN, OWNER), False, True),
    "MANAGE_MEMBERS": ((ADMIN, OWNER), False, False),
    "MANAGE_QUOTAS": ((ADMIN, OWNER), False, False),
    "CHANGE_ROLES": ((ADMIN, OWNER), False, False),
    "MANAGE_ALL_KEYS": ((ADMIN, OWNER), True, False),
    "MANAGE_MANAGEMENT_KEYS": ((ADMIN, OWNER), False, False),
    "VIEW_BALANCE": ((ADMIN, OWNER), True, True),
    "VIEW_BILLING": ((ADMIN, OWNER), True, True),
    "MANAGE_BILLING": ((ADMIN, OWNER), True, False),
    "VIEW_ACCOUNT_USAGE": ((ADMIN, OWNER), True, True),
    "VIEW_AUDIT_LOG": ((ADMIN, OWNER), True, False),
    "MANAGE_SETTINGS": ((OWNER,), False, False),
    "TRANSFER_OWNERSHIP": ((OWNER,), False, False),
    "DISSOLVE_ORGANIZATION": ((OWNER,), False, False),
}


def test_the_matrix_speaks_of_every_permission() -> None:
    assert set(MATRIX) == {one.value for one in Permission}


@pytest.mark.parametrize("name", MATRIX)
def test_a_permission_is_held_by_whom_the_matrix_says(name: str) -> None:
    permission = Permission[name]
    roles, personal, key = MATRIX[name]
    for role in Role:
        assert (permission in permissions_of(AccountKind.ORGANIZATION, role)) is (role in roles)
        assert (permission in permissions_of(AccountKind.PERSONAL, role)) is personal
    assert (permission in MANAGEMENT_KEY_PERMISSIONS) is key
    assert set(roles_with(permission)) == set(roles)


def test_a_higher_rank_holds_all_that_a_lower_one_does() -> None:
    member, admin, owner = (permissions_of(AccountKind.ORGANIZATION, one) for one in sorted(Role))
    assert member < admin < owner
    assert MEMBER < ADMIN < OWNER
