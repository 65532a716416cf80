"""The service: `create_app(settings)`: what it is made of, how it starts and stops."""

import gc
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.types import Receive, Scope, Send

from app.background import Background
from app.database import Database
from app.errors import Refusal
from app.integrations.identity import IdentityProvider
from app.integrations.mail import Mailer
from app.integrations.pictures import PictureSource
from app.integrations.stripe import Stripe
from app.metering.gate import Gate
from app.sandbox import Sandbox
from app.settings import Settings
from app.web import metering
from app.web.answers import Errors, on_http_exception, on_refusal
from app.web.compression import Compression
from app.web.guards import Bodies, Hosts, SameSite
from app.web.headers import SecurityHeaders
from app.web.metering import MeteringWindow
from app.web.metrics import MetricsServer
from app.web.rate_limits import AddressLimit, RateLimits
from app.web.requests import Requests
from app.web.routes import routes
from app.web.services import Services, gathered_webhooks
from app.web.traces import Traces


class Service(Starlette):
    """The service: a gateway's calls go straight to their window, all else through the layers."""

    metering: MeteringWindow

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and scope["path"].startswith(metering.PREFIX):
            await self.metering(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def create_app(settings: Settings) -> Starlette:
    """Build the service. Nothing is opened before it starts."""
    limits = RateLimits(settings)
    sandbox = Sandbox(settings) if settings.sandbox else None
    app = Service(
        routes=[*routes(settings), *(sandbox.routes() if sandbox else [])],
        middleware=[
            Middleware(Requests, settings=settings),
            Middleware(SecurityHeaders, settings=settings),
            Middleware(Compression),
            Middleware(Errors),
            Middleware(AddressLimit, limits=limits),
            Middleware(Hosts, settings=settings),
            Middleware(Bodies, settings=settings),
            Middleware(SameSite, settings=settings),
        ],
        exception_handlers={HTTPException: on_http_exception, Refusal: on_refusal},
        lifespan=lambda app: _run(app, settings, limits, sandbox),
    )
    app.router.redirect_slashes = False
    app.metering = MeteringWindow(settings, limits)
    return app


@asynccontextmanager
async def _run(
    app: Service, settings: Settings, limits: RateLimits, sandbox: Sandbox | None
) -> AsyncIterator[None]:
    """Open what the service needs, and close it in the opposite order, also where opening fails half-way."""
    async with AsyncExitStack() as opened:
        database = Database(
            settings.database_url,
            pool_size=settings.database_pool_size,
            timeout_seconds=settings.database_timeout_seconds,
        )
        opened.push_async_callback(database.dispose)
        metrics = MetricsServer(settings)
        metrics.start()
        opened.callback(metrics.stop)
        identity = IdentityProvider(settings)
        stripe = Stripe(settings)
        opened.push_async_callback(stripe.aclose)
        traces = Traces(database, settings)
        opened.push_async_callback(traces.close)
        pictures = PictureSource(settings)
        gate = Gate(database, settings)
        webhooks = await opened.enter_async_context(gathered_webhooks(settings))
        app.state.services = Services(
            settings, database, identity, limits, pictures, stripe, traces, webhooks, gate
        )
        if sandbox is not None:
            await sandbox.start(database)
            opened.push_async_callback(sandbox.stop)
        mailer = Mailer(settings, sandbox.smtp_url if sandbox else "")
        gate.start()
        opened.push_async_callback(gate.stop)
        app.metering.gate = gate
        background = Background(database, settings, mailer, gate, stripe)
        background.start()
        opened.push_async_callback(background.stop)
        # What lives as long as the service is not looked through again at each collection.
        gc.freeze()
        opened.callback(gc.unfreeze)
        yield
