"""Users: other people, as far as the viewer may see them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Self
from uuid import UUID

from sqlalchemy import ColumnElement, false, or_, select
from sqlalchemy.orm import aliased
from sqlmodel import col

from app.access import Viewer, signed_in
from app.database import AnySelect
from app.models import Account, Invitation, InvitationStatus, Member, User
from app.permissions import AccountKind, Permission, Role, roles_with
from app.resolvers._avatars import avatar_url
from app.settings import Settings

VIEWERS = roles_with(Permission.VIEW_MEMBERS)


@dataclass(frozen=True, slots=True)
class UserRow:
    """A person; the e-mail is None where the viewer may not see it."""

    id: UUID
    name: str
    email: str | None
    picture: Callable[[], str] = field(compare=False, repr=False)
    """Signs the picture's address, which most lists never ask for."""
    has_picture: bool = field(default=False, compare=False, repr=False)
    """The identity provider shows one; else there are initials."""

    @property
    def avatar_url(self) -> str:
        """Where the picture is served."""
        return self.picture()

    @classmethod
    def of(
        cls,
        settings: Settings,
        user_id: UUID,
        name: str,
        email: str | None,
        picture_url: str | None,
    ) -> Self:
        """Show a person as far as the caller says."""
        picture = partial(avatar_url, settings, user_id, picture_url)
        return cls(user_id, name, email, picture, picture_url is not None)


@signed_in
async def own_user(viewer: Viewer) -> UserRow:
    """Show the viewer to themselves."""
    me = viewer.person
    return UserRow.of(viewer.settings, me.id, me.name, me.email, me.picture_url)


@signed_in
async def users(viewer: Viewer, ids: Sequence[UUID]) -> dict[UUID, UserRow]:
    """Show people by one statement; strangers are left out.

    Seen are oneself, everybody where one holds VIEW_MEMBERS, the Owner of one's organizations, and
    who invites one's verified address; the e-mail only by oneself and by VIEW_MEMBERS.
    """
    me = viewer.person
    manages = _shares(me.id, lambda mine, _theirs: col(mine.role).in_(VIEWERS))
    owned = _shares(me.id, lambda _mine, theirs: col(theirs.role) == Role.OWNER)
    own = col(User.id) == me.id
    sees_email = or_(own, manages)
    statement: AnySelect = select(
        col(User.id), col(User.name), col(User.email), col(User.picture_url), sees_email
    ).where(col(User.id).in_(ids), or_(sees_email, owned, _invites(viewer)))
    shown = {}
    for user_id, name, email, picture, seen in await viewer.database.rows(statement):
        address = email if seen else None
        shown[user_id] = UserRow.of(viewer.settings, user_id, name, address, picture)
    return shown


def _shares(
    me: UUID, how: Callable[[type[Member], type[Member]], ColumnElement[bool]]
) -> ColumnElement[bool]:
    """Select people who are in one organization with me, in a way that says what is seen."""
    mine, theirs = aliased(Member), aliased(Member)
    return (
        select(col(mine.id))
        .join(theirs, col(theirs.account_id) == col(mine.account_id))
        .join(Account, col(Account.id) == col(mine.account_id))
        .where(
            col(mine.user_id) == me,
            col(theirs.user_id) == col(User.id),
            col(mine.ended_at).is_(None),
            col(theirs.ended_at).is_(None),
            col(Account.kind) == AccountKind.ORGANIZATION,
            how(mine, theirs),
        )
        .correlate(User)
        .exists()
    )


def _invites(viewer: Viewer) -> ColumnElement[bool]:
    if not viewer.person.email_verified:
        return false()
    return (
        select(col(Invitation.id))
        .where(
            col(Invitation.invited_by) == col(User.id),
            col(Invitation.email_folded) == viewer.person.email_folded,
            col(Invitation.status) == InvitationStatus.PENDING,
        )
        .correlate(User)
        .exists()
    )
