"""Rows of invitations: what lists, links and single looks show."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlmodel import col

from app.access import Seat, Viewer
from app.credentials import invitation_id_of, is_invitation_token
from app.database import AnySelect, now
from app.errors import NotFound
from app.models import Account, Invitation, InvitationStatus, User
from app.pages import Cursors, Page, check_first, page_of
from app.resolvers._lists import after_key, moment_key, plain_key, rows_of_each
from app.resolvers.users import UserRow
from app.settings import Settings


@dataclass(frozen=True, slots=True)
class InvitationRow:
    """An invitation. `quota` (micro-credits) is None for the default one, and for the invited person."""

    id: UUID
    account_id: UUID
    email: str
    quota: int | None
    status: InvitationStatus
    invited_by: UserRow
    created_at: datetime
    expires_at: datetime
    organization_name: str


def in_full() -> AnySelect:
    """Select invitations with their inviter and organization."""
    return (
        select(
            col(Invitation.id),
            col(Invitation.account_id),
            col(Invitation.email),
            col(Invitation.quota),
            col(Invitation.status),
            col(Invitation.generation),
            col(Invitation.created_at),
            col(Invitation.expires_at),
            col(User.id).label("user_id"),
            col(User.name).label("user_name"),
            col(User.email).label("user_email"),
            col(User.picture_url),
            col(Account.name).label("organization_name"),
            now().label("now"),
        )
        .join_from(Invitation, User, col(User.id) == col(Invitation.invited_by))
        .join(Account, col(Account.id) == col(Invitation.account_id))
    )


def invitation_row(settings: Settings, row: Any, *, internal: bool = False) -> InvitationRow:
    """Show a row of `in_full`; `internal` to those who manage members, who see more of it."""
    run_out = row.status is InvitationStatus.PENDING and row.expires_at <= row.now
    email = row.user_email if internal else None
    return InvitationRow(
        row.id,
        row.account_id,
        row.email,
        row.quota if internal else None,
        InvitationStatus.EXPIRED if run_out else row.status,
        UserRow.of(settings, row.user_id, row.user_name, email, row.picture_url),
        row.created_at,
        row.expires_at,
        row.organization_name,
    )


async def row_of_token(viewer: Viewer, token: str) -> InvitationRow:
    """Find the invitation of a letter's token. Raises `NotFound`."""
    invitation_id = invitation_id_of(token)
    if invitation_id is None:
        raise NotFound
    row = await viewer.database.row(in_full().where(col(Invitation.id) == invitation_id))
    secret = viewer.settings.secret_key.get_secret_value()
    if row is None or not is_invitation_token(token, secret, row.id, row.generation):
        raise NotFound
    return invitation_row(viewer.settings, row)


async def page_of_each(
    viewer: Viewer, seats: Mapping[UUID, Seat], first: int, after: str | None
) -> dict[UUID, Page[InvitationRow]]:
    """Read one page of each account's waiting invitations, newest first, all by one statement."""
    check_first(first, viewer.settings)
    key = (col(Invitation.created_at), col(Invitation.id))
    cursors = {one: Cursors(viewer.settings, ("invitations", one.hex)) for one in seats}
    last = {one: moment_key(cursors[one].read(after)) for one in seats}

    def select_for(account_id: UUID) -> AnySelect:
        statement = in_full().where(
            col(Invitation.account_id) == account_id,
            col(Invitation.status) == InvitationStatus.PENDING,
        )
        key_after = last[account_id]
        if key_after is not None:
            statement = statement.where(after_key(key, key_after, descending=True))
        return statement.order_by(*(part.desc() for part in key)).limit(first + 1)

    found = await rows_of_each(viewer, seats, select_for)
    return {
        one: page_of(
            [invitation_row(viewer.settings, row, internal=True) for row in rows],
            first,
            last[one],
            cursors[one],
            _key,
        )
        for one, rows in found.items()
    }


def _key(row: InvitationRow) -> list[Any]:
    return plain_key([row.created_at, row.id])


async def count_of_each(viewer: Viewer, seats: Mapping[UUID, Seat]) -> dict[UUID, int]:
    """Count each account's waiting invitations."""
    statement = (
        select(col(Invitation.account_id), func.count())
        .where(
            col(Invitation.account_id).in_(seats),
            col(Invitation.status) == InvitationStatus.PENDING,
        )
        .group_by(col(Invitation.account_id))
    )
    rows = await viewer.database.rows(statement)
    return dict.fromkeys(seats, 0) | dict(rows)
