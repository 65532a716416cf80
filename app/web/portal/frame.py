"""The frame that every page of an account stands in: who asks, in which account, and how an answer is given.

A page's function asks for its `Room`, calls verbs, and answers by `room.page` or `room.done`.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.access import Declaration
from app.errors import Forbidden, NotFound, Unauthenticated
from app.permissions import Role, roles_with
from app.resolvers import accounts
from app.seats import Seat, Viewer
from app.web.cookies import set_cookie
from app.web.flashes import drop_flash, read_flash, set_flash
from app.web.forms import read_form
from app.web.pages import LAST_ACCOUNT, Page, current_path, is_partial, last_account, render
from app.web.portal.bars import account_path, frame_of
from app.web.portal.sections import BY_KEY, Section
from app.web.sign_in import see_other
from app.web.viewers import Visit, visit_of

A_YEAR = 365 * 24 * 3600
PLACE = "/a/{slug}"
NO_CONTENT = 204
NOT_MODIFIED = 304
# What htmx changes after something was done: the page, and what the bars say, without losing focus or place.
AFTERWARDS = {
    "target": "#main",
    "select": "#main",
    "swap": "outerMorph",
    "selectOOB": "#left:outerMorph,#switcher:outerMorph,#toasts:beforeend",
}


class Verb(Protocol):
    """A verb that says which permission it takes."""

    declared: Declaration


@dataclass(slots=True)
class Room:
    """One request in one account. `key` names the section of the side bar that it belongs to."""

    request: Request
    visit: Visit
    viewer: Viewer
    seat: Seat
    key: str
    seats: list[Seat] | None = None

    def can(self, verb: Verb) -> bool:
        """Tell whether the viewer holds the permission that a verb takes, so that the page shows its button."""
        permission = verb.declared.permission
        return permission is None or permission in self.seat.permissions

    def must(self, verb: Verb) -> None:
        """Refuse a page whose deed the viewer may not do, before it is shown. Raises `Forbidden`."""
        if not self.can(verb):
            raise Forbidden

    def path(self, *parts: str) -> str:
        """Write the address of a page of this account."""
        return account_path(self.seat.slug, *parts)

    @property
    def partial(self) -> bool:
        """Tell whether htmx asks for a part of the page only."""
        return is_partial(self.request)

    @property
    def target(self) -> str:
        """The id of the element that htmx will change; empty without one."""
        return self.request.headers.get("hx-target", "").partition("#")[2]

    async def page(
        self, page: Page, *, part: str | None = None, status: int = 200, toast: str = ""
    ) -> Response:
        """Give the whole page, or, where htmx asks for less, the template `part` alone, in the same context.

        A part that a `GET` asks for carries an `ETag`, so that polling costs a 304 while nothing changes.
        """
        settings = self.viewer.settings
        flash = read_flash(settings, self.request)
        said = [one for one in (flash, toast) if one]
        if self.partial and part is not None:
            response = self._part(page, part, said, status)
        else:
            if self.seats is None:
                self.seats = await accounts.list_accounts(self.viewer)
            frame = await frame_of(self.viewer, self.seats, self.seat, self.key)
            context = {"room": self, "frame": frame}
            response = render(self.request, page, status=status, toasts=said, context=context)
            if last_account(self.request) != self.seat.slug:
                set_cookie(settings, response, LAST_ACCOUNT, self.seat.slug, A_YEAR)
        response.headers["Vary"] = "HX-Request, HX-Request-Type"
        if flash:
            drop_flash(settings, response)
        return response

    def _part(self, page: Page, part: str, said: list[str], status: int) -> Response:
        context = {"room": self}
        response: Response = render(
            self.request, page, template=part, status=status, toasts=said, context=context
        )
        if self.request.method != "GET" or said:
            return response
        tag = f'W/"{hashlib.sha256(response.body).hexdigest()[:24]}"'
        if self.request.headers.get("if-none-match") == tag:
            response = Response(status_code=NOT_MODIFIED)
        response.headers["ETag"] = tag
        return response

    async def form(self) -> Mapping[str, str]:
        """Read the form that was sent, and check that this session made it."""
        return await read_form(self.request, self.visit)

    def done(self, sentence: str, *, to: str) -> Response:
        """Say what was done, on the page that comes after it, which is `to` (the reader's filters are kept).

        A plain form is led there by a 303; for htmx the page is changed where it stands.
        """
        current = current_path(self.request)
        here = current.partition("?")[0] == to.partition("?")[0]
        if self.partial:
            path = current if here and "?" not in to else to
            again = {"path": path, **AFTERWARDS, **({"push": "false"} if here else {})}
            response = Response(status_code=NO_CONTENT, headers={"HX-Location": json.dumps(again)})
        else:
            response = see_other(to)
        set_flash(self.viewer.settings, response, sentence)
        return response


async def room_of(request: Request, key: str = "") -> Room:
    """Find the account in the address, and the viewer's place in it; `key` names the page's section.

    Raises `Unauthenticated` (which leads to the sign-in and back), `NotFound`, `Dissolved`, and `Forbidden`
    where the section is not for this person.
    """
    visit = await visit_of(request)
    viewer = visit.viewer
    if visit.person is None:
        raise Unauthenticated
    seats = None
    if request.method == "GET" and not is_partial(request):
        # The frame lists them all, so the one in the address is found among them.
        seats = await accounts.list_accounts(viewer)
    seat = await accounts.account_by_slug(viewer, request.path_params["slug"])
    section = BY_KEY.get(key)
    if section is not None and not section.exists_in(seat):
        raise NotFound
    if section is not None and not section.is_seen_by(seat):
        raise Forbidden(_who_may(section, seat))
    return Room(request, visit, viewer, seat, key, seats)


def _who_may(section: Section, seat: Seat) -> str:
    """Say who can help."""
    holders = roles_with(section.permission) if section.permission else ()
    words = {role: f"{role.name.capitalize()}s" for role in holders} | {Role.OWNER: "the Owner"}
    who = " and ".join(words[role] for role in reversed(holders))
    return f"In {seat.name}, {section.label} is for {who}. Ask one of them to look or to give you a role."


def page_route(
    path: str, endpoint: Callable[[Request], Awaitable[Response]], **given: Any
) -> Route:
    """Mount a page of an account: `path` comes after /a/{slug}."""
    return Route(PLACE + path, endpoint, **given)
