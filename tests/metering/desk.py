"""A desk: an organization with credits, its members' keys, and a gateway's calls to the gate."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from uuid import UUID

from app.errors import Refusal
from app.metering.calls import Authorize, Authorized, Booked, Caller, Event, Release, Report, Settle
from app.metering.gate import Gate
from app.metering.pricing import Tokens
from app.models import AuditActorKind
from app.money import UNLIMITED
from app.resolvers import api_keys, gateways, members, operations
from app.seats import Viewer
from tests.scene import Scene

MODEL = "openai/gpt-4.1"
TOKENS = Tokens(prompt=1000, cached=100, completion=250, reasoning=50)


@dataclass
class Desk:
    """One account, one gateway, and short words for what it does."""

    scene: Scene
    gate: Gate
    caller: Caller
    token: str
    owner: Viewer
    account_id: UUID
    numbers: count = field(default_factory=count)  # type: ignore[type-arg]

    def operator(self) -> Viewer:
        """Make the operator."""
        return replace(self.scene.signed_out(), kind=AuditActorKind.OPERATOR)

    async def slug(self) -> str:
        """Tell the account's slug."""
        from sqlalchemy import text  # noqa: PLC0415

        rows = await self.scene.database.rows(text("SELECT id, slug FROM accounts"))
        return next(r.slug for r in rows if UUID(str(r.id)) == self.account_id)

    async def grant(self, micro: int) -> None:
        """Give the account credits."""
        await operations.grant(self.operator(), await self.slug(), micro, "for a test")

    async def key(
        self, viewer: Viewer | None = None, limit: int = UNLIMITED, **more: object
    ) -> str:
        """Make a key; its secret."""
        made = await api_keys.create_api_key(
            self.scene.fresh(viewer or self.owner),
            self.account_id,
            "a key",
            monthly_limit=limit,
            **more,  # type: ignore[arg-type]
        )
        return made.secret

    async def quota(self, viewer: Viewer, quota: int) -> None:
        """Set a member's quota."""
        member_id = await self.scene.member_id(self.account_id, viewer)
        await members.set_member_quota(self.scene.fresh(self.owner), member_id, quota)

    def asking(self, secret: str, amount: int | None = 1, **more: object) -> Authorize:
        """Ask for an amount under a new request id."""
        given = {"request_id": f"request-{next(self.numbers)}"} | more
        return Authorize(
            caller=self.caller,
            secret_hash=self.gate.hash_of(secret),
            amount_micro=amount,
            **given,  # type: ignore[arg-type]
        )

    async def authorize(self, secret: str, amount: int | None = 1, **more: object) -> Authorized:
        """Authorize a call."""
        return await self.gate.authorize(self.asking(secret, amount, **more))

    def settling(self, hold_id: UUID, cost: int | None = 1, **more: object) -> Settle:
        """Settle under a new event id."""
        given = {
            "event_id": f"event-{next(self.numbers)}",
            "model": MODEL,
            "tokens": TOKENS,
            "cost_micro": cost,
        } | more
        return Settle(caller=self.caller, hold_id=hold_id, **given)  # type: ignore[arg-type]

    async def settle(self, hold_id: UUID, cost: int | None = 1, **more: object) -> Booked:
        """Settle a call."""
        return await self.gate.settle(self.settling(hold_id, cost, **more))

    async def release(self, hold_id: UUID) -> None:
        """Release a hold."""
        await self.gate.release(Release(self.caller, hold_id))

    async def report(self, *events: Event) -> list[Booked | Refusal]:
        """Report events."""
        return (await self.gate.report(Report(self.caller, events))).results


async def code_of(awaitable: object) -> str:
    """Give the code of the refusal that a call ends in."""
    try:
        await awaitable  # type: ignore[misc]
    except Refusal as refusal:
        return refusal.code
    raise AssertionError("it was not refused")


@asynccontextmanager
async def desk_of(scene: Scene, credits_micro: int = 0) -> AsyncIterator[Desk]:
    """Open a desk for the organization Acme of ann."""
    owner = await scene.person("ann")
    account_id = await scene.organization(owner, "Acme")
    operator = replace(scene.signed_out(), kind=AuditActorKind.OPERATOR)
    token = await gateways.create_gateway(operator, "gateway")
    gate = Gate(scene.database, scene.settings)
    gate.start()
    desk = Desk(scene, gate, await gate.caller(token), token, owner, account_id)
    if credits_micro:
        await desk.grant(credits_micro)
    try:
        yield desk
    finally:
        await gate.stop()
