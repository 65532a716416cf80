"""What is stored: one module per noun. Importing this package names every table."""

from app.models.accounts import Account
from app.models.audit import AuditActorKind, AuditEvent
from app.models.base import Table, metadata
from app.models.invitations import Invitation, InvitationStatus
from app.models.members import Member
from app.models.outbox import OutboxLetter
from app.models.users import Session, SignInAttempt, User

__all__ = [
    "Account",
    "AuditActorKind",
    "AuditEvent",
    "Invitation",
    "InvitationStatus",
    "Member",
    "OutboxLetter",
    "Session",
    "SignInAttempt",
    "Table",
    "User",
    "metadata",
]
