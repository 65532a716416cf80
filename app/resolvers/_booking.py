"""Booking: what one look at a payment is about to write, and what the operator is told of it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog

from app.access import Actor
from app.database import insert_or_ignore
from app.ids import wire_id
from app.ledger.posting import Movement, movement
from app.ledger.wallets import WalletState
from app.models import LedgerKind, PaymentProblem, TopUp
from app.money import short_credits

log = structlog.get_logger()


@dataclass(slots=True)
class Booking:
    """What is about to be written of one payment, under its wallet's lock."""

    actor: Actor
    top_up: TopUp
    wallet: WalletState
    at: datetime
    movements: list[Movement] = field(default_factory=list)
    changed: bool = False

    def move(self, kind: LedgerKind, amount_micro: int, source: str, description: str) -> None:
        """Plan a movement, and note that it was done."""
        self.changed = True
        one = movement(
            self.wallet,
            kind,
            amount_micro,
            source=source,
            description=description,
            actor_id=self.top_up.user_id if kind is LedgerKind.TOP_UP else None,
        )
        if one is not None:
            self.movements.append(one)

    def record(self, action: str, before: dict[str, Any], after: dict[str, Any]) -> None:
        """Leave an audit event on the top-up."""
        self.actor.record(
            self.top_up,
            name=f"{short_credits(self.top_up.amount_micro)} credits",
            account_id=self.top_up.account_id,
            before=before,
            after=after,
            action=action,
        )


async def tell_operator(
    actor: Actor, stripe_id: str, code: str, account_id: UUID | None, facts: dict[str, str]
) -> None:
    """Keep what the operator has to look at, and log it as an error: once for each thing and cause."""
    problem = PaymentProblem(
        stripe_id=stripe_id, code=code, account_id=account_id, facts=facts, created_at=actor.now
    )
    if await insert_or_ignore(actor.session, problem, ("stripe_id", "code")):
        account = account_id and wire_id("account", account_id)
        log.error("payment_problem", stripe_id=stripe_id, code=code, account=account, **facts)
