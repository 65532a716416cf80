"""Organizations: the type, and what can be done to one."""

from functools import partial
from uuid import UUID

import strawberry

from app.errors import NotFound
from app.ids import id_of
from app.resolvers import accounts, invitations, management_keys, members, organizations
from app.resolvers.members import MemberQuery
from app.schema.accounts import Account, PersonalAccount, facts
from app.schema.connections import Connection, connection
from app.schema.context import Info, acting, given
from app.schema.enums import AccountKind, MemberOrder, OrderDirection, Role
from app.schema.invitations import Invitation, invitation, named
from app.schema.management_keys import ManagementKey, management_key
from app.schema.members import USAGE_FIELDS, Member, member
from app.schema.nodes import node_id
from app.schema.requires import requires
from app.schema.scalars import Credits, Quota
from app.schema.selections import asks_for
from app.seats import Seat


@strawberry.type(description="An account shared by members.")
class Organization(Account):
    """An account shared by members."""

    @strawberry.field(description="Who the Owner is: to every member.")
    async def owner(self, info: Info) -> Member:
        """Show the Owner."""
        return member(await info.context.load(members.owner, self.account_id))

    @strawberry.field(description="The viewer's own place.")
    async def viewer_membership(self, info: Info) -> Member:
        """Show the viewer's membership."""
        return member(await info.context.load(members.own_membership, self.account_id))

    @strawberry.field(description="How many members there are.")
    async def member_count(self, info: Info) -> int:
        """Count the members."""
        return await info.context.load(members.member_count, self.account_id)

    @requires(members.list_members, "Members; `search` looks within names and e-mails.")
    async def members(  # noqa: PLR0917 - GraphQL gives arguments by name
        self,
        info: Info,
        search: str | None = strawberry.UNSET,
        role: Role | None = strawberry.UNSET,
        order_by: MemberOrder = MemberOrder.NAME,
        direction: OrderDirection = OrderDirection.ASC,
        first: int = 50,
        after: str | None = strawberry.UNSET,
    ) -> Connection[Member] | None:
        """List the members."""
        descending = direction is OrderDirection.DESC
        which = (given(search), given(role), order_by, descending, first, given(after))
        query = MemberQuery(*which, usage=asks_for(info, USAGE_FIELDS))
        load = info.context.load
        page = await load(members.list_members, self.account_id, query)
        count = partial(load, members.count_members, self.account_id, query.search, query.role)
        return connection(page, member, count)

    @requires(invitations.list_invitations, "Invitations that nobody has answered, newest first.")
    async def invitations(
        self, info: Info, first: int = 50, after: str | None = strawberry.UNSET
    ) -> Connection[Invitation] | None:
        """List the invitations that wait."""
        load = info.context.load
        page = await load(invitations.list_invitations, self.account_id, first, given(after))
        count = partial(load, invitations.count_invitations, self.account_id)
        return connection(page, invitation, count)

    @requires(
        management_keys.list_management_keys, "Keys that read for the organization over REST."
    )
    async def management_keys(
        self, info: Info, first: int = 50, after: str | None = strawberry.UNSET
    ) -> Connection[ManagementKey] | None:
        """List the management keys."""
        load = info.context.load
        verb = management_keys.list_management_keys
        page = await load(verb, self.account_id, first=first, after=given(after))
        count = partial(load, management_keys.count_management_keys, self.account_id)
        return connection(page, management_key, count)

    @requires(accounts.default_quota, "The quota that people get when they join.")
    async def default_quota(self, info: Info) -> Quota | None:
        """Show the default quota."""
        return Quota(await info.context.load(accounts.default_quota, self.account_id))


def account(seat: Seat) -> Account:
    """Show an account of either kind."""
    kind = PersonalAccount if seat.kind is AccountKind.PERSONAL else Organization
    return kind(**facts(seat))


async def organization(info: Info, account_id: UUID) -> Organization:
    """Show an organization by its id. Raises `NotFound`."""
    shown = account(await info.context.load(accounts.account, account_id))
    if not isinstance(shown, Organization):
        raise NotFound
    return shown


@strawberry.type
class OrganizationMutations:
    """What can be done to an organization."""

    @strawberry.mutation(description="Founds an organization, with the viewer as its Owner.")
    async def create_organization(self, info: Info, name: str) -> Organization:
        """Found one."""
        made = await organizations.create_organization(acting(info), name)
        return await organization(info, made)

    @strawberry.mutation(description="Changes the name; the slug stays.")
    async def rename_organization(
        self, info: Info, organization_id: strawberry.ID, name: str
    ) -> Organization:
        """Rename it."""
        account_id = id_of("account", organization_id)
        await organizations.rename_organization(acting(info), account_id, name)
        return await organization(info, account_id)

    @strawberry.mutation(
        description="For members who join from now on; nobody's present quota moves."
    )
    async def set_default_quota(
        self, info: Info, organization_id: strawberry.ID, quota: Quota
    ) -> Organization:
        """Set the default quota."""
        account_id = id_of("account", organization_id)
        await organizations.set_default_quota(acting(info), account_id, quota)
        return await organization(info, account_id)

    @strawberry.mutation(
        description="Makes a member the Owner, and the Owner an Admin. Needs a fresh sign-in."
    )
    async def transfer_ownership(
        self, info: Info, organization_id: strawberry.ID, member_id: strawberry.ID
    ) -> Organization:
        """Hand it over."""
        account_id, heir = id_of("account", organization_id), id_of("member", member_id)
        await organizations.transfer_ownership(acting(info), account_id, heir)
        return await organization(info, account_id)

    @strawberry.mutation(
        description="Irreversible, and needs a fresh sign-in. `confirmName` must equal the organization's "
        "name, `waive` the credits that are left, if any are."
    )
    async def dissolve_organization(
        self,
        info: Info,
        organization_id: strawberry.ID,
        confirm_name: str,
        waive: Credits | None = strawberry.UNSET,
    ) -> strawberry.ID:
        """Dissolve it."""
        ended = await organizations.dissolve_organization(
            acting(info), id_of("account", organization_id), confirm_name, given(waive)
        )
        return node_id("account", ended)

    @strawberry.mutation(
        description="Ends the viewer's own membership; the Owner has to transfer first."
    )
    async def leave_organization(self, info: Info, organization_id: strawberry.ID) -> strawberry.ID:
        """Leave it."""
        left = await organizations.leave_organization(
            acting(info), id_of("account", organization_id)
        )
        return node_id("account", left)

    @strawberry.mutation(
        description="By the letter's token, or by id for a viewer whose verified e-mail was invited: "
        "exactly one of the two."
    )
    async def accept_invitation(
        self,
        info: Info,
        token: str | None = strawberry.UNSET,
        invitation_id: strawberry.ID | None = strawberry.UNSET,
    ) -> Organization:
        """Join."""
        joined = await invitations.accept_invitation(
            acting(info), token=given(token), invitation_id=named(invitation_id)
        )
        return await organization(info, joined)
