"""Guards: what is refused before any window runs: foreign hosts, large bodies, cross-site changes."""

from functools import lru_cache
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import BadRequest, Forbidden, TooLarge
from app.settings import Settings
from app.web.edge import bearer_of

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
# Machines call these without a cookie, and prove themselves by what they send.
WEBHOOKS = "/webhooks/"
COOKIELESS_PATHS = ("/sandbox/identity/token", "/sandbox/identity/userinfo", WEBHOOKS)


class CrossSite(Forbidden):
    """A change that another site's page asks a browser for."""

    says = "This came from another site. Open the page here and repeat it."


class Hosts:
    """Serves the host names of the settings only. Nothing is ever authorized by the address that a caller names."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self._hosts = {host.lower() for host in settings.hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request. Raises `BadRequest`."""
        if scope["type"] in ("http", "websocket"):
            given = Headers(scope=scope).getlist("host")
            if len(given) != 1 or host_name(given[0]) not in self._hosts:
                raise BadRequest("This host name is not served here.")
        await self.app(scope, receive, send)


@lru_cache(maxsize=256)
def host_name(host: str) -> str | None:
    """Read the name of a Host header; None for what no browser would send."""
    if any(c in host for c in "/\\@?# \t,") or not host.isascii():
        return None
    try:
        parts = urlsplit(f"//{host}")
        parts.port  # noqa: B018 - raises for a port that is none
    except ValueError:
        return None
    return parts.hostname


class Bodies:
    """Refuses bodies that are too large, by their announced length or as they arrive, before anything parses them."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self._most = settings.body_bytes
        self._most_of_webhook = settings.webhook_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request. Raises `TooLarge`, `BadRequest`."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        webhook = scope["path"].startswith(WEBHOOKS)
        most = self._most_of_webhook if webhook else self._most
        announced = Headers(scope=scope).get("content-length", "0")
        if not (announced.isascii() and announced.isdigit()):
            raise BadRequest
        if len(announced) > len(str(most)) or int(announced) > most:
            raise TooLarge
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > most:
                raise TooLarge
            return message

        await self.app(scope, counted, send)


class SameSite:
    """Refuses changes that a browser makes for another site.

    `Sec-Fetch-Site` has to be `same-origin`; where a browser does not send it, `Origin` has to be
    the base URL. `none`, a person's own doing such as a bookmark, never comes with a form of ours
    and is refused like the rest. Bearer callers send no cookie that counts, so need none of this.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self._origin = settings.base_url.lower()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request. Raises `CrossSite`."""
        if scope["type"] == "http" and scope["method"] not in SAFE_METHODS:
            headers = Headers(scope=scope)
            exempt = bearer_of(headers) is not None or scope["path"].startswith(COOKIELESS_PATHS)
            if not exempt and not self._is_own(headers):
                raise CrossSite
        await self.app(scope, receive, send)

    def _is_own(self, headers: Headers) -> bool:
        sites = headers.getlist("sec-fetch-site")
        if sites:
            return sites == ["same-origin"]
        return [origin.lower() for origin in headers.getlist("origin")] == [self._origin]
