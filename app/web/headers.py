"""Headers that every answer carries, errors too."""

from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.settings import STRIPE, Settings
from app.web.edge import edge_of

HSTS = "max-age=31536000; includeSubDomains"
ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def content_policy(settings: Settings) -> str:
    """Everything from our own origin, nothing inline.

    Browsers apply `form-action` to the redirects after a form as well: a form of ours that leads to
    the sign-in ends at the identity provider, and one that buys credits at Stripe's Checkout, so their
    origins have to stand here.
    """
    others = [_origin(settings.oidc_issuer)]
    if settings.stripe_address == STRIPE:
        others += settings.stripe_pages
    else:
        others.append(_origin(settings.stripe_address))
    places = ["'self'", *(one for one in others if one and one != settings.base_url)]
    return "; ".join(
        [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' data:",
            "font-src 'self'",
            "connect-src 'self'",
            f"form-action {' '.join(places)}",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        ]
    )


def _origin(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""


class SecurityHeaders:
    """Adds them. An answer that depends on who asks gets `no-store` unless its window says more."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self._headers = {**ALWAYS, "Content-Security-Policy": content_policy(settings)}
        if settings.secure:
            self._headers["Strict-Transport-Security"] = HSTS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message.setdefault("headers", []))
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                private = edge_of(scope).private or "set-cookie" in headers
                if private or "cache-control" not in headers:
                    headers["Cache-Control"] = "no-store"
            await send(message)

        await self.app(scope, receive, dressed)
