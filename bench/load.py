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
    """What a load has seen. Latencies in seconds, sorted."""

    seconds: float
    latencies: list[float] = field(default_factory=list)
    answers: list[tuple[int, bytes]] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Tell how many requests a second were answered."""
        return len(self.latencies) / self.seconds

    def percentile(self, part: float) -> float:
        """Tell the milliseconds within which a part of the requests was answered."""
        return self.latencies[min(len(self.latencies) - 1, int(len(self.latencies) * part))] * 1000

    def add(self, other: "Measured") -> None:
        """Take in what another turn has seen."""
        self.seconds += other.seconds
        self.latencies = sorted([*self.latencies, *other.latencies])
        self.answers += other.answers

    @property
    def failed(self) -> int:
        """Count the answers that are no 200."""
        return sum(status != 200 for status, _body in self.answers)


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
    seen = Measured(0.0)
    begun = time.perf_counter()
    until = begun + seconds
    await asyncio.gather(
        *(_converse(port, token, requests, until, seen) for _n in range(connections))
    )
    seen.seconds = time.perf_counter() - begun
    seen.latencies.sort()
    return seen
