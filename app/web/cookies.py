"""Our two cookies: who is signed in, and which browser started a sign-in."""

from starlette.requests import HTTPConnection
from starlette.responses import Response

from app.settings import Settings

SESSION = "session"
BROWSER = "sign-in"
BROWSER_SECONDS = 900
LONGEST_SECRET = 128


def cookie_name(settings: Settings, name: str) -> str:
    """Name a cookie. On https, `__Host-` makes browsers refuse one that a neighbouring host has set."""
    return f"__Host-{name}" if settings.secure else name


def read_cookie(settings: Settings, request: HTTPConnection, name: str) -> str | None:
    """Read a cookie; None for what is missing or far too long."""
    value = request.cookies.get(cookie_name(settings, name))
    return value if value and len(value) <= LONGEST_SECRET else None


def set_cookie(settings: Settings, response: Response, name: str, value: str, seconds: int) -> None:
    """Set a cookie that no script reads and that other sites' forms do not send."""
    response.set_cookie(
        cookie_name(settings, name),
        value,
        max_age=seconds,
        path="/",
        secure=settings.secure,
        httponly=True,
        samesite="lax",
    )


def drop_cookie(settings: Settings, response: Response, name: str) -> None:
    """Take a cookie back."""
    response.delete_cookie(
        cookie_name(settings, name),
        path="/",
        secure=settings.secure,
        httponly=True,
        samesite="lax",
    )
