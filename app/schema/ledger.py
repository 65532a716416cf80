"""The ledger: its entries."""

from datetime import datetime
from uuid import UUID

import strawberry

from app.errors import NotFound
from app.resolvers.ledger import LedgerRow
from app.schema.context import Info
from app.schema.enums import LedgerKind
from app.schema.nodes import Node, node_id
from app.schema.scalars import Credits
from app.schema.users import User, user


@strawberry.type(
    description="One movement of credits, or a run of usage within a UTC day that nothing interrupts."
)
class LedgerEntry(Node):
    """One entry."""

    kind: LedgerKind
    amount: Credits = strawberry.field(description="Signed: what it adds to the balance.")
    balance_after: Credits
    description: str
    source: str | None = strawberry.field(
        description="What caused it: a payment, a refund, a day of usage, an operator's grant."
    )
    created_at: datetime
    actor_id: strawberry.Private[UUID | None]

    @strawberry.field(description="Who did it; null for what no user did.")
    async def actor(self, info: Info) -> User | None:
        """Show the user."""
        if self.actor_id is None:
            return None
        try:
            return user(await info.context.user(self.actor_id))
        except NotFound:
            return None


def ledger_entry(row: LedgerRow) -> LedgerEntry:
    """Show an entry."""
    return LedgerEntry(
        id=node_id("ledger_entry", row.id),
        kind=row.kind,
        amount=Credits(row.amount_micro),
        balance_after=Credits(row.balance_after_micro),
        description=row.description,
        source=row.source,
        created_at=row.created_at,
        actor_id=row.actor_id,
    )
