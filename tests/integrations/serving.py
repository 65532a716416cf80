"""Small services on loopback, over real HTTP, each in a thread of its own."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn


class _Threaded(uvicorn.Server):
    """A server that leaves the process' signals alone and says when it is up."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets=sockets)
        self.up.set()


def listening() -> socket.socket:
    """Take a free port of loopback, and keep it."""
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.bind(("127.0.0.1", 0))
    return one


@contextmanager
def serving(app: Any, port: socket.socket, tls: ssl.SSLContext | None = None) -> Iterator[None]:
    """Serve an application for a while."""
    config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off")
    config.load()
    config.ssl = tls
    server = _Threaded(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [port]})
    thread.start()
    try:
        assert server.up.wait(30), "the service did not start"
        yield
    finally:
        server.should_exit = True
        thread.join(30)
        port.close()
