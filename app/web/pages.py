"""Pages: one Jinja environment, one dataclass for each page's context."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, ClassVar, Protocol
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.requests import Request
from starlette.responses import HTMLResponse

from app.errors import (
    Dissolved,
    Forbidden,
    NotFound,
    RateLimited,
    Refusal,
    SignInRefused,
    Unauthenticated,
    Unavailable,
)
from app.ids import wire_id
from app.seats import Person
from app.web import words
from app.web.cookies import LONGEST_SECRET
from app.web.edge import edge_of
from app.web.return_paths import HOME, own_path, sign_in_path
from app.web.static import static_path

TEMPLATES = Path(__file__).parent / "templates"
LAST_ACCOUNT = "account"
THEME = "theme"
THEMES = ("light", "dark")
SAFE_METHODS = ("GET", "HEAD")
LONGEST_ADDRESS = 4096


class Page(Protocol):
    """A page's context: a dataclass that names its template."""

    template: ClassVar[str]


@dataclass(frozen=True, slots=True)
class Site:
    """What the frame around every page shows."""

    person: Person | None
    form_token: str
    sandbox: bool
    sign_in_path: str
    path: str
    theme: str
    avatar: str


@dataclass(frozen=True, slots=True)
class ErrorPage:
    """What went wrong in a sentence, what to do next, and the id to ask the operator with."""

    template: ClassVar[str] = "error.html"

    status: int
    heading: str
    sentence: str
    next_step: str
    next_path: str
    request_id: str


@dataclass(frozen=True, slots=True)
class _Next:
    heading: str
    step: str = "Go to the start page"


_NEXT: tuple[tuple[type[Refusal], _Next], ...] = (
    (SignInRefused, _Next("You are not signed in", "Sign in again")),
    (Unauthenticated, _Next("You are signed out", "Sign in")),
    (NotFound, _Next("Nothing here")),
    (Dissolved, _Next("Dissolved")),
    (Forbidden, _Next("Not allowed")),
    (RateLimited, _Next("Too many requests", "Try again")),
    (Unavailable, _Next("Away for a moment", "Try again")),
)


def make_environment() -> Environment:
    """Everything is escaped but plain-text letters, and an undefined name is an error."""
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(disabled_extensions=("txt",), default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


ENVIRONMENT = make_environment()
ENVIRONMENT.globals["static"] = static_path
ENVIRONMENT.filters |= {
    "rounded": words.rounded,
    "exact": words.exact,
    "quota_words": words.quota_words,
    "quota_short": words.quota_short,
    "day": words.day,
    "utc": words.utc,
    "when": words.when,
    "counted": words.counted,
    "percent": words.percent,
    "wire": lambda one, kind: wire_id(kind, one),
}
# What repeats, for every template: `ui.badge("New")`.
ENVIRONMENT.globals["ui"] = ENVIRONMENT.get_template("macros.html").module


def render(
    request: Request,
    page: Page,
    *,
    template: str | None = None,
    status: int = 200,
    toasts: Sequence[str] = (),
    context: Mapping[str, Any] | None = None,
) -> HTMLResponse:
    """Render a page, or one part of it: a template that takes the same context."""
    given = {
        "page": page,
        "site": _site(request),
        "toasts": toasts,
        "partial": template is not None,
    }
    html = ENVIRONMENT.get_template(template or page.template).render(given | dict(context or {}))
    if template is not None and toasts:
        html += ENVIRONMENT.get_template("toasts.html").render(toasts=toasts)
    return HTMLResponse(html, status_code=status)


def is_partial(request: Request) -> bool:
    """Tell whether htmx asks for a part of a page; a whole one, of which it picks, is asked for as `full`."""
    headers = request.headers
    return headers.get("hx-request") == "true" and headers.get("hx-request-type") == "partial"


def last_account(request: Request) -> str:
    """The slug of the account that this browser showed last; empty where it is none."""
    return _plain_cookie(request, LAST_ACCOUNT)


def _plain_cookie(request: Request, name: str) -> str:
    """Read a cookie that is no secret, under either of its names: an error page may know no settings."""
    found = request.cookies.get(f"__Host-{name}") or request.cookies.get(name) or ""
    return found if len(found) <= LONGEST_SECRET and found.isascii() else ""


def _site(request: Request) -> Site:
    # What is known already: an error page must not ask a database that may be away.
    edge = edge_of(request)
    visit = edge.visit
    theme = _plain_cookie(request, THEME)
    return Site(
        person=visit.person if visit else None,
        form_token=(visit.form_token or "") if visit else "",
        sandbox=edge.sandbox,
        sign_in_path=sign_in_path(here(request)),
        path=here(request),
        theme=theme if theme in THEMES else "",
        avatar=visit.avatar if visit else "",
    )


def here(request: Request) -> str:
    """The path and query of this page, as a place to come back to."""
    path, query = request.scope["path"], request.scope["query_string"].decode("latin-1")
    return own_path(f"{path}?{query}" if query else path)


def error_page(
    request: Request, refusal: Refusal, *, headers: Mapping[str, str] | None = None
) -> HTMLResponse:
    """Show a refusal to a person, with the same status as any caller gets.

    Where htmx asks for a part, what was shown stays, and the refusal is said in a toast.
    """
    plan = next((plan for kind, plan in _NEXT if isinstance(refusal, kind)), None)
    path = _next_path(request, refusal)
    page = ErrorPage(
        status=refusal.status,
        heading=plan.heading if plan else _heading(refusal),
        sentence=refusal.detail,
        next_step=plan.step if plan else "Go to the start page",
        next_path=path,
        request_id=edge_of(request).request_id,
    )
    template, status, more = None, refusal.status, dict(headers or {})
    if is_partial(request):
        template = "refusal.html"
    elif isinstance(refusal, Unauthenticated) and request.method in SAFE_METHODS:
        status, more = HTTPStatus.SEE_OTHER, {**more, "Location": path}
    response = render(request, page, template=template, status=status)
    response.headers.update(more)
    return response


def _next_path(request: Request, refusal: Refusal) -> str:
    safe = request.method in SAFE_METHODS
    back = getattr(refusal, "return_path", here(request) if safe else HOME)
    if is_partial(request):
        back = current_path(request)
    if isinstance(refusal, SignInRefused | Unauthenticated):
        return sign_in_path(back)
    if isinstance(refusal, RateLimited | Unavailable) and safe:
        return sign_in_path(back) if hasattr(refusal, "return_path") else back
    return HOME


def current_path(request: Request) -> str:
    """The address that the browser shows while htmx asks for something else, as htmx says."""
    parts = urlsplit(request.headers.get("hx-current-url", "")[:LONGEST_ADDRESS])
    return own_path(f"{parts.path}?{parts.query}" if parts.query else parts.path)


def _heading(refusal: Refusal) -> str:
    return "Something went wrong" if refusal.status >= 500 else "This did not work"  # noqa: PLR2004 - HTTP's own border
