"""The service with two routes more, for comparison in the same server: bare JSON, and one committed UPDATE."""

import json
from typing import Any

from sqlalchemy import text
from starlette.types import Receive, Scope, Send

from app.main import create_app
from app.settings import load_settings

BARE, UPDATE = "/bench/json", "/bench/update"
_ADD = text("UPDATE bench_rows SET n = n + 1 WHERE id = 1")


class Compared:
    """The service, with the routes to compare with."""

    def __init__(self) -> None:
        self._app = create_app(load_settings())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        path = scope.get("path")
        if path not in (BARE, UPDATE):
            await self._app(scope, receive, send)
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


def make() -> Compared:
    """Make it, for uvicorn's `--factory`."""
    return Compared()
