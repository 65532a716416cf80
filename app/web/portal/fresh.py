"""Fresh sign-ins: asked for before a deed that takes one, and led back from."""

from dataclasses import dataclass
from typing import ClassVar

from starlette.responses import Response

from app.access import is_fresh
from app.web.portal.frame import Room
from app.web.return_paths import sign_in_path


@dataclass(frozen=True, slots=True)
class FreshPage:
    """What takes a fresh sign-in, and the way to it and back."""

    template: ClassVar[str] = "dialog.html"
    form: ClassVar[str] = "account/fresh.html"

    title: str
    back: str
    sign_in_path: str


def is_fresh_in(room: Room) -> bool:
    """Tell whether this visit's sign-in is fresh enough."""
    return is_fresh(room.viewer, room.seat.now)


async def ask_to_sign_in(room: Room, deed: str, back: str, again: str) -> Response:
    """Ask for a fresh sign-in, which leads back to `again`."""
    page = FreshPage(deed, back, sign_in_path(again, fresh=True))
    return await room.page(page, part=page.form)
