"""Dashboard: what was used here, at a glance."""

from dataclasses import dataclass
from typing import ClassVar

from starlette.requests import Request
from starlette.responses import Response

from app.web.portal.frame import room_of


@dataclass(frozen=True, slots=True)
class DashboardPage:
    """The dashboard."""

    template: ClassVar[str] = "dashboard.html"


async def show(request: Request) -> Response:
    """Show the dashboard of an account."""
    room = await room_of(request, "dashboard")
    return await room.page(DashboardPage())
