"""Members: the type, and what can be done to one."""

import asyncio
from datetime import datetime

import strawberry

from app.ids import id_of
from app.resolvers import members
from app.resolvers.members import MemberRow
from app.schema.context import Info, acting, listed
from app.schema.enums import Role
from app.schema.nodes import Node, node_id
from app.schema.scalars import Credits, Quota
from app.schema.users import User, user

USAGE_FIELDS = frozenset({"monthlyUsage", "held", "remaining", "lastUsedAt"})
"""What takes a look at counters and holds."""


@strawberry.type(description="One person's place in an organization.")
class Member(Node):
    """A membership."""

    user: User
    role: Role
    joined_at: datetime
    quota: Quota | None = strawberry.field(
        description="Credits per calendar month (UTC). Oneself, or VIEW_MEMBERS; so for the next four."
    )
    monthly_usage: Credits | None = strawberry.field(
        description="Credits used this calendar month, holds left out."
    )
    held: Credits | None = strawberry.field(
        description="Credits that running calls hold of this month's quota."
    )
    remaining: Credits | None = strawberry.field(
        description="quota - monthlyUsage - held, never below zero; null for unlimited."
    )
    last_used_at: datetime | None


def member(row: MemberRow) -> Member:
    """Show a membership."""
    return Member(
        id=node_id("member", row.id),
        user=user(row.user),
        role=row.role,
        joined_at=row.joined_at,
        quota=None if row.quota is None else Quota(row.quota),
        monthly_usage=_credits(row.monthly_usage),
        held=_credits(row.held),
        remaining=_credits(row.remaining),
        last_used_at=row.last_used_at,
    )


def _credits(micro: int | None) -> Credits | None:
    return None if micro is None else Credits(micro)


@strawberry.type
class MemberMutations:
    """What can be done to a member."""

    @strawberry.mutation(description="Limits what a member may use in one calendar month (UTC).")
    async def set_member_quota(self, info: Info, member_id: strawberry.ID, quota: Quota) -> Member:
        """Set one quota."""
        changed = id_of("member", member_id)
        await members.set_member_quota(acting(info), changed, quota)
        return member(await info.context.load(members.member, changed))

    @strawberry.mutation(description="The same for many members of one organization, all or none.")
    async def set_member_quotas(
        self, info: Info, member_ids: list[strawberry.ID], quota: Quota
    ) -> list[Member]:
        """Set many quotas at once."""
        ids = [id_of("member", one) for one in listed(info, "memberIds", member_ids)]
        await members.set_member_quota.each(acting(info), ids, quota)
        rows = await asyncio.gather(*(info.context.load(members.member, one) for one in ids))
        return [member(row) for row in rows]

    @strawberry.mutation(description="Promotes a Member to Admin, or demotes an Admin to Member.")
    async def set_member_role(self, info: Info, member_id: strawberry.ID, role: Role) -> Member:
        """Promote or demote."""
        changed = id_of("member", member_id)
        await members.set_member_role(acting(info), changed, role)
        return member(await info.context.load(members.member, changed))

    @strawberry.mutation(description="Ends a membership, with what hung on it; tells its id.")
    async def remove_member(self, info: Info, member_id: strawberry.ID) -> strawberry.ID:
        """Remove someone."""
        removed = await members.remove_member(acting(info), id_of("member", member_id))
        return node_id("member", removed)
