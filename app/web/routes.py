"""Every URL, one line each."""

from starlette.routing import BaseRoute, Route

from app.schema import build_schema
from app.settings import Settings
from app.web import (
    avatars,
    graphql,
    health,
    home,
    invitations,
    offline,
    portal,
    rest,
    sign_in,
    static,
    stripe,
)
from app.web.viewers import viewer_of

INVITATION = "/invitations/{token}"


def routes(settings: Settings) -> list[BaseRoute]:
    """List what is served."""
    return [
        # First what programs ask, again and again: routes are looked through in this order.
        *rest.routes(settings),
        *graphql.routes(build_schema(settings), settings, viewer_of),
        Route("/", home.home),
        Route(offline.PATH, offline.page),
        Route("/worker.js", offline.worker),
        Route("/theme", home.set_theme, methods=["POST"]),
        Route("/sign-in", sign_in.start),
        Route("/sign-in/callback", sign_in.callback),
        Route("/sign-out", sign_in.sign_out, methods=["POST"]),
        Route("/sign-out-everywhere", sign_in.sign_out_everywhere, methods=["POST"]),
        Route(INVITATION, invitations.show),
        Route(INVITATION + "/accept", invitations.accept, methods=["POST"]),
        Route(INVITATION + "/decline", invitations.decline, methods=["POST"]),
        Route("/webhooks/stripe", stripe.webhook, methods=["POST"]),
        *portal.routes(),
        Route("/avatars/{user}/{tag}", avatars.avatar),
        Route("/health/live", health.live),
        Route("/health/ready", health.ready),
        Route("/static/{digest}/{name:path}", static.static_file),
    ]
