"""What was read from another service, kept for a while: read by one caller for all, never kept when reading failed."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import structlog

from app.errors import Unavailable

log = structlog.get_logger()
T = TypeVar("T")
Timer = Callable[[], float]

KEEP_SECONDS = 3600.0
PAUSE_SECONDS = 60.0


class Remembered(Generic[T]):
    """One value of another service. `timer` gives seconds, and is the process' own unless a test moves it."""

    def __init__(self, read: Callable[[], Awaitable[T]], timer: Timer = time.monotonic) -> None:
        self._read = read
        self._timer = timer
        self._value: T | None = None
        self._old_at = 0.0
        self._again_at = 0.0
        self._reading: asyncio.Task[T] | None = None

    async def get(self) -> T:
        """Give the value; one older than an hour is read anew, or kept where its service is away."""
        if self._value is not None and self._timer() < self._old_at:
            return self._value
        return await self._read_or_keep()

    async def get_again(self) -> T:
        """Read once more, for what does not fit; at most once a minute, however many ask."""
        if self._reading is None:
            if self._value is not None and self._timer() < self._again_at:
                return self._value
            self._again_at = self._timer() + PAUSE_SECONDS
        return await self._read_or_keep()

    async def _read_or_keep(self) -> T:
        try:
            return await self._read_together()
        except Unavailable:
            if self._value is None:
                raise
            log.warning("provider_away")
            self._old_at = self._timer() + PAUSE_SECONDS
            return self._value

    async def _read_together(self) -> T:
        if self._reading is None:
            self._reading = asyncio.create_task(self._read_and_keep())
            self._reading.add_done_callback(self._read_over)
        # One caller who goes away does not end the reading for the others.
        return await asyncio.shield(self._reading)

    async def _read_and_keep(self) -> T:
        value = await self._read()
        self._value = value
        self._old_at = self._timer() + KEEP_SECONDS
        return value

    def _read_over(self, reading: asyncio.Task[T]) -> None:
        self._reading = None
        if not reading.cancelled():
            reading.exception()  # has been seen, also where every caller went away
