"""What all windows share: made once at the start, found by each request."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.requests import HTTPConnection

from app.batcher import Batcher
from app.database import Database
from app.integrations.identity import IdentityProvider
from app.integrations.pictures import PictureSource
from app.integrations.stripe import Stripe
from app.metering.gate import Gate
from app.resolvers.payments import Taken, apply_group
from app.settings import Settings
from app.web.rate_limits import RateLimits
from app.web.traces import Traces

WEBHOOKS_AT_ONCE = 50
WEBHOOKS_WAITING = 2000
# Stripe waits for seconds.
GATHER_SECONDS = 0.1
Webhooks = Batcher[Taken, object]


@asynccontextmanager
async def gathered_webhooks(settings: Settings) -> AsyncIterator[Webhooks]:
    """Apply webhooks, those of a moment in one transaction: a burst of them leaves the database to the calls."""
    webhooks: Webhooks = Batcher(
        lambda group: apply_group(group[0].viewer, group),
        group_size=WEBHOOKS_AT_ONCE,
        queue_size=WEBHOOKS_WAITING,
        patience_seconds=settings.database_timeout_seconds,
        gather_seconds=GATHER_SECONDS,
    )
    webhooks.start()
    try:
        yield webhooks
    finally:
        await webhooks.stop()


@dataclass(slots=True)
class Services:
    """The parts that a request may need. `migrated`: every migration has been seen in the database."""

    settings: Settings
    database: Database
    identity: IdentityProvider
    limits: RateLimits
    pictures: PictureSource
    stripe: Stripe
    traces: Traces
    webhooks: Webhooks
    gate: Gate
    migrated: bool = False


def services(request: HTTPConnection) -> Services:
    """Find the shared parts."""
    found: Services = request.app.state.services
    return found
