"""The portal: the pages of an account. Each module is a page; this lists their addresses."""

from starlette.routing import BaseRoute, Route

from app.web.portal import creating, dashboard, left
from app.web.portal.frame import page_route


def routes() -> list[BaseRoute]:
    """List the portal's addresses, in the order of the map."""
    return [
        Route("/organizations/new", creating.show),
        Route("/organizations", creating.create, methods=["POST"]),
        page_route("", dashboard.show),
        page_route("/left", left.show),
    ]
