"""What all windows share: made once at the start, found by each request."""

import asyncio
from dataclasses import dataclass, field

from starlette.requests import HTTPConnection

from app.database import Database
from app.integrations.identity import IdentityProvider
from app.integrations.pictures import PictureSource
from app.integrations.stripe import Stripe
from app.settings import Settings
from app.web.rate_limits import RateLimits
from app.web.traces import Traces

WEBHOOKS = 3


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
    migrated: bool = False
    webhooks: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(WEBHOOKS))
    """Held by each webhook while it writes: a burst of them leaves the database's connections to calls."""


def services(request: HTTPConnection) -> Services:
    """Find the shared parts."""
    found: Services = request.app.state.services
    return found
