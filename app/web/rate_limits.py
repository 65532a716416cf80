"""Rate limits: per address, per user, and for sign-ins, by the `limits` package.

Memory stays bounded: callers are counted in a fixed number of buckets by a keyed hash, so that
nobody can choose whom they share one with. Where the shared store is away, each process counts for
itself until it is back: limits still hold, only less tightly; nothing opens and nothing closes.
"""

import hashlib
import hmac
import math
import secrets
import time
from dataclasses import dataclass
from uuid import UUID

import structlog
from limits import RateLimitItem, RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage, Storage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.storage import storage_from_string
from starlette.types import ASGIApp, Receive, Scope, Send

from app.errors import RateLimited
from app.settings import Settings
from app.web.edge import edge_of
from app.web.proxies import address_group

log = structlog.get_logger()
BUCKETS = 131_072
STORE_PAUSE_SECONDS = 10
WEBHOOKS = "/webhooks/"
# The last is asked by ourselves, where Stripe is a stand-in.
UNLIMITED_PATHS = ("/health/", "/static/", "/sandbox/stripe/v1/")
WINDOW_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a caller stands with a limit, as draft-ietf-httpapi-ratelimit-headers writes it."""

    most: int
    remaining: int
    reset_seconds: int

    @property
    def policy(self) -> str:
        """The value of `RateLimit-Policy`."""
        return f'"key";q={self.most};w={WINDOW_SECONDS}'

    @property
    def state(self) -> str:
        """The value of `RateLimit`."""
        return f'"key";r={self.remaining};t={self.reset_seconds}'


class RateLimits:
    """Counts and refuses: `of_address`, `of_user`, `of_key` and `of_sign_in` raise `RateLimited`."""

    def __init__(self, settings: Settings) -> None:
        self._address = RateLimitItemPerMinute(settings.rate_limit_address, namespace="address")
        self._user = RateLimitItemPerMinute(settings.rate_limit_user, namespace="user")
        self._of_key = RateLimitItemPerMinute(settings.rate_limit_key, namespace="key")
        self._sign_in = RateLimitItemPerMinute(settings.rate_limit_sign_in, namespace="sign-in")
        self._webhook = RateLimitItemPerMinute(settings.rate_limit_webhook, namespace="webhook")
        self._key = settings.secret_key.get_secret_value().encode()
        self._alone = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._shared = self._alone
        if not settings.rate_limit_store.startswith("async+memory"):
            store = storage_from_string(settings.rate_limit_store, wrap_exceptions=True)
            if not isinstance(store, Storage):
                raise TypeError("R9S_RATE_LIMIT_STORE must be async+memory:// or async+redis://…")
            self._shared = SlidingWindowCounterRateLimiter(store)
        self._shared_again_at = 0.0

    async def of_address(self, ip: str, path: str = "") -> None:
        """Count a request of an address; webhooks come in bursts, and have a limit of their own."""
        item = self._webhook if path.startswith(WEBHOOKS) else self._address
        await self._count(item, address_group(ip))

    async def of_user(self, user_id: object) -> None:
        """Count a request of a signed-in user."""
        await self._count(self._user, str(user_id))

    async def of_key(self, who: object) -> Standing:
        """Count a request of a management key, or of an address that shows none; where it stands then."""
        limiter = await self._count(self._of_key, str(who))
        stats = await limiter.get_window_stats(self._of_key, str(self._bucket(str(who))))
        reset = max(0, math.ceil(stats.reset_time - time.time()))
        return Standing(self._of_key.amount, max(0, stats.remaining), reset)

    def exhausted_key(self, retry_after: int) -> Standing:
        """Tell where somebody stands whom `of_key` has refused."""
        return Standing(self._of_key.amount, 0, retry_after)

    async def of_sign_in(self, ip: str) -> None:
        """Count a sign-in from an address."""
        await self._count(self._sign_in, address_group(ip))

    async def _count(self, item: RateLimitItem, who: str) -> SlidingWindowCounterRateLimiter:
        """Count where it can be counted; tell where that was."""
        bucket = str(self._bucket(who))
        if self._shared is not self._alone and time.monotonic() >= self._shared_again_at:
            try:
                await _hit(self._shared, item, bucket)
            except RateLimited:
                raise
            except Exception as error:  # noqa: BLE001 - each store has errors of its own
                self._shared_again_at = time.monotonic() + STORE_PAUSE_SECONDS
                log.warning("rate_limit_store_away", error=type(error).__name__)
            else:
                return self._shared
        await _hit(self._alone, item, bucket)
        return self._alone

    def _bucket(self, who: str) -> int:
        digest = hmac.new(self._key, who.encode(), hashlib.sha256).digest()
        return int.from_bytes(digest[:8], "big") % BUCKETS


async def _hit(limiter: SlidingWindowCounterRateLimiter, item: RateLimitItem, bucket: str) -> None:
    if await limiter.hit(item, bucket):
        return
    stats = await limiter.get_window_stats(item, bucket)
    # The library gives a moment of the process' clock; only the distance to it is used.
    wait = math.ceil(stats.reset_time - time.time())
    # A little spread, so that refused callers do not all come back at the same second.
    raise RateLimited(retry_after=max(1, wait) + secrets.randbelow(2))


class GatewayLimit:
    """Counts the requests of each gateway in the minute that it is, in this process. Gateways are few."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._minute = 0
        self._counts: dict[UUID, int] = {}

    def count(self, gateway_id: UUID) -> None:
        """Count a request. Raises `RateLimited`."""
        moment = int(time.monotonic())
        minute, second = divmod(moment, 60)
        if minute != self._minute:
            self._minute = minute
            self._counts.clear()
        count = self._counts.get(gateway_id, 0) + 1
        if count > self._per_minute:
            raise RateLimited(retry_after=60 - second)
        self._counts[gateway_id] = count


class AddressLimit:
    """Counts every request by its caller's address, before any work is done for it."""

    def __init__(self, app: ASGIApp, limits: RateLimits) -> None:
        self.app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request. Raises `RateLimited`."""
        if scope["type"] == "http" and not scope["path"].startswith(UNLIMITED_PATHS):
            await self._limits.of_address(edge_of(scope).ip, scope["path"])
        await self.app(scope, receive, send)
