"""Creating an organization: a dialog of the switcher, a page without script."""

from dataclasses import dataclass
from typing import ClassVar

from starlette.requests import Request
from starlette.responses import Response

from app.errors import EmailNotVerified, Invalid, Unauthenticated
from app.resolvers import accounts, organizations
from app.web.flashes import set_flash
from app.web.forms import only, read_form
from app.web.pages import is_partial, render
from app.web.services import services
from app.web.sign_in import see_other
from app.web.viewers import visit_of

FORM = "account/create_form.html"
NO_CONTENT = 204


@dataclass(frozen=True, slots=True)
class CreatePage:
    """The form. `obstacle` says why this person cannot create one."""

    template: ClassVar[str] = "account/create.html"

    name: str = ""
    error: str = ""
    obstacle: str = ""
    slug: str = ""
    free: bool = True


@dataclass(frozen=True, slots=True)
class SlugPage:
    """The address that a name would get; `slug` is empty while it is no name."""

    template: ClassVar[str] = "account/slug.html"

    slug: str
    free: bool


async def show(request: Request) -> Response:
    """Show the form."""
    visit = await visit_of(request)
    if visit.person is None:
        raise Unauthenticated
    obstacle = "" if visit.person.email_verified else EmailNotVerified.says
    return _answer(request, CreatePage(obstacle=obstacle))


async def preview(request: Request) -> Response:
    """Say which address an organization of a name would have."""
    visit = await visit_of(request)
    if visit.person is None:
        raise Unauthenticated
    if not is_partial(request):
        return see_other("/organizations/new")
    try:
        slug, free = await organizations.slug_for(
            visit.viewer, only(request.query_params, "name") or ""
        )
    except Invalid:
        slug, free = "", True
    return render(request, SlugPage(slug, free), template=SlugPage.template)


async def create(request: Request) -> Response:
    """Create it, and go there."""
    visit = await visit_of(request)
    if visit.person is None:
        raise Unauthenticated
    form = await read_form(request, visit)
    name = form.get("name", "")
    try:
        account_id = await organizations.create_organization(visit.viewer, name)
    except Invalid as refusal:
        return _answer(request, CreatePage(name=name, error=refusal.detail), refusal.status)
    seat = await accounts.account(visit.viewer, account_id)
    path = f"/a/{seat.slug}"
    if is_partial(request):
        response = Response(status_code=NO_CONTENT, headers={"HX-Redirect": path})
    else:
        response = see_other(path)
    set_flash(services(request).settings, response, f"{seat.name} is there. You are its Owner.")
    return response


def _answer(request: Request, page: CreatePage, status: int = 200) -> Response:
    template = FORM if is_partial(request) else None
    response = render(request, page, template=template, status=status)
    response.headers["Vary"] = "HX-Request, HX-Request-Type"
    return response
