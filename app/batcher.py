"""Group commit: calls that arrive while a group is served are gathered, and served together as the next one."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Generic, TypeVar

import structlog

from app.errors import Unavailable

log = structlog.get_logger()
C = TypeVar("C")
A = TypeVar("A")


class Batcher(Generic[C, A]):
    """Serves calls in groups, in the order in which they came. `work` serves a group, all or none of it.

    A group weighs at most `group_size`, and at least one call; no more than `queue_size` calls wait.
    What waits longer than `patience_seconds` is `Unavailable`: nothing was done for it. Before a
    group is served, `gather_seconds` let more calls come, where nobody waits for a quick answer; for
    at most `again_seconds` it waits for as many calls as the group before it had: whoever was just
    answered often asks again, and would else be served in two groups. A lone caller never waits.
    """

    def __init__(  # noqa: PLR0913 - limits, each by its name
        self,
        work: Callable[[Sequence[C]], Awaitable[Sequence[A]]],
        *,
        group_size: int,
        queue_size: int,
        patience_seconds: float,
        weight: Callable[[C], int] = lambda _call: 1,
        gather_seconds: float = 0.0,
        again_seconds: float = 0.0,
    ) -> None:
        self._work = work
        self._group_size = group_size
        self._queue_size = queue_size
        self._patience_seconds = patience_seconds
        self._weight = weight
        self._gather_seconds = gather_seconds
        self._again_seconds = again_seconds
        self._waiting: deque[tuple[C, asyncio.Future[A], float]] = deque()
        self._arrived = asyncio.Event()
        self._enough = 1
        self._worker: asyncio.Task[None] | None = None
        self._open = False
        self._serving = False

    def start(self) -> None:
        """Serve from now on."""
        self._open = True
        self._worker = asyncio.create_task(self._serve_all())

    async def stop(self) -> None:
        """Take no more calls, serve those that wait, and end."""
        self._open = False
        self._arrived.set()
        if self._worker is not None:
            with suppress(asyncio.CancelledError):
                await self._worker

    @property
    def busy(self) -> bool:
        """Tell whether calls wait, or are being served."""
        return self._serving or bool(self._waiting)

    async def submit(self, call: C) -> A:
        """Wait for a call's answer: it is committed. Raises `Unavailable`, and what the work raises."""
        if not self._open or len(self._waiting) >= self._queue_size:
            raise Unavailable
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[A] = loop.create_future()
        self._waiting.append((call, answer, loop.time() + self._patience_seconds))
        if len(self._waiting) >= self._enough:
            self._arrived.set()
        return await answer

    async def _serve_all(self) -> None:
        answered = 1
        while self._open or self._waiting:
            await self._arrived.wait()
            while self._waiting:
                if self._open:
                    await self._let_come(answered)
                group = self._next_group()
                self._serving = True
                await self._serve(group)
                self._serving = False
                answered = len(group)
            if self._open:
                self._arrived.clear()

    async def _let_come(self, answered: int) -> None:
        """Let more calls come, after a group of so many."""
        if self._gather_seconds:
            await asyncio.sleep(self._gather_seconds)
        if not self._again_seconds or len(self._waiting) >= answered:
            return
        self._enough = answered
        self._arrived.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._again_seconds):
                await self._arrived.wait()
        self._enough = 1

    def _next_group(self) -> list[tuple[C, asyncio.Future[A]]]:
        group: list[tuple[C, asyncio.Future[A]]] = []
        weight = 0
        now = asyncio.get_running_loop().time()
        while self._waiting:
            call, answer, until = self._waiting[0]
            weight += self._weight(call)
            if group and weight > self._group_size:
                break
            self._waiting.popleft()
            if answer.done():
                weight -= self._weight(call)
            elif until < now:
                weight -= self._weight(call)
                answer.set_exception(Unavailable())
            else:
                group.append((call, answer))
        return group

    async def _serve(self, group: list[tuple[C, asyncio.Future[A]]], *, again: bool = True) -> None:
        try:
            answers = await self._work([call for call, _answer in group]) if group else ()
        except asyncio.CancelledError:
            _fail(group, Unavailable())
            raise
        except Unavailable as away:
            _fail(group, away)
        except Exception as error:  # noqa: BLE001 - told to the one caller whose call it was
            await self._serve_apart(group, error, again=again)
        else:
            for (_call, future), answer in zip(group, answers, strict=True):
                if not future.done():
                    future.set_result(answer)

    async def _serve_apart(
        self, group: list[tuple[C, asyncio.Future[A]]], error: Exception, *, again: bool
    ) -> None:
        """Serve the halves of a group that failed, down to single calls, so that one fails alone."""
        if len(group) > 1:
            middle = len(group) // 2
            await self._serve(group[:middle])
            await self._serve(group[middle:])
        elif again:
            # Another process may have taken the same id in between: it is seen now.
            await self._serve(group, again=False)
        else:
            log.error(
                "call_failed",
                work=getattr(self._work, "__qualname__", ""),
                error=type(error).__name__,
            )
            _fail(group, error)


def _fail(group: Sequence[tuple[C, asyncio.Future[A]]], error: Exception) -> None:
    for _call, future in group:
        if not future.done():
            future.set_exception(error)
