"""What is left: the figure in the top bar, which follows by itself."""

from dataclasses import dataclass
from typing import ClassVar

from starlette.requests import Request
from starlette.responses import Response

from app.web.portal.bars import Left, left_of
from app.web.portal.frame import room_of
from app.web.sign_in import see_other


@dataclass(frozen=True, slots=True)
class LeftPart:
    """The figure alone."""

    template: ClassVar[str] = "frame/left_alone.html"

    left: Left


async def show(request: Request) -> Response:
    """Answer the figure to htmx; lead everybody else to the page that it stands on."""
    room = await room_of(request)
    if not room.partial:
        return see_other(room.path())
    return await room.page(
        LeftPart(await left_of(room.viewer, room.seat)), part="frame/left_alone.html"
    )
