"""Enumerations of the contract, taken from where they are decided."""

from enum import Enum

import strawberry

from app.models import AuditActorKind, InvitationStatus, LedgerKind, TopUpStatus
from app.permissions import AccountKind, Permission, Role
from app.resolvers.members import MemberOrder
from app.resolvers.usage import Dimension as UsageDimension
from app.resolvers.usage import Granularity

strawberry.enum(
    Permission, description="What an actor may do in an account. Roles are sets of these."
)
strawberry.enum(Role, description="A named set of permissions in an account.")
strawberry.enum(AccountKind, description="The two kinds of account.")
strawberry.enum(MemberOrder, description="What members are ordered by.")
strawberry.enum(InvitationStatus, description="What has become of an invitation.")
strawberry.enum(LedgerKind, description="Why credits moved.")
strawberry.enum(TopUpStatus, description="What has become of a top-up.")
strawberry.enum(AuditActorKind, description="What acted.")
strawberry.enum(Granularity, description="How long the buckets of a report are.")
strawberry.enum(UsageDimension, name="UsageDimension", description="By what usage is told apart.")


@strawberry.enum(description="Which end of a list comes first.")
class OrderDirection(Enum):
    """Which end of a list comes first."""

    ASC = "ASC"
    DESC = "DESC"


__all__ = [
    "AccountKind",
    "AuditActorKind",
    "Granularity",
    "InvitationStatus",
    "LedgerKind",
    "MemberOrder",
    "OrderDirection",
    "Permission",
    "Role",
    "TopUpStatus",
    "UsageDimension",
]
