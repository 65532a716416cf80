"""Actors: who acts in a writing verb, what they may do to whom, and the traces that they leave."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlmodel import col, select

from app.database import Session
from app.errors import EmailNotVerified, Forbidden
from app.models import AuditEvent, Member, OutboxLetter, Table, User
from app.money import quota_text
from app.permissions import Permission, Role
from app.seats import Person, Seat, Viewer
from app.settings import Settings


@dataclass(slots=True)
class Actor:
    """Who acts, in which account, with which permissions; `session` is there in writing verbs only."""

    viewer: Viewer
    now: datetime
    seat: Seat | None = None
    transaction: Session | None = None
    action: str = ""
    recorded: int = 0

    @property
    def settings(self) -> Settings:
        """Every setting."""
        return self.viewer.settings

    @property
    def user(self) -> Person:
        """The signed-in user."""
        return self.viewer.person

    @property
    def session(self) -> Session:
        """The writing transaction that this verb is."""
        if self.transaction is None:
            raise RuntimeError("a reading verb has no transaction")
        return self.transaction

    @property
    def place(self) -> Seat:
        """The actor's seat in the account that the verb acts on."""
        if self.seat is None:
            raise RuntimeError("this verb acts on no account")
        return self.seat

    @property
    def rank(self) -> Role:
        """The actor's role in this account. A management key has none, and no way into a writing verb."""
        if self.place.role is None:
            raise RuntimeError("a management key acts on nothing")
        return self.place.role

    @property
    def member_id(self) -> UUID:
        """The actor's own membership in this account."""
        if self.place.member_id is None:
            raise RuntimeError("a management key acts on nothing")
        return self.place.member_id

    def can(self, permission: Permission) -> bool:
        """Tell whether the actor holds a permission in this account."""
        return permission in self.place.permissions

    def must_outrank(self, member: Member, *, unless_own_as: Role | None = None) -> None:
        """Refuse acting on people of the same or a higher rank (PRODUCT.md, role matrix)."""
        own = member.id == self.place.member_id
        if own and self.rank is unless_own_as:
            return
        if own or member.role >= self.rank:
            raise Forbidden("You may do this only to people whose role is below yours.")

    def must_be_verified(self) -> None:
        """Refuse people whose e-mail the identity provider has not verified."""
        if not self.user.email_verified:
            raise EmailNotVerified

    def record(
        self,
        target: Table,
        *,
        name: str,
        before: dict[str, Any] | None = None,
        after: dict[str, Any] | None = None,
        account_id: UUID | None = None,
        action: str | None = None,
    ) -> None:
        """Add one audit event to the transaction: this verb's action on `target`, called `name`.

        Of a picture before and one after, what differs is kept.
        """
        if before is not None and after is not None:
            before, after = changes(before, after)
        acting = self.viewer.user or self.viewer.key
        kind = self.viewer.kind
        event = AuditEvent(
            account_id=account_id or self.place.account_id,
            action=action or self.action,
            actor_kind=kind,
            actor_id=acting.id if acting else None,
            actor_name=acting.name if acting else kind.value.lower(),
            target_kind=target.KIND,
            target_id=getattr(target, "id"),  # noqa: B009 - Table itself declares no columns
            target_name=name[:254],
            before=before,
            after=after,
            request_id=self.viewer.request_id,
            ip=self.viewer.ip,
            at=self.now,
        )
        self.session.add(event)
        self.recorded += 1

    async def record_change(self, row: Table, before: dict[str, Any]) -> None:
        """Add the audit event of a row's change since its `picture` was taken; none if nothing changed."""
        old, new = changes(before, picture(row))
        if new:
            self.record(row, name=await target_name(self.session, row), before=old, after=new)

    def send(
        self, kind: str, recipient: str, account_id: UUID, fields: dict[str, Any], **invitation: Any
    ) -> None:
        """Put a letter into the outbox, in this transaction."""
        letter = OutboxLetter(
            kind=kind,
            recipient=recipient,
            account_id=account_id,
            fields=fields,
            created_at=self.now,
            due_at=self.now,
            **invitation,
        )
        self.session.add(letter)


def picture(row: Table) -> dict[str, Any]:
    """Show what an audit event tells of a row, as JSON."""
    return {name: _plain(name, getattr(row, name)) for name in row.AUDITED}


def _plain(name: str, value: Any) -> Any:
    if name.endswith(("quota", "limit")) and isinstance(value, int):
        return quota_text(value)
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, Role):
        return value.name
    return getattr(value, "value", value)


def changes(before: dict[str, Any], after: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Keep what differs between two pictures of one row."""
    names = [name for name in after if before.get(name) != after[name]]
    return {name: before.get(name) for name in names}, {name: after[name] for name in names}


async def target_name(session: Session, row: Table) -> str:
    """Name a row for an audit event, in words that outlive it."""
    if isinstance(row, Member):
        return (
            await session.execute(select(col(User.name)).where(col(User.id) == row.user_id))
        ).scalar_one()
    return str(getattr(row, "name", None) or getattr(row, "email", ""))
