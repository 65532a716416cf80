"""Asking services that are not ours: bounded in time and size, redirects never followed."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import cache
from http import HTTPStatus
from typing import Any

import httpx2

from app.errors import SignInRefused, Unavailable

SECONDS = 10
MOST_BYTES = 262_144
# A small compressed answer can unpack to a huge one, so only what comes as it is gets read.
PLAIN = {"Accept-Encoding": "identity"}
UNREADABLE = "The identity provider's answer cannot be read."


class UnreadableAnswer(ValueError):
    """An answer that is too large, or packed."""


@cache
def trusted() -> ssl.SSLContext:
    # Reading the certificates takes longer than most requests, so it is done once.
    return httpx2.create_ssl_context()


class _BoundedStream(httpx2.AsyncByteStream):
    def __init__(self, inside: httpx2.AsyncByteStream, most_bytes: int) -> None:
        self._inside = inside
        self._left = most_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._inside:
            self._left -= len(part)
            if self._left < 0:
                raise UnreadableAnswer("too large")
            yield part

    async def aclose(self) -> None:
        await self._inside.aclose()


class BoundedTransport(httpx2.AsyncHTTPTransport):
    """HTTP whose answers break off with `UnreadableAnswer` beyond a size, however they are read."""

    def __init__(self, most_bytes: int = MOST_BYTES, **given: Any) -> None:
        super().__init__(**{"verify": trusted(), **given})
        self._most_bytes = most_bytes

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Ask. Raises `UnreadableAnswer` for a packed answer."""
        answer = await super().handle_async_request(request)
        packed = answer.headers.get("content-encoding", "identity").lower() != "identity"
        if packed or not isinstance(answer.stream, httpx2.AsyncByteStream):
            await answer.aclose()
            raise UnreadableAnswer("packed")
        return httpx2.Response(
            answer.status_code,
            headers=answer.headers,
            stream=_BoundedStream(answer.stream, self._most_bytes),
            extensions=answer.extensions,
        )


@contextmanager
def _as_refusals() -> Iterator[None]:
    try:
        yield
    except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError) as error:
        raise Unavailable("The identity provider is away. Try again in a moment.") from error
    except (ValueError, RecursionError) as error:
        # Nested brackets by the thousand end a JSON parser by a RecursionError.
        raise SignInRefused(UNREADABLE) from error


@asynccontextmanager
async def asking_the_provider() -> AsyncIterator[None]:
    """Bound what is asked inside in time, and turn what goes wrong into `Unavailable` or `SignInRefused`."""
    with _as_refusals():
        async with asyncio.timeout(SECONDS):
            yield


async def json_of(url: str, headers: dict[str, str] | None = None) -> dict[str, Any]:
    """Fetch a JSON object of the identity provider. Raises `Unavailable`, `SignInRefused`."""
    async with asking_the_provider(), httpx2.AsyncClient(transport=BoundedTransport()) as client:
        answer = await client.get(url, headers={**PLAIN, **(headers or {})}, timeout=SECONDS)
        if answer.status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise SignInRefused("The identity provider did not accept this sign-in.")
        if answer.status_code != HTTPStatus.OK:
            raise Unavailable("The identity provider is away. Try again in a moment.")
        found = answer.json()
    if not isinstance(found, dict):
        raise SignInRefused(UNREADABLE)
    return found
