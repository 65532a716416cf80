"""What every address of the finance window does first and last: key, rate limit, trace, problem+json."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.errors import MethodNotAllowed, RateLimited, Refusal, Unauthenticated
from app.resolvers import management_keys
from app.resolvers.management_keys import ManagementUse
from app.seats import Seat, Viewer
from app.web.answers import answer
from app.web.edge import bearer_of, edge_of
from app.web.rate_limits import Standing
from app.web.services import services
from app.web.viewers import nobody

NO_KEY = "Send a management key that works: `Authorization: Bearer sk_mg_…`."


@dataclass(slots=True)
class Visit:
    """One request by a management key. `range` and `rows` are what its trace tells of what was read."""

    request: Request
    viewer: Viewer
    range: str = ""
    rows: int = 0

    @property
    def seat(self) -> Seat:
        """The key's place in its organization: the only one that it has."""
        return next(iter(self.viewer.seats.values()))


Show = Callable[[Visit], Awaitable[Response]]


class Window:
    """One address, GET only. Every answer says where the caller's rate limit stands; every use leaves a trace.

    One that is asked often, for little, is answered by one statement: `with_balance` reads it along with the key.
    """

    def __init__(self, show: Show, *, with_balance: bool = False) -> None:
        self._show = show
        self._with_balance = with_balance

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        request = Request(scope, receive)
        response = await self._response(request)
        await response(scope, receive, send)

    async def _response(self, request: Request) -> Response:
        edge_of(request).private = True
        standing = None
        try:
            standing, visit = await _enter(request, with_balance=self._with_balance)
            response = await self._traced(visit)
        except Refusal as refusal:
            if standing is None:
                refusal, standing = await _standing_outside(request, refusal)
            response = answer(request, refusal)
        response.headers["RateLimit-Policy"] = standing.policy
        response.headers["RateLimit"] = standing.state
        if response.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            response.headers["Allow"] = "GET"
        return response

    async def _traced(self, visit: Visit) -> Response:
        edge_of(visit.request).after_answer.append(lambda: _leave_trace(visit))
        return await self._show(visit)


async def _enter(request: Request, *, with_balance: bool) -> tuple[Standing, Visit]:
    """Know the key, and count the request. Raises `MethodNotAllowed`, `WrongKeyType`, `Unauthenticated`, `RateLimited`."""
    if request.method != "GET":
        raise MethodNotAllowed
    secret = bearer_of(request.headers)
    try:
        viewer = await management_keys.management_key_viewer(
            nobody(request), secret or "", with_balance=with_balance
        )
    except Unauthenticated:
        raise Unauthenticated(NO_KEY) from None
    if viewer.key is None:
        raise Unauthenticated(NO_KEY)
    standing = await services(request).limits.of_key(viewer.key.id)
    return standing, Visit(request, viewer)


async def _standing_outside(request: Request, refusal: Refusal) -> tuple[Refusal, Standing]:
    """Count whoever shows no key that works by their address, and tell what they are refused with."""
    limits = services(request).limits
    if isinstance(refusal, RateLimited):
        return refusal, limits.exhausted_key(refusal.retry_after)
    try:
        return refusal, await limits.of_key(edge_of(request).ip)
    except RateLimited as limited:
        return limited, limits.exhausted_key(limited.retry_after)


async def _leave_trace(visit: Visit) -> None:
    viewer, seat = visit.viewer, visit.seat
    if viewer.key is None:
        return
    use = ManagementUse(
        account_id=seat.account_id,
        management_key_id=viewer.key.id,
        ip=viewer.ip or "",
        path=visit.request.scope["path"],
        at=seat.now,
        range=visit.range,
        rows=visit.rows,
        request_id=viewer.request_id,
    )
    services(visit.request).traces.add(use)
