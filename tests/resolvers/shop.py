"""A shop: an organization that buys credits, the till where it pays, and what has come of it."""

from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlmodel import col

from app.integrations.stripe import Event
from app.models import PaymentProblem, TopUpStatus, Wallet
from app.money import MICRO
from app.resolvers import payments, top_ups
from app.resolvers.payments import Outcome
from app.seats import Viewer
from tests.scene import Scene
from tests.till import Till

FIFTY = 50 * MICRO


@dataclass
class Shop:
    """An organization that buys credits, and the till where it pays."""

    scene: Scene
    till: Till
    owner: Viewer
    account_id: UUID
    top_up_id: UUID
    session: str

    async def deliver(self, *events: Event) -> list[Outcome]:
        """Take events one after the other, as the webhook does."""
        return [await payments.take_event(self.owner, one, "{}") for one in events]

    async def balance(self) -> int:
        row = await self.scene.database.row(
            select(col(Wallet.balance_micro)).where(col(Wallet.account_id) == self.account_id)
        )
        assert row is not None
        return row[0]

    async def count(self, model: Any) -> int:
        row = await self.scene.database.row(select(func.count()).select_from(model))
        assert row is not None
        return row[0]

    async def problems(self) -> list[str]:
        rows = await self.scene.database.rows(select(col(PaymentProblem.code)))
        return sorted(row[0] for row in rows)

    async def status(self) -> TopUpStatus:
        return (await top_ups.top_up(self.scene.fresh(self.owner), self.top_up_id)).status


async def open_shop(scene: Scene, till: Till, *, name: str = "ann", micro: int = FIFTY) -> Shop:
    """Let a person's organization start to buy credits."""
    owner = replace(await scene.person(name), stripe=till)
    account_id = await scene.organization(owner, f"Acme of {name}")
    top_up_id = await top_ups.create_top_up(owner, account_id, micro)
    session = next(reversed(till.checkouts))
    return Shop(scene, till, owner, account_id, top_up_id, session)
