"""Refusals as answers: problem+json for programs, a page for browsers (INTERFACES.md, errors)."""

from http import HTTPStatus
from typing import Any

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import (
    BadRequest,
    Forbidden,
    MethodNotAllowed,
    NotAcceptable,
    NotFound,
    Refusal,
    TooLarge,
    Unauthenticated,
    Unavailable,
    UnsupportedMediaType,
)
from app.web.edge import edge_of, masked
from app.web.pages import error_page

log = structlog.get_logger()

# Windows that programs call: they never get a page.
JSON_PATHS = (
    *("/graphql", "/balance", "/usage", "/ledger", "/invoices", "/members"),
    *("/metering", "/webhooks"),
)
_BY_STATUS: dict[int, type[Refusal]] = {
    kind.status: kind
    for kind in (
        BadRequest,
        Unauthenticated,
        Forbidden,
        NotFound,
        MethodNotAllowed,
        NotAcceptable,
        TooLarge,
        UnsupportedMediaType,
        Unavailable,
    )
}


class Problem(JSONResponse):
    """An RFC 9457 problem."""

    media_type = "application/problem+json"


def wants_page(request: Request) -> bool:
    """Tell whether a person's browser asks, by `Accept`, in a window that has pages."""
    path = request.scope["path"]
    if any(path == one or path.startswith(one + "/") for one in JSON_PATHS):
        return False
    return "text/html" in request.headers.get("accept", "").lower()


def answer(request: Request, refusal: Refusal) -> Response:
    """Answer a refusal in the caller's format."""
    headers = {}
    retry_after = getattr(refusal, "retry_after", None)
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    if refusal.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if wants_page(request):
        return error_page(request, refusal, headers=headers)
    return Problem(problem(request, refusal), status_code=refusal.status, headers=headers)


def problem(request: Request, refusal: Refusal) -> dict[str, Any]:
    """Describe a refusal by the members of RFC 9457 and ours."""
    return {
        "type": "about:blank",
        "title": refusal.title,
        "status": refusal.status,
        "detail": refusal.detail,
        "instance": masked(request.scope["path"]),
        "code": refusal.code,
        "request_id": edge_of(request).request_id,
        **refusal.extra,
    }


def _refusal_of(error: HTTPException) -> Refusal:
    kind = _BY_STATUS.get(error.status_code)
    if kind is not None:
        return kind()
    return Refusal() if error.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR else BadRequest()


async def on_http_exception(request: Request, error: Exception) -> Response:
    """Answer what the router and the parsers raise: 404, 405, 400, 413."""
    if not isinstance(error, HTTPException):
        raise error
    response = answer(request, _refusal_of(error))
    for name, value in (error.headers or {}).items():
        response.headers[name] = value
    return response


async def on_refusal(request: Request, error: Exception) -> Response:
    """Answer a verb's refusal."""
    if not isinstance(error, Refusal):
        raise error
    return answer(request, error)


class Errors:
    """Turns every raise, of the layers inside it too, into an answer; the unforeseen into a 500 without detail."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, watch)
        except Refusal as refusal:
            await self._answer(refusal, scope, receive, send, started=started)
        except Exception:
            log.exception("failed", path=masked(scope["path"]))
            await self._answer(Refusal(), scope, receive, send, started=started)

    async def _answer(
        self, refusal: Refusal, scope: Scope, receive: Receive, send: Send, *, started: bool
    ) -> None:
        if started:
            # Half an answer is out: breaking the connection tells the caller that it is no whole one.
            raise ConnectionAbortedError("the answer broke off")
        request = Request(scope, receive)
        await answer(request, refusal)(scope, receive, send)
