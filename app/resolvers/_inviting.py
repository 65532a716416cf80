"""Sending invitations: many addresses in one go, each with its own result."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlmodel import col

from app.access import Actor
from app.actors import picture
from app.database import locked
from app.errors import AlreadyMember, CapReached, Invalid, RateLimited
from app.models import Account, Invitation, InvitationStatus, Member, OutboxLetter
from app.resolvers._room import members_of, waiting_of
from app.text import EMAIL_LENGTH, clean_email, fold_email

LETTER = "invitation"
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class InviteOutcome:
    """What became of one address: an invitation, or why none was sent (`already_member`, `invalid`, `cap_reached`)."""

    email: str
    invitation_id: UUID | None = None
    code: str | None = None
    again: bool = False
    """An invitation to this address waited already; the new one takes its place."""


async def may_send(actor: Actor, account_id: UUID, letters: int) -> None:
    """Refuse more letters than an organization may cause in an hour. Raises `RateLimited`."""
    statement = select(func.count()).where(
        col(OutboxLetter.account_id) == account_id,
        col(OutboxLetter.kind) == LETTER,
        col(OutboxLetter.created_at) > actor.now - HOUR,
    )
    sent = (await actor.session.execute(statement)).scalar_one()
    if sent + letters > actor.settings.rate_limit_invitations:
        raise RateLimited(
            "This organization has sent many letters in the last hour. Wait a while, then repeat.",
            retry_after=int(HOUR.total_seconds()),
        )


async def send_to_each(
    actor: Actor, account: Account, emails: list[str], quota: int | None
) -> list[InviteOutcome]:
    """Invite each address that can be; the account's row is locked."""
    cleaned = {email: _cleaned(actor, email) for email in emails}
    folded = {fold_email(address) for address in cleaned.values() if address is not None}
    present = await _present_addresses(actor, account.id, folded)
    waiting = await _waiting_invitations(actor, account.id, folded)
    room = actor.settings.invitation_cap - await waiting_of(actor, account.id)
    seats = actor.settings.member_cap - await members_of(actor, account.id)
    done: dict[str, InviteOutcome] = {}
    outcomes = []
    for email in emails:
        address = cleaned[email]
        if address is None:
            outcomes.append(InviteOutcome(email.strip()[:EMAIL_LENGTH], code=Invalid.code))
            continue
        key = fold_email(address)
        if key not in done:
            if key in present:
                done[key] = InviteOutcome(address, code=AlreadyMember.code)
            elif key in waiting:
                invitation = _replace(actor, waiting[key], address, quota)
                done[key] = InviteOutcome(address, invitation.id, again=True)
            elif min(room, seats) <= 0:
                done[key] = InviteOutcome(address, code=CapReached.code)
            else:
                room -= 1
                done[key] = InviteOutcome(
                    address, (await _invite(actor, account, address, quota)).id
                )
        outcomes.append(done[key])
    return outcomes


def _cleaned(actor: Actor, email: str) -> str | None:
    try:
        return clean_email(email, test_addresses=actor.settings.sandbox)
    except Invalid:
        return None


async def _present_addresses(actor: Actor, account_id: UUID, folded: set[str]) -> set[str]:
    statement = select(col(Member.email_folded)).where(
        col(Member.account_id) == account_id,
        col(Member.ended_at).is_(None),
        col(Member.email_folded).in_(folded),
    )
    return set((await actor.session.execute(statement)).scalars().all())


async def _waiting_invitations(
    actor: Actor, account_id: UUID, folded: set[str]
) -> dict[str, Invitation]:
    statement = select(Invitation).where(
        col(Invitation.account_id) == account_id,
        col(Invitation.status) == InvitationStatus.PENDING,
        col(Invitation.email_folded).in_(folded),
    )
    ordered = locked(statement.order_by(col(Invitation.id)))
    found = (await actor.session.execute(ordered)).scalars().all()
    return {invitation.email_folded: invitation for invitation in found}


async def _invite(actor: Actor, account: Account, address: str, quota: int | None) -> Invitation:
    invitation = Invitation(
        account_id=account.id,
        email=address,
        email_folded=fold_email(address),
        quota=quota,
        invited_by=actor.user.id,
        created_at=actor.now,
        expires_at=actor.now + timedelta(days=actor.settings.invitation_days),
    )
    actor.session.add(invitation)
    await actor.session.flush()
    _write_letter(actor, invitation)
    actor.record(invitation, name=address, after=picture(invitation))
    return invitation


def _replace(actor: Actor, invitation: Invitation, address: str, quota: int | None) -> Invitation:
    """Let a second invitation take the place of the first: the same row, a new inviter and letter."""
    before = picture(invitation)
    invitation.email = address
    invitation.quota = quota
    invitation.invited_by = actor.user.id
    invitation.created_at = actor.now
    open_again(actor, invitation)
    actor.record(invitation, name=address, before=before, after=picture(invitation))
    return invitation


def open_again(actor: Actor, invitation: Invitation) -> None:
    """Start an invitation's days anew with a new letter; the old letter's link ends."""
    invitation.generation += 1
    invitation.expires_at = actor.now + timedelta(days=actor.settings.invitation_days)
    _write_letter(actor, invitation)


def _write_letter(actor: Actor, invitation: Invitation) -> None:
    fields = {"organization_name": actor.place.name, "inviter_name": actor.user.name}
    actor.send(
        LETTER,
        invitation.email,
        invitation.account_id,
        fields,
        invitation_id=invitation.id,
        invitation_generation=invitation.generation,
    )
