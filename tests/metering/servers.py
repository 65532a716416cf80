"""Servers in processes of their own, and a gateway's calls to them over HTTP. Run as a module, it is such a process."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import uvicorn

from app.logs import set_up_logs
from app.main import create_app
from app.settings import load_settings
from tests.web.conftest import SECRET, free_port

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass
class Served:
    """A process that serves."""

    process: subprocess.Popen[bytes]
    port: int

    def client(self, token: str) -> httpx2.AsyncClient:
        """Make a gateway's client."""
        return httpx2.AsyncClient(
            base_url=f"http://127.0.0.1:{self.port}",
            headers={"Authorization": f"Bearer {token}"},
            timeout=60,
        )


@contextmanager
def serving(database_url: str, processes: int = 1, **given: str) -> Iterator[list[Served]]:
    """Serve one database by so many processes. Who calls before they have started waits."""
    started = []
    try:
        for _n in range(processes):
            with free_port() as port:
                port.listen(256)
                started.append(_start(database_url, port, given))
        yield started
    finally:
        for one in started:
            one.process.terminate()
        for one in started:
            one.process.wait(30)


def _start(database_url: str, port: socket.socket, given: dict[str, str]) -> Served:
    settings = {
        "R9S_DATABASE_URL": database_url,
        "R9S_BASE_URL": f"http://127.0.0.1:{port.getsockname()[1]}",
        "R9S_SECRET_KEY": SECRET.get_secret_value(),
        "R9S_LOG_LEVEL": "error",
        "PYTHONPATH": str(ROOT),
    }
    process = subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-m", "tests.metering.servers", str(port.fileno())],
        cwd=ROOT,
        env=os.environ | settings | given,
        pass_fds=[port.fileno()],
    )
    return Served(process, port.getsockname()[1])


def main() -> None:
    """Serve on the listening socket that was handed over."""
    settings = load_settings()
    set_up_logs(settings)
    config = uvicorn.Config(create_app(settings), log_config=None, access_log=False)
    # Named as TCP, asyncio sends each part of an answer at once.
    port = socket.socket(proto=socket.IPPROTO_TCP, fileno=int(sys.argv[1]))
    uvicorn.Server(config).run(sockets=[port])


if __name__ == "__main__":
    main()
