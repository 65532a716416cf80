"""What Stripe calls, and where it sends people back to."""

import json

import structlog
from starlette.requests import Request
from starlette.responses import Response

from app.errors import NotFound, Unauthenticated, Unavailable
from app.ids import id_of, wire_id
from app.integrations.stripe import BadSignature
from app.resolvers import accounts, payments, top_ups
from app.web.forms import only
from app.web.services import services
from app.web.sign_in import see_other
from app.web.viewers import nobody, visit_of

log = structlog.get_logger()


async def webhook(request: Request) -> Response:
    """Take one event of Stripe's: answered 200 once it is stored and applied, or was before.

    Raises `BadSignature`, and `Unavailable` where it is to be sent again.
    """
    signature = request.headers.get("stripe-signature")
    if signature is None:
        # Whatever it is, it costs nothing more.
        raise BadSignature
    body = await request.body()
    viewer = nobody(request)
    shared = services(request)
    # What the body says that it is, is only looked up before the signature is checked.
    at, known = await payments.clock_and_known(viewer, _id_said(body))
    event = shared.stripe.event_of(body, signature, at)
    if not known:
        await shared.webhooks.submit(await payments.taken(viewer.as_system(), event, body.decode()))
    return Response()


def _id_said(body: bytes) -> str:
    """Read an event's id from what nobody has checked; empty where there is none."""
    try:
        said = json.loads(body)["id"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    return said if isinstance(said, str) and said.isascii() and said.isprintable() else ""


async def come_back(request: Request) -> Response:
    """Take a person who has paid back to their credits; what Stripe says is booked at once.

    Where Stripe does not answer now, its webhook will. Raises `Unauthenticated`, `NotFound`, `Forbidden`.
    """
    viewer = (await visit_of(request)).viewer
    if viewer.user is None:
        raise Unauthenticated
    place = await accounts.account_by_slug(viewer, request.path_params["slug"])
    top_up_id = id_of("top_up", only(request.query_params, "top_up") or "")
    if (await top_ups.top_up(viewer, top_up_id)).account_id != place.account_id:
        raise NotFound
    try:
        await payments.land(viewer, top_up_id)
    except Unavailable:
        log.warning("landed_without_stripe", top_up=str(top_up_id))
    return see_other(f"/a/{place.slug}/credits?top_up={wire_id('top_up', top_up_id)}")
