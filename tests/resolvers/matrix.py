"""The role matrix of PRODUCT.md, written out: each operation on each kind of target, by each caller.

A row reads: what is done, then what becomes of it for Owner, Admin, Member, outsider, signed-out.
`ok` is done; a number is the status of the refusal.
"""

from typing import Any

from app.money import MICRO
from app.permissions import Role
from app.resolvers import accounts, audit, invitations, members, organizations
from app.seats import Viewer
from tests.resolvers.matrix_billing import BILLING_ROWS
from tests.resolvers.matrix_exports import EXPORT_ROWS
from tests.resolvers.matrix_keys import KEY_ROWS
from tests.resolvers.matrix_money import MONEY_ROWS
from tests.resolvers.matrix_pages import PAGE_ROWS
from tests.resolvers.matrix_usage import USAGE_ROWS
from tests.resolvers.world import Act, Row, World


def _on(verb: Any, target: str, *arguments: Any) -> Act:
    return lambda world, viewer: verb(viewer, world.member_ids[target], *arguments)


def _of(verb: Any, *arguments: Any, **named: Any) -> Act:
    return lambda world, viewer: verb(viewer, world.account_id, *arguments, **named)


def _invitation(verb: Any) -> Act:
    return lambda world, viewer: verb(viewer, world.invitation_id)


def _own(verb: Any, *arguments: Any) -> Act:
    async def act(world: World, viewer: Viewer) -> Any:
        name = next((n for n, who in world.people.items() if who.user is viewer.user), "owner")
        return await verb(viewer, world.member_ids.get(name, world.member_ids["owner"]), *arguments)

    return act


async def _audit_event(world: World, viewer: Viewer) -> Any:
    log = await audit.audit_log(world.caller("owner"), world.account_id, audit.AuditFilter())
    return await audit.audit_event(viewer, log.rows[0].id)


def _transfer(world: World, viewer: Viewer) -> Any:
    return organizations.transfer_ownership(viewer, world.account_id, world.member_ids["member2"])


QUOTA = 5 * MICRO

ROWS = [
    Row("accounts.account", "see the organization", _of(accounts.account), "ok ok ok 404 401"),
    Row("accounts.default_quota", "read it", _of(accounts.default_quota), "ok ok 403 404 401"),
    Row("members.member_count", "how many", _of(members.member_count), "ok ok ok 404 401"),
    Row("members.owner", "who is the Owner", _of(members.owner), "ok ok ok 404 401"),
    Row("members.own_membership", "own", _of(members.own_membership), "ok ok ok 404 401"),
    Row(
        "members.list_members",
        "list",
        _of(members.list_members, members.MemberQuery()),
        "ok ok 403 404 401",
    ),
    Row("members.count_members", "count", _of(members.count_members), "ok ok 403 404 401"),
    Row("members.member", "see a Member", _on(members.member, "member2"), "ok ok 404 404 401"),
    Row("members.member", "see an Admin", _on(members.member, "admin2"), "ok ok 404 404 401"),
    Row("members.member", "see the Owner", _on(members.member, "owner"), "ok ok ok 404 401"),
    Row("members.endings", "of a Member", _on(members.endings, "member2"), "ok ok 403 404 401"),
    Row("members.member", "see oneself", _own(members.member), "ok ok ok 404 401"),
    Row(
        "invitations.invite_members",
        "at the default quota",
        _of(invitations.invite_members, ["new@example.com"]),
        "ok ok 403 404 401",
    ),
    Row(
        "invitations.invite_members",
        "with a quota",
        _of(invitations.invite_members, ["new@example.com"], QUOTA),
        "ok ok 403 404 401",
    ),
    Row(
        "invitations.check_addresses",
        "before sending",
        _of(invitations.check_addresses, ["new@example.com", "none"]),
        "ok ok 403 404 401",
    ),
    Row(
        "invitations.list_invitations",
        "list",
        _of(invitations.list_invitations),
        "ok ok 403 404 401",
    ),
    Row(
        "invitations.count_invitations",
        "count",
        _of(invitations.count_invitations),
        "ok ok 403 404 401",
    ),
    Row(
        "invitations.invitation",
        "see one",
        _invitation(invitations.invitation),
        "ok ok 403 404 401",
    ),
    Row(
        "invitations.resend_invitation",
        "resend",
        _invitation(invitations.resend_invitation),
        "ok ok 403 404 401",
    ),
    Row(
        "invitations.revoke_invitation",
        "revoke",
        _invitation(invitations.revoke_invitation),
        "ok ok 403 404 401",
    ),
    Row(
        "members.remove_member",
        "a Member",
        _on(members.remove_member, "member2"),
        "ok ok 403 404 401",
    ),
    Row(
        "members.remove_member",
        "an Admin",
        _on(members.remove_member, "admin2"),
        "ok 403 403 404 401",
    ),
    Row(
        "members.remove_member",
        "the Owner",
        _on(members.remove_member, "owner"),
        "409 403 403 404 401",
    ),
    Row("members.remove_member", "oneself", _own(members.remove_member), "409 403 403 404 401"),
    Row(
        "members.set_member_quota",
        "a Member's",
        _on(members.set_member_quota, "member2", QUOTA),
        "ok ok 403 404 401",
    ),
    Row(
        "members.set_member_quota",
        "an Admin's",
        _on(members.set_member_quota, "admin2", QUOTA),
        "ok 403 403 404 401",
    ),
    Row(
        "members.set_member_quota",
        "the Owner's",
        _on(members.set_member_quota, "owner", QUOTA),
        "ok 403 403 404 401",
    ),
    Row(
        "members.set_member_quota",
        "one's own",
        _own(members.set_member_quota, QUOTA),
        "ok 403 403 404 401",
    ),
    Row(
        "organizations.set_default_quota",
        "set it",
        _of(organizations.set_default_quota, QUOTA),
        "ok ok 403 404 401",
    ),
    Row(
        "members.set_member_role",
        "Member to Admin",
        _on(members.set_member_role, "member2", Role.ADMIN),
        "ok ok 403 404 401",
    ),
    Row(
        "members.set_member_role",
        "Admin to Member",
        _on(members.set_member_role, "admin2", Role.MEMBER),
        "ok 403 403 404 401",
    ),
    Row(
        "members.set_member_role",
        "the Owner to Admin",
        _on(members.set_member_role, "owner", Role.ADMIN),
        "409 403 403 404 401",
    ),
    Row(
        "members.set_member_role",
        "oneself to Member",
        _own(members.set_member_role, Role.MEMBER),
        "409 403 403 404 401",
    ),
    Row(
        "members.set_member_role",
        "a Member to Owner",
        _on(members.set_member_role, "member2", Role.OWNER),
        "422 422 422 422 401",
    ),
    Row("audit.audit_log", "read", _of(audit.audit_log, audit.AuditFilter()), "ok ok 403 404 401"),
    Row(
        "audit.count_audit_events",
        "count",
        _of(audit.count_audit_events, audit.AuditFilter()),
        "ok ok 403 404 401",
    ),
    Row("audit.audit_event", "see one", _audit_event, "ok ok 403 404 401"),
    Row(
        "organizations.rename_organization",
        "rename",
        _of(organizations.rename_organization, "Acme Ltd."),
        "ok 403 403 404 401",
    ),
    Row("organizations.transfer_ownership", "to a Member", _transfer, "ok 403 403 404 401"),
    Row(
        "organizations.dissolve_organization",
        "dissolve",
        _of(organizations.dissolve_organization, "Acme"),
        "ok 403 403 404 401",
    ),
    Row(
        "organizations.leave_organization",
        "leave",
        _of(organizations.leave_organization),
        "409 ok ok 404 401",
    ),
    *BILLING_ROWS,
    *KEY_ROWS,
    *MONEY_ROWS,
    *USAGE_ROWS,
    *EXPORT_ROWS,
    *PAGE_ROWS,
]
