"""Letters: taking from the outbox what is due, and what became of each. A letter may come twice, never not at all."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlmodel import col

from app.access import Actor, system
from app.database import now, skip_locked
from app.models import Invitation, InvitationStatus, OutboxLetter

LEASE = timedelta(minutes=5)
FIRST_PAUSE = timedelta(seconds=10)
LONGEST_PAUSE = timedelta(hours=2)
ERROR_LENGTH = 200
DROPPED = "dropped: the invitation is no longer open, or a newer letter has replaced this one"


@dataclass(frozen=True, slots=True)
class DueLetter:
    """A letter to be sent now: its kind and fields; of an invitation, what its link is derived from."""

    id: UUID
    kind: str
    recipient: str
    fields: dict[str, Any]
    attempts: int
    invitation_id: UUID | None
    invitation_generation: int | None


@system
async def take_due_letters(actor: Actor, most: int) -> list[DueLetter]:
    """Take up to `most` letters whose time has come, for five minutes: who dies with them leaves them to the next.

    Each taking counts as an attempt, so that a letter that kills its sender is given up as well.
    Letters of invitations that have ended, or that a newer letter has replaced, are dropped.
    """
    statement = (
        select(OutboxLetter)
        .where(
            col(OutboxLetter.sent_at).is_(None),
            col(OutboxLetter.given_up_at).is_(None),
            col(OutboxLetter.due_at) <= now(),
        )
        .order_by(col(OutboxLetter.due_at))
        .limit(most)
    )
    letters = (await actor.session.execute(skip_locked(statement))).scalars().all()
    open_now = await _open_generations(actor, letters)
    taken = []
    for letter in letters:
        wanted = open_now.get(letter.invitation_id) if letter.invitation_id else None
        if letter.invitation_id and wanted != letter.invitation_generation:
            letter.given_up_at = actor.now
            letter.last_error = DROPPED
            continue
        letter.attempts += 1
        letter.due_at = actor.now + LEASE
        taken.append(
            DueLetter(
                letter.id,
                letter.kind,
                letter.recipient,
                letter.fields,
                letter.attempts,
                letter.invitation_id,
                letter.invitation_generation,
            )
        )
    return taken


async def _open_generations(actor: Actor, letters: Any) -> dict[UUID, int]:
    ids = {letter.invitation_id for letter in letters if letter.invitation_id}
    if not ids:
        return {}
    statement = select(col(Invitation.id), col(Invitation.generation)).where(
        col(Invitation.id).in_(ids),
        col(Invitation.status) == InvitationStatus.PENDING,
        col(Invitation.expires_at) > now(),
    )
    return {row.id: row.generation for row in (await actor.session.execute(statement)).all()}


@system
async def letter_sent(actor: Actor, letter_id: UUID) -> None:
    """Note that the mail server has taken a letter."""
    await actor.session.execute(
        update(OutboxLetter)
        .where(col(OutboxLetter.id) == letter_id)
        .values(sent_at=actor.now, last_error=None)
    )


@system
async def letter_failed(actor: Actor, letter_id: UUID, error: str, *, permanent: bool) -> bool:
    """Plan the next attempt, twice as far away as the last; tell whether the letter is given up instead.

    A permanent refusal is given up at once, all else after `mail_attempts`.
    """
    letter = await actor.session.get(OutboxLetter, letter_id)
    if letter is None or letter.sent_at is not None:
        return False
    letter.last_error = error[:ERROR_LENGTH]
    if permanent or letter.attempts >= actor.settings.mail_attempts:
        letter.given_up_at = actor.now
        return True
    letter.due_at = actor.now + min(FIRST_PAUSE * 2 ** (letter.attempts - 1), LONGEST_PAUSE)
    return False
