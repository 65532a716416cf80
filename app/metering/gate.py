"""The gate: what a gateway may ask, each call answered after its commit; and the sweeping of expired holds."""

import asyncio
from collections.abc import Sequence
from typing import TypeVar
from uuid import UUID

from sqlalchemy import select
from sqlmodel import col

from app.batcher import Batcher
from app.credentials import secret_hash
from app.database import AnySelect, Connection, Database, now, once
from app.errors import Refusal, Unauthenticated, Unavailable
from app.metering.calls import (
    Answer,
    Authorize,
    Authorized,
    Booked,
    Call,
    Caller,
    Release,
    Released,
    Report,
    Reported,
    Settle,
)
from app.metering.group import Group, serve_group, write_group
from app.metering.loading import Wanted, load
from app.metering.pricing import PriceList
from app.metering.routes import Routes
from app.models.metering import OPEN, GatewayToken, Hold
from app.settings import Settings

R = TypeVar("R", bound=Answer)
SWEPT_ACCOUNTS = 100
AGAIN_SECONDS = 0.004
KNOWN_TOKENS = 1000


class Gate:
    """Decides about calls in groups, between `start` and `stop`."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._pepper = settings.key_pepper.get_secret_value()
        self._seconds = settings.database_timeout_seconds
        self._routes = Routes()
        self._prices = PriceList(settings.price_list)
        self._callers: dict[bytes, Caller] = {}
        self._batcher: Batcher[Call, Answer | Refusal] = Batcher(
            self._serve,
            group_size=settings.metering_group_size,
            queue_size=settings.metering_queue,
            patience_seconds=settings.database_timeout_seconds,
            weight=_weight,
            # PostgreSQL works elsewhere: meanwhile the next calls are read, and the last ones answered.
            again_seconds=AGAIN_SECONDS if database.is_sqlite else 0.0,
        )

    def start(self) -> None:
        """Serve from now on."""
        self._batcher.start()

    async def stop(self) -> None:
        """Serve what waits, then end."""
        await self._batcher.stop()

    @property
    def busy(self) -> bool:
        """Tell whether calls wait for their answers now."""
        return self._batcher.busy

    def hash_of(self, secret: str) -> bytes:
        """Hash a secret as it is stored."""
        return secret_hash(self._pepper, secret)

    def known_caller(self, token: str) -> Caller | None:
        """Tell which gateway a token is of, without asking the database: None where that is needed."""
        return self._callers.get(self.hash_of(token))

    async def caller(self, token: str) -> Caller:
        """Tell which gateway a token is of; whether it still works is decided with each call. Raises `Unauthenticated`."""
        hashed = self.hash_of(token)
        row = await self._database.row(
            select(col(GatewayToken.gateway_id)).where(col(GatewayToken.secret_hash) == hashed)
        )
        if row is None:
            raise Unauthenticated
        if len(self._callers) >= KNOWN_TOKENS:
            self._callers.clear()
        caller = self._callers[hashed] = Caller(row[0], hashed)
        return caller

    async def authorize(self, call: Authorize) -> Authorized:
        """Hold credits for a call. Raises what PRODUCT.md's edges say, `IdempotencyMismatch`, `Unavailable`."""
        return await self._ask(call, Authorized)

    async def settle(self, call: Settle) -> Booked:
        """Book what a call has cost. Raises `NotFound`, `HoldNotOpen`, `EventMismatch`, `OverrunTooLarge`, `UnknownModel`."""
        return await self._ask(call, Booked)

    async def release(self, call: Release) -> Released:
        """Free a hold. Raises `NotFound`, `HoldNotOpen`."""
        return await self._ask(call, Released)

    async def report(self, call: Report) -> Reported:
        """Book calls that had no hold, each for itself."""
        return await self._ask(call, Reported)

    async def _ask(self, call: Call, kind: type[R]) -> R:
        answer = await self._batcher.submit(call)
        if isinstance(answer, Refusal):
            raise answer
        if not isinstance(answer, kind):
            raise TypeError(kind)
        return answer

    async def _serve(self, calls: Sequence[Call]) -> list[Answer | Refusal]:
        try:
            # A database that hangs is as good as one that is away; what was sent is rolled back.
            async with asyncio.timeout(self._seconds):
                answers = await self._database.in_transaction(
                    lambda connection: serve_group(connection, self._routes, self._prices, calls)
                )
        except TimeoutError as error:
            raise Unavailable from error
        for answer in answers:
            if isinstance(answer, Authorized):
                self._routes.remember_hold(answer.hold_id, answer.account_id)
        return answers

    async def end_expired_holds(self) -> int:
        """End the holds that have expired; tells how many. Safe to repeat, and beside everything else."""
        ended = 0
        while accounts := [row[0] for row in await self._database.rows(_WITH_EXPIRED)]:
            ended += await self._database.in_transaction(
                lambda connection, accounts=accounts: self._end_expired(connection, accounts)  # type: ignore[misc]
            )
        return ended

    async def _end_expired(self, connection: Connection, accounts: list[UUID]) -> int:
        found = await load(connection, accounts, Wanted(expiring=accounts))
        group = Group(self._routes, self._prices, found)
        ended = group.expire(set(accounts))
        await write_group(connection, group)
        return ended


def _weight(call: Call) -> int:
    return max(1, len(call.events)) if isinstance(call, Report) else 1


_WITH_EXPIRED: AnySelect = (
    select(col(Hold.account_id))
    .where(OPEN, col(Hold.expires_at) <= once(now()))
    .distinct()
    .limit(SWEPT_ACCOUNTS)
)
