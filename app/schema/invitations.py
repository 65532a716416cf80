"""Invitations: the type, and sending, ending and answering them but for joining."""

import asyncio
from datetime import datetime
from uuid import UUID

import strawberry

from app.ids import id_of
from app.resolvers import invitations
from app.resolvers.invitations import InvitationRow, InviteOutcome
from app.schema.context import Info, acting, given, listed
from app.schema.enums import InvitationStatus, Role
from app.schema.nodes import Node, node_id
from app.schema.scalars import Quota
from app.schema.users import User, user


@strawberry.type(description="A letter by which a person joins an organization.")
class Invitation(Node):
    """An invitation."""

    email: str
    role: Role
    status: InvitationStatus
    invited_by: User
    created_at: datetime
    expires_at: datetime
    organization_name: str


def invitation(row: InvitationRow) -> Invitation:
    """Show an invitation. Everyone joins as Member."""
    return Invitation(
        id=node_id("invitation", row.id),
        email=row.email,
        role=Role.MEMBER,
        status=row.status,
        invited_by=user(row.invited_by),
        created_at=row.created_at,
        expires_at=row.expires_at,
        organization_name=row.organization_name,
    )


@strawberry.type(description="What became of one address.")
class InviteResult:
    """What became of one address."""

    email: str
    invitation: Invitation | None
    code: str | None = strawberry.field(
        description="Why nothing was sent: ALREADY_MEMBER, INVALID, CAP_REACHED."
    )


async def _result(info: Info, outcome: InviteOutcome) -> InviteResult:
    sent = None
    if outcome.invitation_id is not None:
        row = await info.context.load(invitations.invitation, outcome.invitation_id)
        sent = invitation(row)
    code = outcome.code.upper() if outcome.code is not None else None
    return InviteResult(email=outcome.email, invitation=sent, code=code)


def named(invitation_id: strawberry.ID | None) -> UUID | None:
    """Read the id of an invitation, if one is given. Raises `NotFound`."""
    text = given(invitation_id)
    return None if text is None else id_of("invitation", text)


@strawberry.type
class InvitationMutations:
    """What can be done to invitations."""

    @strawberry.mutation(
        description="Everyone joins as Member. Each address gets its own result. `quota` in place of the "
        "default one takes MANAGE_QUOTAS."
    )
    async def invite_members(
        self,
        info: Info,
        organization_id: strawberry.ID,
        emails: list[str],
        quota: Quota | None = strawberry.UNSET,
    ) -> list[InviteResult]:
        """Invite many addresses in one go."""
        account_id = id_of("account", organization_id)
        addresses = listed(info, "emails", emails)
        outcomes = await invitations.invite_members(
            acting(info), account_id, addresses, given(quota)
        )
        return await asyncio.gather(*(_result(info, outcome) for outcome in outcomes))

    @strawberry.mutation(description="Sends a new letter; the link of the old one ends.")
    async def resend_invitation(self, info: Info, invitation_id: strawberry.ID) -> Invitation:
        """Send it again."""
        sent = id_of("invitation", invitation_id)
        await invitations.resend_invitation(acting(info), sent)
        return invitation(await info.context.load(invitations.invitation, sent))

    @strawberry.mutation(description="Ends an invitation that still waits.")
    async def revoke_invitation(self, info: Info, invitation_id: strawberry.ID) -> Invitation:
        """Revoke it."""
        ended = id_of("invitation", invitation_id)
        await invitations.revoke_invitation(acting(info), ended)
        return invitation(await info.context.load(invitations.invitation, ended))

    @strawberry.mutation(
        description="By the letter's token, or by id for a viewer whose verified e-mail was invited: "
        "exactly one of the two."
    )
    async def decline_invitation(
        self,
        info: Info,
        token: str | None = strawberry.UNSET,
        invitation_id: strawberry.ID | None = strawberry.UNSET,
    ) -> Invitation:
        """Say no."""
        declined = await invitations.decline_invitation(
            acting(info), token=given(token), invitation_id=named(invitation_id)
        )
        return invitation(await invitations.own_invitation(info.context.viewer, declined))
