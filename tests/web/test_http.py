"""HTTP itself, over a real socket: a head that never ends fills no memory, and nobody else notices."""

import socket
from contextlib import suppress
from urllib.parse import urlsplit

import pytest

from app.settings import Settings
from app.web.http import MOST_HEAD_BYTES
from tests.web.conftest import Browser


def talk(site: Settings, *parts: bytes) -> bytes:
    """Send parts of a request, and read until the service closes the connection."""
    url = urlsplit(site.base_url)
    with socket.create_connection((url.hostname or "", url.port or 0), timeout=30) as one:
        with suppress(ConnectionError):  # it may close before it has read everything
            for part in parts:
                one.sendall(part)
        answer = b""
        with suppress(ConnectionError):
            while some := one.recv(65_536):
                answer += some
        return answer


@pytest.mark.parametrize("head", [b"GET /", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: "])
def test_a_head_that_does_not_end_is_refused_and_its_connection_closed(
    site: Settings, browser: Browser, head: bytes
) -> None:
    endless = [b"x" * 65_536] * (4 * 1024 * 1024 // 65_536)
    answer = talk(site, head, *endless)
    assert not answer or answer.startswith(b"HTTP/1.1 400 ")
    assert browser.get("/health/ready").status_code == 200


def test_a_head_of_usual_size_that_comes_in_parts_is_answered(site: Settings) -> None:
    long = b"X-Long: " + b"x" * (MOST_HEAD_BYTES // 2) + b"\r\n"
    last = f"Host: {urlsplit(site.base_url).netloc}\r\nConnection: close\r\n\r\n".encode()
    answer = talk(site, b"GET /health/ready HTTP/1.1\r\n", long, last)
    assert answer.startswith(b"HTTP/1.1 200 ")
