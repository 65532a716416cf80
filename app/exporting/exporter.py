"""The exporter: takes exports that wait, one at a time, lets a child process write each, and keeps the file in parts."""

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import structlog

from app.exporting import child
from app.exporting.child import Order
from app.exporting.workbook import SHEET_ROWS
from app.models.exports import PART_BYTES
from app.resolvers import export_work
from app.resolvers.export_work import TakenExport
from app.seats import Viewer

log = structlog.get_logger()
TICK_SECONDS = 15.0
"""A child says nothing while it packs its file: the lease is kept meanwhile."""
TOLD_OF_FAILURE = 2000
SAID: dict[str, Any] = {"done": 0, "total": 0}


class _Lost(Exception):
    """The export is no longer this taking's: it was deleted, or another process has it."""


class Exporter:
    """Writes exports as the service itself; `sheet_rows` is what a sheet of Excel may hold."""

    def __init__(
        self, viewer: Viewer, *, sheet_rows: int = SHEET_ROWS, module: str = child.__name__
    ) -> None:
        self._viewer = viewer
        self._sheet_rows = sheet_rows
        self._module = module
        self._stopping = False
        self._process: asyncio.subprocess.Process | None = None

    async def run_due(self) -> int:
        """Write every export that waits; tell how many are ready."""
        ready = 0
        while not self._stopping:
            taken = await export_work.take_export(self._viewer)
            if taken is None:
                break
            ready += await self._run(taken)
        return ready

    def stop(self) -> None:
        """Stop the child; what it was at is left to another process."""
        self._stopping = True
        if self._process is not None:
            _kill(self._process)

    async def _run(self, taken: TakenExport) -> bool:
        with tempfile.TemporaryDirectory(prefix="r9s-export-", ignore_cleanup_errors=True) as name:
            folder = Path(name)
            try:
                said = await self._written(taken, folder)
                if "written" in said:
                    return await self._keep(taken, folder / "file")
            except _Lost:
                log.info("export_lost", export=str(taken.id))
                return False
            if self._stopping:
                await export_work.give_back_export(self._viewer, taken)
                return False
            refused = said.get("refused")
            told = (folder / "stderr").read_text(errors="replace")[-TOLD_OF_FAILURE:]
        given_up = await export_work.export_failed(self._viewer, taken, refused)
        log.warning(
            "export_failed", export=str(taken.id), given_up=given_up, refused=refused, told=told
        )
        return False

    async def _written(self, taken: TakenExport, folder: Path) -> dict[str, Any]:
        """Let a child write the file; what it said last. Raises `_Lost`."""
        settings = self._viewer.settings
        order = Order(
            database_url=settings.database_url,
            path=str(folder / "file"),
            account_id=taken.account_id,
            person=taken.person,
            own=taken.own,
            asked=taken.asked,
            most_rows=settings.export_rows,
            sheet_rows=self._sheet_rows,
        )
        said = dict(SAID)
        async with self._child(order, folder) as process:
            with suppress(TimeoutError):
                async with asyncio.timeout(settings.export_minutes * 60):
                    await self._follow(taken, process, said)
        return said

    @asynccontextmanager
    async def _child(self, order: Order, folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
        with (folder / "stderr").open("wb") as errors:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                self._module,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
            )
        self._process = process
        try:
            with suppress(ConnectionError):
                if process.stdin is not None:
                    process.stdin.write(order.line())
                    await process.stdin.drain()
            yield process
        finally:
            self._process = None
            _kill(process)
            # Its end is waited for also where this task is cancelled: nothing of it stays behind.
            with anyio.CancelScope(shield=True):
                # Reads what is left: asyncio calls no process ended whose pipes are still full.
                await process.communicate()

    async def _follow(
        self, taken: TakenExport, process: asyncio.subprocess.Process, said: dict[str, Any]
    ) -> None:
        """Note what the child says until it ends. Raises `_Lost`."""
        stream = process.stdout
        while stream is not None and not self._stopping:
            line = None
            with suppress(TimeoutError):
                line = await asyncio.wait_for(stream.readline(), TICK_SECONDS)
            if line == b"":
                await process.wait()
                return
            if line:
                said.update(json.loads(line))
            if not await export_work.keep_export(self._viewer, taken, said["done"], said["total"]):
                raise _Lost

    async def _keep(self, taken: TakenExport, path: Path) -> bool:
        """Store the file, each part by a transaction of its own. Raises `_Lost`."""
        number = size = 0
        async with await anyio.open_file(path, "rb") as file:
            while content := await file.read(PART_BYTES):
                if self._stopping:
                    await export_work.give_back_export(self._viewer, taken)
                    return False
                if not await export_work.keep_part(self._viewer, taken, number, content):
                    raise _Lost
                number, size = number + 1, size + len(content)
        if not await export_work.finish_export(self._viewer, taken, size, number):
            raise _Lost
        return True


def _kill(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.kill()
