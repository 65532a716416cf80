"""Compression of pages and static files, by gzip.

A page holds a secret, its form token, and repeats what its address says: from lengths alone somebody on the
line could guess the one by the other (BREACH). So each compressed page is longer by a random number of bytes.
"""

import gzip
import io
import secrets

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LEAST_BYTES = 700
LEVEL = 5
PADDING_BYTES = 100


def accepts_gzip(said: str) -> bool:
    """Tell whether an `Accept-Encoding` takes gzip."""
    offers = [one.replace(" ", "").lower() for one in said.split(",")]
    return any(one == "gzip" or (one.startswith("gzip;q=") and one[7:] != "0") for one in offers)


def squeezed(content: bytes, *, padded: bool = False) -> bytes:
    """Compress; `padded` adds a name of a random length to the head, which readers skip."""
    name = "r" * secrets.randbelow(PADDING_BYTES) if padded else ""
    out = io.BytesIO()
    level = LEVEL if padded else 9
    with gzip.GzipFile(name, "wb", level, out, mtime=0) as file:
        file.write(content)
    return out.getvalue()


class Compression:
    """Compresses whole HTML answers; what streams, what is no page and what is short goes as it is."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        wanted = scope["type"] == "http" and accepts_gzip(
            Headers(scope=scope).get("accept-encoding", "")
        )
        await self.app(scope, receive, _squeezing(send) if wanted else send)


def _squeezing(send: Send) -> Send:
    """Hold an answer's head back until its body shows whether it is whole."""
    start: Message | None = None

    async def squeeze(message: Message) -> None:
        nonlocal start
        if message["type"] == "http.response.start":
            start = message
            return
        if start is None:
            await send(message)
            return
        head, start = start, None
        headers = MutableHeaders(raw=head.setdefault("headers", []))
        body = message.get("body", b"")
        page = headers.get("content-type", "").startswith("text/html")
        whole = not message.get("more_body", False)
        if page and whole and len(body) >= LEAST_BYTES and "content-encoding" not in headers:
            body = squeezed(body, padded=True)
            headers["Content-Encoding"] = "gzip"
            headers["Content-Length"] = str(len(body))
            headers.add_vary_header("Accept-Encoding")
            message = {**message, "body": body}
        await send(head)
        await send(message)

    return squeeze
