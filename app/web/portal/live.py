"""Pages of usage that follow by themselves: whether anything that they show has changed, by one statement."""

import hashlib

from starlette.responses import Response

from app.resolvers import usage_overviews
from app.web.pages import Page
from app.web.portal.frame import Room

NOT_MODIFIED = 304


async def unchanged(room: Room) -> tuple[str, Response | None]:
    """Name what the page shows by a tag, and answer 304 where htmx has shown just that; no tag for whole pages.

    Figures change with records, and with the hour, the viewer's quota and the account's name.
    """
    if not room.partial:
        return "", None
    seat, request = room.seat, room.request
    mark = await usage_overviews.usage_mark(room.viewer, seat.account_id)
    hour = seat.now.strftime("%Y-%m-%d %H")
    facts = (mark, seat.quota, seat.role, seat.name, hour, str(request.url))
    tag = f'"{hashlib.sha256(repr(facts).encode()).hexdigest()[:24]}"'
    same = request.headers.get("if-none-match") == tag
    return tag, Response(status_code=NOT_MODIFIED, headers={"ETag": tag}) if same else None


async def answer(room: Room, page: Page, tag: str, *, part: str, status: int) -> Response:
    """Give the page, or its part with that tag."""
    response = await room.page(page, part=part, status=status)
    if tag and response.headers.get("ETag"):
        response.headers["ETag"] = tag
    return response
