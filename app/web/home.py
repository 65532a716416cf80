"""The start: to the account that was used last, or a welcome; and the switch of light and dark."""

from dataclasses import dataclass
from typing import ClassVar

from starlette.requests import Request
from starlette.responses import Response

from app.errors import Invalid
from app.resolvers import accounts
from app.web.cookies import drop_cookie, set_cookie
from app.web.forms import read_form
from app.web.pages import THEME, THEMES, is_partial, last_account, render
from app.web.return_paths import own_path
from app.web.services import services
from app.web.sign_in import see_other
from app.web.viewers import visit_of

A_YEAR = 365 * 24 * 3600
NO_CONTENT = 204


@dataclass(frozen=True, slots=True)
class WelcomePage:
    """For people who are not signed in."""

    template: ClassVar[str] = "welcome.html"


async def home(request: Request) -> Response:
    """Lead to the last used account, else to the personal one; welcome the signed-out."""
    visit = await visit_of(request)
    if visit.person is None:
        return render(request, WelcomePage())
    seats = await accounts.list_accounts(visit.viewer)
    last = last_account(request)
    chosen = next((seat for seat in seats if seat.slug == last), seats[0])
    return see_other(f"/a/{chosen.slug}")


async def set_theme(request: Request) -> Response:
    """Keep the choice of light, dark or what the system says, in this browser."""
    visit = await visit_of(request)
    form = await read_form(request, visit)
    theme = form.get("theme", "")
    if theme not in ("", *THEMES):
        raise Invalid(theme="Choose light, dark or system.")
    partial = is_partial(request)
    response = (
        Response(status_code=NO_CONTENT) if partial else see_other(own_path(form.get("back")))
    )
    settings = services(request).settings
    if theme:
        set_cookie(settings, response, THEME, theme, A_YEAR)
    else:
        drop_cookie(settings, response, THEME)
    return response
