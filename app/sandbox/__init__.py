"""The sandbox: local stand-ins for the hosted services, speaking the same protocols."""

import asyncio
from functools import partial

from starlette.routing import BaseRoute, Mount, Route

from app.database import Database
from app.resolvers import sessions
from app.sandbox.identity import Issuer
from app.sandbox.mail import Mailbox
from app.sandbox.stripe import StripeStandIn, beside
from app.seats import Viewer
from app.settings import Settings


class Sandbox:
    """The stand-ins of one process, on loopback only (the settings see to that)."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._issuer = Issuer(settings, f"{settings.base_url}/sandbox/identity")
        self._mailbox = Mailbox(settings)
        self.stripe = StripeStandIn(
            settings, f"{settings.base_url}/sandbox/stripe", beside(settings.database_url)
        )

    @property
    def smtp_url(self) -> str:
        """Where the mailbox takes letters, once it has started."""
        return self._mailbox.smtp_url

    def routes(self) -> list[BaseRoute]:
        """List what is served."""
        return [
            Mount("/sandbox/identity", routes=self._issuer.routes()),
            Route("/sandbox/stripe", self.stripe.desk),
            Mount("/sandbox/stripe", routes=self.stripe.routes()),
            *self._mailbox.routes(),
        ]

    async def start(self, database: Database) -> None:
        """Take letters, send Stripe's events; tell the time as the database does."""
        self._issuer.clock = partial(sessions.clock, Viewer(database, self._settings))
        self.stripe.tell_time_by(self._issuer.clock)
        await asyncio.to_thread(self._mailbox.start)
        self.stripe.start()

    async def stop(self) -> None:
        """Take no more letters, send nothing."""
        await self.stripe.stop()
        await asyncio.to_thread(self._mailbox.stop)
