"""Traces of management keys' uses: gathered, and written together at most once a second, beside the answers."""

import asyncio
import math
import time

import structlog

from app.database import Database
from app.models import AuditActorKind
from app.resolvers import management_keys
from app.resolvers.management_keys import ManagementUse
from app.seats import Viewer
from app.settings import Settings

log = structlog.get_logger()
PAUSE_SECONDS = 1.0
MOST_WAITING = 100_000


class Traces:
    """Uses that wait to be written. What cannot be written is kept and tried again with the next ones."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._viewer = Viewer(database, settings, kind=AuditActorKind.SYSTEM)
        self._waiting: list[ManagementUse] = []
        self._written_at = -math.inf
        self._work: asyncio.Task[None] | None = None
        self._writing = asyncio.Lock()

    def add(self, use: ManagementUse) -> None:
        """Have a use written: at once, or with others within a second."""
        if len(self._waiting) >= MOST_WAITING:
            log.error("trace_dropped", management_key=str(use.management_key_id))
            return
        self._waiting.append(use)
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._write_soon(), name="traces")

    async def _write_soon(self) -> None:
        while self._waiting:
            wait = self._written_at + PAUSE_SECONDS - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            await self.flush()

    async def flush(self) -> None:
        """Write what waits."""
        async with self._writing:
            uses, self._waiting = self._waiting, []
            self._written_at = time.monotonic()
            if not uses:
                return
            try:
                await management_keys.record_management_uses(self._viewer, uses)
            except Exception:
                self._waiting = uses + self._waiting
                log.warning("traces_wait", uses=len(uses), exc_info=True)

    async def close(self) -> None:
        """Write the last ones."""
        if self._work is not None:
            self._work.cancel()
            await asyncio.gather(self._work, return_exceptions=True)
        await self.flush()
