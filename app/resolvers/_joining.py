"""Answering an invitation: who may, and what a membership starts with."""

from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlmodel import col

from app.access import Actor
from app.actors import picture
from app.credentials import invitation_id_of, is_invitation_token
from app.database import AnySelect, locked
from app.errors import (
    AlreadyMember,
    CapReached,
    Invalid,
    InvitationClosed,
    InvitationEmailMismatch,
    NotFound,
)
from app.models import Account, Invitation, InvitationStatus, Member, User
from app.permissions import Role
from app.resolvers._people import folded_name, new_member
from app.resolvers._room import members_of


async def locked_for_answer(
    actor: Actor, token: str | None, invitation_id: UUID | None
) -> tuple[Account, Invitation]:
    """Lock the account, then the invitation, for the person whose verified address was invited.

    Raises `Invalid`, `NotFound`, `EmailNotVerified`, `InvitationEmailMismatch`, `InvitationClosed`.
    """
    if (token is None) == (invitation_id is None):
        raise Invalid(invitation="Give either the letter's token or the invitation's id.")
    found = invitation_id_of(token) if token is not None else invitation_id
    statement: AnySelect = select(Account, Invitation).join(
        Invitation, col(Invitation.account_id) == col(Account.id)
    )
    statement = locked(statement.where(col(Invitation.id) == found), Account, Invitation)
    row = (await actor.session.execute(statement)).first()
    if row is None:
        raise NotFound
    account, invitation = row
    _must_be_invited(actor, invitation, token)
    if invitation.status is not InvitationStatus.PENDING or invitation.expires_at <= actor.now:
        raise InvitationClosed
    return account, invitation


def _must_be_invited(actor: Actor, invitation: Invitation, token: str | None) -> None:
    own = invitation.email_folded == actor.user.email_folded
    if token is None:
        if not own:
            raise NotFound
        actor.must_be_verified()
        return
    secret = actor.settings.secret_key.get_secret_value()
    if not is_invitation_token(token, secret, invitation.id, invitation.generation):
        raise NotFound
    actor.must_be_verified()
    if not own:
        raise InvitationEmailMismatch


async def join(actor: Actor, account: Account, invitation: Invitation, user: User) -> Member:
    """Make, or take up again, the person's membership. Raises `AlreadyMember`, `CapReached`."""
    statement = select(Member).where(
        col(Member.account_id) == account.id, col(Member.user_id) == user.id
    )
    member: Member | None = (await actor.session.execute(locked(statement))).scalar_one_or_none()
    if member is not None and member.ended_at is None:
        raise AlreadyMember("You are a member already.")
    if await members_of(actor, account.id) >= actor.settings.member_cap:
        raise CapReached("This organization has as many members as it can.", cap="members")
    # From here on nothing may refuse.
    was = picture(invitation)
    invitation.status = InvitationStatus.ACCEPTED
    quota = account.default_quota if invitation.quota is None else invitation.quota
    if member is None:
        before = None
        member = new_member(account.id, user, Role.MEMBER, quota, actor)
        actor.session.add(member)
    else:
        before = picture(member)
        member.role, member.quota = Role.MEMBER, quota
        member.joined_at, member.ended_at = actor.now, None
        member.name_folded, member.email_folded = folded_name(user.name), user.email_folded
    record_answer(actor, account, invitation, was)
    actor.record(
        member,
        name=user.name,
        account_id=account.id,
        before=before,
        after=picture(member),
        action="join_organization",
    )
    return member


def record_answer(
    actor: Actor, account: Account, invitation: Invitation, before: dict[str, Any]
) -> None:
    """Write the audit event of an answer."""
    actor.record(
        invitation,
        name=invitation.email,
        account_id=account.id,
        before=before,
        after=picture(invitation),
    )
