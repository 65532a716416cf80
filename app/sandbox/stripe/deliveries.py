"""How the stand-in sends its events: signed, repeated until they are taken, and badly where that is wanted."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import httpx2
import structlog

from app.integrations.stripe import EVENT_TYPES
from app.sandbox.stripe.store import Plain, Store

log = structlog.get_logger()
SECONDS = 10
ATTEMPTS = 16
LONGEST_PAUSE_SECONDS = 300
MOST_COPIES = 1000
AT_ONCE = 16


@dataclass(slots=True)
class _Due:
    event: Plain
    attempt: int
    at: float


class Deliveries:
    """The webhook endpoint of one account.

    On demand: `copies` sends each event so often, at once; `paused` keeps all back; `reverse` sends
    what waits newest first.
    """

    def __init__(
        self, store: Store, url: str, secret: str, clock: Callable[[], Awaitable[datetime]]
    ) -> None:
        self.copies, self.reverse, self.paused = 1, False, False
        self.clock = clock
        self._store, self._url, self._secret = store, url, secret
        self._due: list[_Due] = []
        self._awake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """Count the events that have not been taken yet."""
        return len(self._due)

    def add(self, event: Plain) -> None:
        """Send an event soon, if the endpoint asked for its kind."""
        if event["type"] in EVENT_TYPES:
            event["pending_webhooks"] = 1
            self._due.append(_Due(event, 0, 0.0))
            self._awake.set()

    def change(self, *, copies: int, reverse: bool, paused: bool) -> None:
        """Send otherwise from now on; what waits is sent at once."""
        self.copies = max(1, min(copies, MOST_COPIES))
        self.reverse, self.paused = reverse, paused
        for one in self._due:
            one.at = 0.0
        self._awake.set()

    def start(self) -> None:
        """Send from now on, what an earlier process left over first."""
        left = list(self._store.newest_first("event", pending_webhooks=1))[::-1]
        self._due = [_Due(event, 0, 0.0) for event in left]
        self._task = asyncio.create_task(self._run(), name="sandbox stripe")

    async def stop(self) -> None:
        """Send no more."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        async with httpx2.AsyncClient(timeout=SECONDS, trust_env=False) as client:
            while True:
                self._awake.clear()
                now = loop.time()
                ready = [] if self.paused else [one for one in self._due if one.at <= now]
                for one in reversed(ready) if self.reverse else ready:
                    await self._send(client, one)
                later = [one.at for one in self._due if not self.paused]
                pause = max(0.0, min(later) - loop.time()) if later else None
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._awake.wait(), pause)

    async def _send(self, client: httpx2.AsyncClient, due: _Due) -> None:
        signed = await self._signed(due.event)
        gate = asyncio.Semaphore(AT_ONCE)

        async def once() -> bool:
            async with gate:
                return await _is_taken(client, self._url, *signed)

        taken = await asyncio.gather(*(once() for _copy in range(self.copies)))
        due.attempt += 1
        if all(taken) or due.attempt >= ATTEMPTS:
            due.event["pending_webhooks"] = 0
            self._due.remove(due)
            self._store.save()
        else:
            pause = min(2.0**due.attempt, LONGEST_PAUSE_SECONDS)
            due.at = asyncio.get_running_loop().time() + pause

    async def _signed(self, event: Plain) -> tuple[bytes, dict[str, str]]:
        body = json.dumps(event, indent=2).encode()
        at = int((await self.clock()).timestamp())
        digest = hmac.new(self._secret.encode(), b"%d.%b" % (at, body), hashlib.sha256)
        return body, {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
            "Stripe-Signature": f"t={at},v1={digest.hexdigest()},v0={'0' * 64}",
        }


async def _is_taken(
    client: httpx2.AsyncClient, url: str, body: bytes, headers: dict[str, str]
) -> bool:
    try:
        answer = await client.post(url, content=body, headers=headers)
    except httpx2.HTTPError as error:
        log.info("sandbox_webhook_away", error=type(error).__name__)
        return False
    if not answer.is_success:
        log.info("sandbox_webhook_refused", status=answer.status_code)
    return answer.is_success
