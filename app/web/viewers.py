"""Who asks: the session's cookie or a bearer token becomes the `Viewer` of the request.

Where both come, the bearer token wins and the cookie is ignored: such a caller is a program, and is
spared the cross-site check for that reason.
"""

from dataclasses import dataclass

from starlette.requests import HTTPConnection

from app.errors import Unauthenticated
from app.models import AuditActorKind
from app.resolvers import sessions
from app.resolvers.users import UserRow
from app.seats import Person, Viewer
from app.web.cookies import SESSION, read_cookie
from app.web.edge import bearer_of, edge_of
from app.web.services import Services, services


@dataclass(slots=True)
class Visit:
    """A request's viewer, and the token that its session's forms carry (None without a session)."""

    viewer: Viewer
    form_token: str | None = None

    @property
    def person(self) -> Person | None:
        """The signed-in user."""
        return self.viewer.user

    @property
    def avatar(self) -> str:
        """Where the signed-in user's picture is served; empty for nobody, and for those who have none."""
        me = self.person
        if me is None or me.picture_url is None:
            return ""
        return UserRow.of(self.viewer.settings, me.id, me.name, me.email, me.picture_url).avatar_url


async def viewer_of(request: HTTPConnection) -> Viewer:
    """Make the viewer of a request, once. Raises `Unauthenticated` for a bearer token that is no good."""
    return (await visit_of(request)).viewer


async def visit_of(request: HTTPConnection) -> Visit:
    """Make the visit of a request, once. A cookie that is no good is nobody; a bearer token is refused."""
    edge = edge_of(request)
    if edge.visit is None:
        shared = services(request)
        viewer = nobody(request)
        token = bearer_of(request.headers)
        visit = Visit(viewer)
        if token is not None:
            viewer.user = await _person_of_token(shared, viewer, token)
        else:
            await _read_session(request, shared, visit)
        if viewer.user is not None:
            edge.private = True
            await shared.limits.of_user(viewer.user.id)
        edge.visit = visit
    known: Visit = edge.visit
    return known


def nobody(request: HTTPConnection) -> Viewer:
    """Make a viewer that nobody is yet, for what happens before or beside a sign-in."""
    shared, edge = services(request), edge_of(request)
    return Viewer(
        shared.database,
        shared.settings,
        request_id=edge.request_id,
        ip=edge.ip,
        stripe=shared.stripe,
    )


async def _read_session(request: HTTPConnection, shared: Services, visit: Visit) -> None:
    secret = read_cookie(shared.settings, request, SESSION)
    if secret is None:
        return
    viewer = visit.viewer
    found = await sessions.session_of(viewer, secret)
    if found is None:
        return
    viewer.user = found.user
    viewer.session_id = found.session_id
    viewer.signed_in_at = found.signed_in_at
    visit.form_token = found.form_token
    # A page that looks for new figures by itself is no sign of its reader.
    if found.touch_due and request.headers.get("x-live") is None:
        session_id = found.session_id
        system = Viewer(shared.database, shared.settings, kind=AuditActorKind.SYSTEM)
        edge_of(request).after_answer.append(lambda: sessions.touch_session(system, session_id))


async def _person_of_token(shared: Services, viewer: Viewer, token: str) -> Person:
    """Know the person of an access token; one whom we never saw is taken in, as a first sign-in does."""
    at = await sessions.clock(viewer)
    claims = await shared.identity.verify_access_token(token, at=at)
    known = await sessions.user_of_token(viewer, claims.issuer, claims.subject)
    if known is not None:
        return known
    identity = await shared.identity.identity_of_token(token, claims)
    if identity is None:
        raise Unauthenticated
    return await sessions.recognise(viewer, identity)
