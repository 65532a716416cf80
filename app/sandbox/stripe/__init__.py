"""A stand-in for Stripe: the calls that we make, Checkout, the billing portal, invoices, and signed events.

State is kept beside the SQLite database, so that customers outlive a restart as accounts do; on
PostgreSQL it is kept in memory. Time is the database's once it has started, so expiry can be tested.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from app.sandbox.clock import process_time
from app.sandbox.stripe.api import Api
from app.sandbox.stripe.deliveries import Deliveries
from app.sandbox.stripe.pages import Pages
from app.sandbox.stripe.store import Store
from app.sandbox.stripe.world import World
from app.settings import Settings

SQLITE = "sqlite:///"


class StripeStandIn:
    """One account at the stand-in, at this address; `kept_at`: the file that outlives the process."""

    def __init__(self, settings: Settings, address: str, kept_at: Path | None = None) -> None:
        self._store = store = Store(kept_at)
        secret = settings.stripe_webhook_secret.get_secret_value()
        webhook = f"{settings.base_url}/webhooks/stripe"
        self.deliveries = Deliveries(store, webhook, secret, process_time)
        self.world = World(store, address, self.deliveries.add)
        self._api = Api(self.world, settings.stripe_api_key.get_secret_value())
        self._pages = Pages(self.world, self.deliveries, urlsplit(address).path)
        self.tell_time_by(process_time)

    def tell_time_by(self, clock: Callable[[], Awaitable[datetime]]) -> None:
        """Take the time from there."""
        self.deliveries.clock = self._api.clock = self._pages.clock = clock

    def routes(self) -> list[BaseRoute]:
        """List what is served below the address; `desk` is at the address itself."""
        return [*self._api.routes(), *self._pages.routes()]

    async def desk(self, request: Request) -> Response:
        """Show payments with what may become of them, and the events."""
        return await self._pages.desk(request)

    def start(self) -> None:
        """Remember, and send events."""
        self._store.load()
        self.deliveries.start()

    async def stop(self) -> None:
        """Send no more."""
        await self.deliveries.stop()


def beside(database_url: str) -> Path | None:
    """Name the stand-in's file beside an SQLite database; None for another database."""
    if not database_url.startswith(SQLITE):
        return None
    return Path(database_url.removeprefix(SQLITE).partition("?")[0]).with_suffix(".stripe.json")
