"""Sending invitations: many addresses in one go, each with its own result."""

from collections.abc import Collection, Container, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlmodel import col

from app.access import Actor, Viewer
from app.actors import picture
from app.database import AnySelect, locked
from app.errors import AlreadyMember, CapReached, Invalid, RateLimited
from app.models import Account, Invitation, InvitationStatus, Member, OutboxLetter
from app.resolvers._room import count_members, count_waiting, members_of, waiting_of
from app.settings import Settings
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
    cleaned = cleaned_addresses(actor.settings, emails)
    folded = folded_addresses(cleaned)
    present = (await actor.session.execute(present_addresses(account.id, folded))).scalars().all()
    waiting = await _waiting_invitations(actor, account.id, folded)
    counts = await members_of(actor, account.id), await waiting_of(actor, account.id)
    room = room_for_invitations(actor.settings, *counts)
    done: dict[str, InviteOutcome] = {}
    outcomes = []
    for one in judged(emails, cleaned, present, waiting, room):
        key = fold_email(one.email)
        if one.code is None and key not in done:
            invitation = (
                _replace(actor, waiting[key], one.email, quota)
                if one.again
                else await _invite(actor, account, one.email, quota)
            )
            done[key] = replace(one, invitation_id=invitation.id)
        outcomes.append(done.get(key, one))
    return outcomes


async def would_become(
    viewer: Viewer, account_id: UUID, emails: list[str]
) -> tuple[InviteOutcome, ...]:
    """Tell what `send_to_each` would do to each address if it were asked now, by the same rule."""
    cleaned = cleaned_addresses(viewer.settings, emails)
    folded = folded_addresses(cleaned)
    rows = viewer.database.rows
    present = [one for (one,) in await rows(present_addresses(account_id, folded))]
    waiting = [one for (one,) in await rows(waiting_addresses(account_id, folded))]
    (counts,) = await rows(
        select(
            count_members(account_id).scalar_subquery(), count_waiting(account_id).scalar_subquery()
        )
    )
    return tuple(
        judged(emails, cleaned, present, waiting, room_for_invitations(viewer.settings, *counts))
    )


def cleaned_addresses(settings: Settings, emails: Sequence[str]) -> dict[str, str | None]:
    """Check addresses: as they are stored, None for what is no address."""
    found: dict[str, str | None] = {}
    for email in emails:
        try:
            found[email] = clean_email(email, test_addresses=settings.sandbox)
        except Invalid:
            found[email] = None
    return found


def folded_addresses(cleaned: Mapping[str, str | None]) -> set[str]:
    """Make what `cleaned_addresses` found comparable."""
    return {fold_email(address) for address in cleaned.values() if address is not None}


def room_for_invitations(settings: Settings, members: int, waiting: int) -> int:
    """Tell how many more invitations may wait; none where no member could join."""
    return settings.invitation_cap - waiting if members < settings.member_cap else 0


def judged(
    emails: Sequence[str],
    cleaned: Mapping[str, str | None],
    present: Container[str],
    waiting: Container[str],
    room: int,
) -> list[InviteOutcome]:
    """Say of each address, in order, whether it can be invited: the one rule of sending. Pure."""
    done: dict[str, InviteOutcome] = {}
    outcomes = []
    for email in emails:
        address = cleaned[email]
        if address is None:
            outcomes.append(InviteOutcome(email.strip()[:EMAIL_LENGTH], code=Invalid.code))
            continue
        key = fold_email(address)
        if key not in done:
            again = key in waiting and key not in present
            code = AlreadyMember.code if key in present else None
            if code is None and not again:
                code = CapReached.code if room <= 0 else None
                room -= 1
            done[key] = InviteOutcome(address, code=code, again=again)
        outcomes.append(done[key])
    return outcomes


def present_addresses(account_id: UUID, folded: Collection[str]) -> AnySelect:
    """Select those of addresses that are of present members."""
    return select(col(Member.email_folded)).where(
        col(Member.account_id) == account_id,
        col(Member.ended_at).is_(None),
        col(Member.email_folded).in_(folded),
    )


def waiting_addresses(account_id: UUID, folded: Collection[str]) -> AnySelect:
    """Select those of addresses that an invitation waits for."""
    return select(col(Invitation.email_folded)).where(*_waits_for(account_id, folded))


def _waits_for(account_id: UUID, folded: Collection[str]) -> tuple[ColumnElement[bool], ...]:
    return (
        col(Invitation.account_id) == account_id,
        col(Invitation.status) == InvitationStatus.PENDING,
        col(Invitation.email_folded).in_(folded),
    )


async def _waiting_invitations(
    actor: Actor, account_id: UUID, folded: set[str]
) -> dict[str, Invitation]:
    statement = select(Invitation).where(*_waits_for(account_id, folded))
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
