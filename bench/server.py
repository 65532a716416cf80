"""The service with three routes more, to compare with in the same server: bare JSON as a Starlette route and as nothing but ASGI, and one committed UPDATE."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from sqlalchemy import text
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from app.logs import set_up_logs
from app.main import create_app
from app.settings import Settings, load_settings
from app.web.http import BoundedHttp

BARE, ASGI, UPDATE = "/bench/json", "/bench/asgi", "/bench/update"
_ADD = text("UPDATE bench_rows SET n = n + 1 WHERE id = 1")


async def _bare(request: Request) -> Response:
    said: Any = await request.json()
    return JSONResponse({"said": said["request_id"]})


class Compared:
    """The service, with the routes to compare with."""

    def __init__(self, settings: Settings) -> None:
        self._app = create_app(settings)
        # None of the service's layers: only what Starlette itself does for a route.
        self._bare = Starlette(routes=[Route(BARE, _bare, methods=["POST"])])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        path = scope.get("path")
        if path not in (ASGI, UPDATE):
            await (self._bare if path == BARE else self._app)(scope, receive, send)
            return
        message = await receive()
        said: Any = json.loads(message["body"])
        if path == UPDATE:
            async with self._app.state.services.database.write() as connection:
                await connection.execute(_ADD)
        body = json.dumps({"said": said["request_id"]}).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@contextmanager
def served(url: str, **given: str) -> Iterator[tuple[int, int]]:
    """Serve in a process of its own: its id and port. Who calls before it has started waits."""
    with socket.socket(proto=socket.IPPROTO_TCP) as port:
        port.bind(("127.0.0.1", 0))
        port.listen(256)
        number = port.getsockname()[1]
        settings = {
            "R9S_DATABASE_URL": url,
            "R9S_BASE_URL": f"http://127.0.0.1:{number}",
            "R9S_LOG_LEVEL": "error",
        }
        process = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", "bench.server", str(port.fileno())],
            env=os.environ | settings | given,
            pass_fds=[port.fileno()],
        )
    try:
        yield process.pid, number
    finally:
        process.terminate()
        process.wait(30)


def main() -> None:
    """Serve on the listening socket that was handed over."""
    settings = load_settings()
    set_up_logs(settings)
    config = uvicorn.Config(
        Compared(settings),
        http=BoundedHttp,
        log_config=None,
        access_log=False,
        proxy_headers=False,
    )
    # Named as TCP, asyncio sends each part of an answer at once.
    port = socket.socket(proto=socket.IPPROTO_TCP, fileno=int(sys.argv[1]))
    uvicorn.Server(config).run(sockets=[port])


if __name__ == "__main__":
    main()
