"""What is stored: one module per noun. Importing this package names every table."""

from app.models.accounts import Account
from app.models.audit import AuditActorKind, AuditEvent
from app.models.avatars import Avatar
from app.models.base import Table, metadata
from app.models.billing import (
    BalanceAlert,
    BillingCustomer,
    Chore,
    Invoice,
    PaymentProblem,
    QuotaAlert,
    Reversal,
    ReversalKind,
    StripeEvent,
    TopUp,
    TopUpStatus,
)
from app.models.exports import Export, ExportPart, ExportStatus, ExportWhat, FileFormat
from app.models.invitations import Invitation, InvitationStatus
from app.models.keys import ApiKey, KeySecret, ManagementKey, ManagementKeyUse
from app.models.ledger import LedgerAccount, LedgerEntry, LedgerKind, Transfer, Wallet
from app.models.members import Member
from app.models.metering import (
    CounterKind,
    Gateway,
    GatewayToken,
    Hold,
    HoldStatus,
    MonthCounter,
)
from app.models.outbox import OutboxLetter
from app.models.usage import UsageDay, UsageDayDetail, UsageEvent, UsageHour, UsageRecord
from app.models.users import Session, SignInAttempt, User

__all__ = [
    "Account",
    "ApiKey",
    "AuditActorKind",
    "AuditEvent",
    "Avatar",
    "BalanceAlert",
    "BillingCustomer",
    "Chore",
    "CounterKind",
    "Export",
    "ExportPart",
    "ExportStatus",
    "ExportWhat",
    "FileFormat",
    "Gateway",
    "GatewayToken",
    "Hold",
    "HoldStatus",
    "Invitation",
    "InvitationStatus",
    "Invoice",
    "KeySecret",
    "LedgerAccount",
    "LedgerEntry",
    "LedgerKind",
    "ManagementKey",
    "ManagementKeyUse",
    "Member",
    "MonthCounter",
    "OutboxLetter",
    "PaymentProblem",
    "QuotaAlert",
    "Reversal",
    "ReversalKind",
    "Session",
    "SignInAttempt",
    "StripeEvent",
    "Table",
    "TopUp",
    "TopUpStatus",
    "Transfer",
    "UsageDay",
    "UsageDayDetail",
    "UsageEvent",
    "UsageHour",
    "UsageRecord",
    "User",
    "Wallet",
    "metadata",
]
