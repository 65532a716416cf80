"""Pages: one Jinja environment, one dataclass for each page's context."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

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
from app.seats import Person
from app.web.edge import edge_of
from app.web.return_paths import HOME, own_path, sign_in_path
from app.web.static import static_path

TEMPLATES = Path(__file__).parent / "templates"


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
    static: Callable[[str], str]


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
    (Unauthenticated, _Next("Sign in first", "Sign in")),
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


def render(
    request: Request, page: Page, *, status: int = 200, headers: dict[str, str] | None = None
) -> HTMLResponse:
    """Render a page inside the frame."""
    html = ENVIRONMENT.get_template(page.template).render(page=page, site=_site(request))
    return HTMLResponse(html, status_code=status, headers=headers)


def _site(request: Request) -> Site:
    # What is known already: an error page must not ask a database that may be away.
    edge = edge_of(request)
    visit = edge.visit
    return Site(
        person=visit.person if visit else None,
        form_token=(visit.form_token or "") if visit else "",
        sandbox=edge.sandbox,
        sign_in_path=sign_in_path(here(request)),
        static=static_path,
    )


def here(request: Request) -> str:
    """The path and query of this page, as a place to come back to."""
    path, query = request.scope["path"], request.scope["query_string"].decode("latin-1")
    return own_path(f"{path}?{query}" if query else path)


def error_page(
    request: Request, refusal: Refusal, *, headers: dict[str, Any] | None = None
) -> HTMLResponse:
    """Show a refusal to a person, with the same status as any caller gets."""
    plan = next((plan for kind, plan in _NEXT if isinstance(refusal, kind)), None)
    safe = request.method in ("GET", "HEAD")
    path = HOME
    if isinstance(refusal, SignInRefused | Unauthenticated):
        path = sign_in_path(getattr(refusal, "return_path", here(request) if safe else HOME))
    elif isinstance(refusal, RateLimited | Unavailable) and safe:
        back = getattr(refusal, "return_path", None)
        path = here(request) if back is None else sign_in_path(back)
    page = ErrorPage(
        status=refusal.status,
        heading=plan.heading if plan else _heading(refusal),
        sentence=refusal.detail,
        next_step=plan.step if plan else "Go to the start page",
        next_path=path,
        request_id=edge_of(request).request_id,
    )
    return render(request, page, status=refusal.status, headers=headers)


def _heading(refusal: Refusal) -> str:
    return "Something went wrong" if refusal.status >= 500 else "This did not work"  # noqa: PLR2004 - HTTP's own border
