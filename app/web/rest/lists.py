"""Lists as the finance window answers them: a page of JSON, or a stream of everything."""

import asyncio
from asyncio import sleep
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import anyio
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from app.pages import Cursors
from app.web.rest.formats import CSV, JSON, MEDIA_TYPES, Row, csv_header, plain_json
from app.web.rest.parameters import Parameters
from app.web.rest.window import Visit
from app.web.services import services

# What names a place or a form and no list: a cursor is good for all of these.
FREE = {"cursor", "limit", "format"}
YIELD_SECONDS = 0.04


@dataclass(frozen=True, slots=True)
class List:
    """One list of one account, as a request asks for it: its cursors are bound to its parameters."""

    visit: Visit
    parameters: Parameters

    @property
    def cursors(self) -> Cursors:
        """The cursors of this list."""
        asked = sorted(one for one in self.parameters.given if one[0] not in FREE)
        path = self.visit.request.scope["path"]
        binding = ("rest", path, self.visit.seat.account_id.hex, *asked)
        return Cursors(self.visit.viewer.settings, binding)

    def place(self) -> list[Any] | None:
        """Read the cursor. Raises `BadRequest`."""
        return self.cursors.read(self.parameters.one("cursor"))

    def next_url(self, cursor: str) -> str:
        """Give the address of the next page."""
        asked = [one for one in self.parameters.given if one[0] != "cursor"]
        query = urlencode([*asked, ("cursor", cursor)])
        base_url = self.visit.viewer.settings.base_url
        return f"{base_url}{self.visit.request.scope['path']}?{query}"


def page(
    which: List,
    rows: Sequence[Row],
    *,
    has_more: bool,
    key: Sequence[Any] | None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> Response:
    """Answer one page; `key` is where the list goes on, `before` and `after` stand around its rows."""
    cursor = None if key is None else which.cursors.write(key)
    body = {
        "object": "list",
        **(before or {}),
        "data": rows,
        **(after or {}),
        "has_more": has_more,
        "next_cursor": cursor,
    }
    which.visit.rows = len(rows)
    headers = {"Vary": "Accept"}
    if has_more and cursor is not None:
        headers["Link"] = f'<{which.next_url(cursor)}>; rel="next"'
    return Response(plain_json(body), media_type=MEDIA_TYPES[JSON], headers=headers)


class Stream(StreamingResponse):
    """A list as it comes out of an open export, which ends with the answer, however that ends."""

    def __init__(
        self,
        visit: Visit,
        opened: AsyncExitStack,
        chunks: AsyncGenerator[bytes],
        kind: str,
        headers: dict[str, str],
    ) -> None:
        self._visit, self._opened, self._chunks = visit, opened, chunks
        self._gate = services(visit.request).gate
        self._stall_seconds = visit.viewer.settings.export_stall_seconds
        named = visit.request.scope["path"].strip("/")
        super().__init__(
            chunks,
            media_type=MEDIA_TYPES[kind],
            headers={
                "Content-Disposition": f'attachment; filename="{named}.{kind}"',
                "Vary": "Accept",
                **headers,
            },
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send everything."""
        async with self._opened:
            await super().__call__(scope, receive, send)

    async def stream_response(self, send: Send) -> None:
        """Send chunk by chunk; break off where nobody takes them, so that no snapshot is kept for ever."""
        await send(
            {
                "type": "http.response.start",
                "status": self.status_code,
                "headers": self.raw_headers,
            }
        )
        try:
            async for chunk in self._chunks:
                # A chunk holds whole rows or parts of some: every row ends with one of these.
                self._visit.rows += chunk.count(b"\n")
                async with asyncio.timeout(self._stall_seconds):
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
                if self._gate.busy:
                    # Calls come first: an export takes what they leave.
                    await sleep(YIELD_SECONDS)
        finally:
            # The export ends here, also where the caller has gone and this task is cancelled.
            with anyio.CancelScope(shield=True):
                await self._chunks.aclose()
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def stream(
    visit: Visit,
    opened: AsyncExitStack,
    chunks: AsyncGenerator[bytes],
    kind: str,
    columns: Sequence[str],
    headers: dict[str, str],
) -> Stream:
    """Answer an open export; CSV gets its header row."""

    async def whole() -> AsyncGenerator[bytes]:
        async with aclosing(chunks):
            if kind == CSV:
                visit.rows -= 1
                yield csv_header(columns)
            async for chunk in chunks:
                yield chunk

    return Stream(visit, opened, whole(), kind, headers)
