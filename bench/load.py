"""A load of requests over kept connections, as light as it gets: the server is measured, not the client."""

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

Request = tuple[str, dict[str, Any]]


@dataclass
class Measured:
    """What a load has seen, in one turn or several. Latencies in seconds."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    answers: list[tuple[int, bytes]] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Tell the answers a second."""
        return len(self.latencies) / self.seconds

    def percentile(self, part: float) -> float:
        """Tell the milliseconds within which a part of the requests was answered."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * part))] * 1000

    def add(self, other: "Measured") -> None:
        """Take in the times of another turn, without its answers. Raises where one was refused."""
        refused = [body for status, body in other.answers if status != 200]
        if refused:
            raise RuntimeError(refused[0])
        self.seconds += other.seconds
        self.latencies += other.latencies

    def __str__(self) -> str:
        """Say how fast it was."""
        p50, p99 = self.percentile(0.5), self.percentile(0.99)
        return f"{self.rate:.0f}/s, p50 {p50:.2f} ms, p99 {p99:.2f} ms"


def encoded(port: int, token: str, request: Request) -> bytes:
    """Write a request."""
    path, body = request
    content = json.dumps(body).encode()
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    ).encode() + content


async def _converse(
    port: int, token: str, requests: Iterator[Request], until: float, seen: Measured
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for request in requests:
        begun = time.perf_counter()
        if begun >= until:
            break
        writer.write(encoded(port, token, request))
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        body = await reader.readexactly(length)
        seen.latencies.append(time.perf_counter() - begun)
        seen.answers.append((int(head[9:12]), body))
    writer.close()


async def load(
    port: int,
    token: str,
    requests: Iterator[Request],
    connections: int,
    seconds: float,
) -> Measured:
    """Send requests over so many connections, one after the other on each, for so long or until they end."""
    seen = Measured()
    begun = time.perf_counter()
    until = begun + seconds
    await asyncio.gather(
        *(_converse(port, token, requests, until, seen) for _n in range(connections))
    )
    seen.seconds = time.perf_counter() - begun
    return seen
