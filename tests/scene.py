"""A scene: people and organizations, made through the real verbs, and what must hold of them."""

from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text
from sqlmodel import col

from app.database import Database
from app.ledger.verification import verify
from app.models import Account, AuditEvent, Invitation, InvitationStatus, Member, User, metadata
from app.permissions import AccountKind, Role
from app.seats import Viewer
from app.settings import Settings
from app.text import fold_email

ISSUER = "https://identity.test"
# Bookkeeping of sign-ins and of what the service does by itself: no part of "nothing moved".
BOOKKEEPING = {"sessions", "sign_in_attempts", "chores"}

# How far the delivery of a letter is: the service goes on with that by itself.
DELIVERY = {"attempts", "due_at", "sent_at", "given_up_at", "last_error"}

Snapshot = dict[str, list[tuple[Any, ...]]]


@dataclass
class Scene:
    """One database, with the verbs at hand."""

    database: Database
    settings: Settings

    def signed_out(self) -> Viewer:
        """Make a viewer who is nobody."""
        return Viewer(self.database, self.settings)

    def fresh(self, viewer: Viewer) -> Viewer:
        """Make an equal viewer as a new request would: it remembers no seat."""
        return replace(viewer, seats={})

    async def person(
        self,
        name: str,
        *,
        email: str | None = None,
        verified: bool = True,
        subject: str | None = None,
    ) -> Viewer:
        """Sign a person in, for the first time or again, and make the viewer of a first request."""
        secret = await self.secret(name, email=email, verified=verified, subject=subject)
        return await self.viewer_of(secret)

    async def secret(
        self,
        name: str,
        *,
        email: str | None = None,
        verified: bool = True,
        subject: str | None = None,
    ) -> str:
        """Sign a person in; the secret of the session, as a browser's cookie holds it."""
        from app.integrations.identity import Identity  # noqa: PLC0415 - windows come later
        from app.resolvers import sessions  # noqa: PLC0415

        identity = Identity(
            issuer=ISSUER,
            subject=subject or name,
            email=email or f"{name.lower().replace(' ', '.')}@example.com",
            email_verified=verified,
            name=name.capitalize() if name.islower() else name,
            picture_url=None,
        )
        return await sessions.sign_in(self.signed_out(), identity, replacing=None)

    async def viewer_of(self, secret: str) -> Viewer:
        """Make the viewer that a session's secret stands for."""
        from app.resolvers import sessions  # noqa: PLC0415

        facts = await sessions.session_of(self.signed_out(), secret)
        assert facts is not None, "the session has ended"
        return Viewer(
            self.database,
            self.settings,
            user=facts.user,
            signed_in_at=facts.signed_in_at,
            session_id=facts.session_id,
        )

    async def organization(self, owner: Viewer, name: str) -> UUID:
        """Create an organization; its account id."""
        from app.resolvers import organizations  # noqa: PLC0415

        return await organizations.create_organization(owner, name)

    async def join(self, account_id: UUID, viewer: Viewer, *, role: Role = Role.MEMBER) -> UUID:
        """Let the Owner invite a person, who accepts; then give the role. The member id."""
        from app.resolvers import invitations, members, organizations  # noqa: PLC0415

        owner = await self.owner(account_id)
        outcome = (
            await invitations.invite_members(owner, account_id, [viewer.person.email], None)
        )[0]
        assert outcome.invitation_id is not None, outcome
        await invitations.accept_invitation(self.fresh(viewer), invitation_id=outcome.invitation_id)
        member_id = await self.member_id(account_id, viewer)
        if role is Role.OWNER:
            await organizations.transfer_ownership(owner, account_id, member_id)
        elif role is not Role.MEMBER:
            await members.set_member_role(owner, member_id, role)
        viewer.seats.pop(account_id, None)
        return member_id

    async def member_id(self, account_id: UUID, viewer: Viewer) -> UUID:
        """Find a person's membership, ended or not."""
        statement = select(col(Member.id)).where(
            col(Member.account_id) == account_id, col(Member.user_id) == viewer.person.id
        )
        row = await self.database.row(statement)
        assert row is not None, "no such member"
        return row[0]

    async def personal_account(self, viewer: Viewer) -> UUID:
        """Find a person's own account."""
        statement = (
            select(col(Account.id))
            .join(Member, col(Member.account_id) == col(Account.id))
            .where(
                col(Account.kind) == AccountKind.PERSONAL, col(Member.user_id) == viewer.person.id
            )
        )
        row = await self.database.row(statement)
        assert row is not None, "no personal account"
        return row[0]

    async def owner(self, account_id: UUID) -> Viewer:
        """Make a viewer of an account's Owner, freshly signed in."""
        from app.resolvers import sessions  # noqa: PLC0415
        from app.seats import PERSON_COLUMNS, person_from  # noqa: PLC0415

        statement = (
            select(*PERSON_COLUMNS)
            .join_from(Member, User, col(User.id) == col(Member.user_id))
            .where(
                col(Member.account_id) == account_id,
                col(Member.role) == Role.OWNER,
                col(Member.ended_at).is_(None),
            )
        )
        row = await self.database.row(statement)
        assert row is not None, "no Owner"
        at = await sessions.clock(self.signed_out())
        return Viewer(self.database, self.settings, user=person_from(row), signed_in_at=at)

    async def snapshot(self) -> Snapshot:
        """Read every row of every table but the bookkeeping of sign-ins, in an order of its own."""
        return {
            table.name: sorted(
                (
                    tuple(row)
                    for row in await self.database.rows(
                        select(*(one for one in table.columns if one.name not in DELIVERY))
                    )
                ),
                key=repr,
            )
            for table in metadata.sorted_tables
            if table.name not in BOOKKEEPING
        }

    async def audit_count(self) -> int:
        """Count all audit events: one more after each change."""
        row = await self.database.row(select(func.count()).select_from(AuditEvent))
        assert row is not None
        return row[0]

    async def promises(self) -> None:
        """Assert the promises of the product that the database can show."""
        for sentence, statement in BROKEN.items():
            found = await self.database.rows(text(statement))
            assert not found, f"{sentence}: {found}"
        await self._invitations_have_inviters()
        await self._memberships_are_folded()
        wrong = (await verify(self.database)).wrong
        assert wrong is None, wrong

    async def _memberships_are_folded(self) -> None:
        from app.resolvers._people import folded_name  # noqa: PLC0415

        statement = select(
            col(Member.name_folded), col(Member.email_folded), col(User.name), col(User.email)
        ).join_from(Member, User, col(User.id) == col(Member.user_id))
        for name_folded, email_folded, name, email in await self.database.rows(statement):
            assert name_folded == folded_name(name), f"not found by their name: {name!r}"
            assert email_folded == fold_email(email), f"not found by their e-mail: {email!r}"

    async def _invitations_have_inviters(self) -> None:
        allowed = (
            select(col(Member.id))
            .join(Account, col(Account.id) == col(Member.account_id))
            .where(
                col(Member.account_id) == col(Invitation.account_id),
                col(Member.user_id) == col(Invitation.invited_by),
                col(Member.role) >= Role.ADMIN,
                col(Member.ended_at).is_(None),
                col(Account.dissolved_at).is_(None),
            )
        )
        statement = select(col(Invitation.id)).where(
            col(Invitation.status) == InvitationStatus.PENDING, ~allowed.exists()
        )
        found = await self.database.rows(statement)
        assert not found, f"waiting invitations whose inviter may not invite: {found}"


# Each finds what must not be there.
BROKEN = {
    "accounts without exactly one Owner": """
        SELECT a.id FROM accounts a WHERE a.dissolved_at IS NULL AND 1 <> (
            SELECT count(*) FROM members m
            WHERE m.account_id = a.id AND m.role = 30 AND m.ended_at IS NULL)""",
    "dissolved accounts with members": """
        SELECT a.id FROM accounts a JOIN members m ON m.account_id = a.id
        WHERE a.dissolved_at IS NOT NULL AND m.ended_at IS NULL""",
    "personal accounts with more than one member": """
        SELECT a.id FROM accounts a JOIN members m ON m.account_id = a.id
        WHERE a.kind = 'PERSONAL' GROUP BY a.id HAVING count(*) <> 1""",
    "users without exactly one personal account": """
        SELECT u.id FROM users u WHERE 1 <> (
            SELECT count(*) FROM members m JOIN accounts a ON a.id = m.account_id
            WHERE m.user_id = u.id AND a.kind = 'PERSONAL')""",
    "members whose e-mail is not their user's": """
        SELECT m.id FROM members m JOIN users u ON u.id = m.user_id
        WHERE m.ended_at IS NULL AND m.email_folded <> u.email_folded""",
    "slugs used twice": "SELECT slug FROM accounts GROUP BY slug HAVING count(*) > 1",
    "accounts without an audit event": """
        SELECT a.id FROM accounts a
        WHERE NOT EXISTS (SELECT 1 FROM audit_events e WHERE e.account_id = a.id)""",
}
