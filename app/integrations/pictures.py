"""People's pictures, fetched once from where the identity provider says: public addresses only, images only.

The address may have been chosen by the person, so it is a stranger's: it is resolved here, every
address that it has must be public, and the connection goes to the address that was checked.
"""

import asyncio
import ipaddress
import socket
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from urllib.parse import urlsplit

import httpx2
import structlog

from app.errors import Unavailable
from app.integrations.outbound import PLAIN, BoundedTransport, UnreadableAnswer
from app.settings import Settings

log = structlog.get_logger()
SECONDS = 5
MOST_BYTES = 262_144
MOST_AT_ONCE = 4
MOST_ADDRESSES = 3
HTTPS = 443
# Beyond what Python knows: relays and translators lead to addresses inside (RFC 6890, 7526, 9637).
NOT_PUBLIC_4 = (ipaddress.ip_network("192.0.0.0/24"), ipaddress.ip_network("192.88.99.0/24"))
NOT_PUBLIC_6 = tuple(
    IPv6Network(one) for one in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
)
UNICAST_6 = IPv6Network("2000::/3")
RIFF, WEBP = b"RIFF", b"WEBP"
STARTS = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
}


@dataclass(frozen=True, slots=True)
class Picture:
    """An image, at most 256 KiB; `media_type` is what its first bytes say."""

    media_type: str
    content: bytes


def is_public(address: str) -> bool:
    """Tell whether an IP address is one of the open internet."""
    try:
        found: IPv4Address | IPv6Address = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is not None:
            return is_public(str(found.ipv4_mapped))
        if found not in UNICAST_6 or any(found in one for one in NOT_PUBLIC_6):
            return False
    elif any(found in one for one in NOT_PUBLIC_4):
        return False
    return found.is_global and not found.is_multicast


def media_type_of(content: bytes) -> str | None:
    """Tell what kind of image this is, by its first bytes; None for anything else, SVG included."""
    for start, media_type in STARTS.items():
        if content.startswith(start):
            return media_type
    return "image/webp" if content[:4] == RIFF and content[8:12] == WEBP else None


class PictureSource:
    """Fetches pictures, few at a time, and each once however many ask for it."""

    ports = frozenset({HTTPS})

    def __init__(self, settings: Settings) -> None:
        issuer = urlsplit(settings.oidc_issuer)
        # The sandbox's issuer is on loopback, where nothing else may be asked.
        self._own = (issuer.scheme, issuer.netloc) if issuer.scheme == "http" else None
        self._running: dict[str, asyncio.Task[Picture | None]] = {}

    async def fetch(self, url: str) -> Picture | None:
        """Fetch a picture; None for what is refused, away or no image. Raises `Unavailable` when busy."""
        running = self._running.get(url)
        if running is None:
            if len(self._running) >= MOST_AT_ONCE:
                raise Unavailable
            running = asyncio.create_task(self._fetch_or_none(url))
            self._running[url] = running
            running.add_done_callback(lambda _done: self._running.pop(url, None))
        return await asyncio.shield(running)

    async def resolve(self, host: str, port: int) -> list[str]:
        """List every address of a name. Raises `OSError`."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return list(dict.fromkeys(str(address[0]) for *_rest, address in found))

    def is_allowed(self, address: str) -> bool:
        """Tell whether an address may be connected to."""
        return is_public(address)

    def transport(self) -> BoundedTransport:
        """Make what connects: without proxies, which would resolve the name anew."""
        return BoundedTransport(MOST_BYTES, trust_env=False)

    async def _fetch_or_none(self, url: str) -> Picture | None:
        try:
            async with asyncio.timeout(SECONDS):
                return await self._fetch(httpx2.URL(url))
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
            # TimeoutError is an OSError. The address stays out of the log: it may hold a token.
            log.info("picture_refused", error=type(error).__name__)
            return None

    async def _fetch(self, url: httpx2.URL) -> Picture | None:
        if url.userinfo:
            raise UnreadableAnswer("credentials in the address")
        if (url.scheme, url.netloc.decode("ascii")) == self._own:
            addresses = [url.host]
        else:
            addresses = await self._checked_addresses(url)
        for address in addresses[:MOST_ADDRESSES]:
            try:
                return await self._ask(url, address)
            except httpx2.ConnectError:
                continue
        return None

    async def _checked_addresses(self, url: httpx2.URL) -> list[str]:
        port = url.port or HTTPS
        if url.scheme != "https" or port not in self.ports or not url.host:
            raise UnreadableAnswer("not an https address")
        addresses = await self.resolve(url.raw_host.decode("ascii"), port)
        if not all(self.is_allowed(one) for one in addresses):
            raise UnreadableAnswer("not a public address")
        return addresses

    async def _ask(self, url: httpx2.URL, address: str) -> Picture | None:
        name = url.raw_host.decode("ascii")
        async with httpx2.AsyncClient(transport=self.transport(), timeout=SECONDS) as client:
            answer = await client.get(
                url.copy_with(host=address),
                headers={"Host": url.netloc.decode("ascii"), "Accept": "image/*", **PLAIN},
                # The certificate has to be that of the name, not of the address.
                extensions={"sni_hostname": name},
            )
        if answer.status_code != HTTPStatus.OK:
            return None
        media_type = media_type_of(answer.content)
        return Picture(media_type, answer.content) if media_type else None
