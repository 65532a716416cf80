"""GraphQL over HTTP: POST of JSON, one operation; in the sandbox GET shows GraphiQL.

A view of our own over `Schema.execute`: Strawberry's takes forms and multipart, answers what it cannot
read in plain text, knows neither `application/graphql-response+json` nor its 400, and streams to whoever
names event streams. This one does what INTERFACES.md says and no more.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLError
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from strawberry.exceptions import MissingQueryError
from strawberry.types.execution import ExecutionResult, PreExecutionError

from app.errors import (
    BadRequest,
    MethodNotAllowed,
    NotAcceptable,
    Refusal,
    Unauthenticated,
    Unavailable,
    UnsupportedMediaType,
)
from app.schema import Schema
from app.schema.context import Context
from app.schema.errors import error_body
from app.schema.limits import OverLimit
from app.seats import Viewer
from app.settings import Settings
from app.web import graphiql
from app.web.edge import edge_of

JSON = "application/json"
GRAPHQL_JSON = "application/graphql-response+json"
ALLOWED_CHARSETS = {"", "utf-8", "utf8"}

ViewerOf = Callable[[Request], Awaitable[Viewer]]


class TooSlow(Unavailable):
    """Stopped at the time limit."""

    says = "This took too long and was stopped. Ask for less; look before you repeat a change."


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks for."""

    query: str
    variables: dict[str, Any]
    operation_name: str | None


class GraphQL:
    """The endpoint. `viewer_of` tells who asks; it raises `Unauthenticated` for a bad bearer."""

    def __init__(self, schema: Schema, settings: Settings, viewer_of: ViewerOf) -> None:
        self._schema = schema
        self._settings = settings
        self._viewer_of = viewer_of

    async def __call__(self, request: Request) -> Response:
        """Answer one request."""
        if request.method == "GET" and self._settings.sandbox and graphiql.wanted(request):
            return await graphiql.page(request, self._settings, self._viewer_of)
        media_type = JSON
        try:
            if request.method != "POST":
                raise MethodNotAllowed("Send a query by POST.")
            media_type = accepted(request.headers.get("accept"))
            asked = read(request.headers.get("content-type"), await request.body())
            viewer = await self._viewer_of(request)
            return await self._run(request, viewer, asked, media_type)
        except Refusal as refusal:
            return refused(request, refusal, media_type)

    async def _run(
        self, request: Request, viewer: Viewer, asked: Asked, media_type: str
    ) -> Response:
        try:
            async with asyncio.timeout(self._settings.query_seconds):
                result = await self._schema.execute(
                    asked.query,
                    variable_values=asked.variables,
                    context_value=Context(viewer),
                    operation_name=asked.operation_name,
                )
        except TimeoutError:
            raise TooSlow from None
        except MissingQueryError:
            raise BadRequest('Send a document as "query".') from None
        return answer(request, result, media_type)


def answer(request: Request, result: ExecutionResult, media_type: str) -> Response:
    """Write a result. What was refused before it ran is 400: limits always, the rest by media type."""
    status = 200
    body: dict[str, Any] = {}
    if result.errors:
        request_id = edge_of(request).request_id
        body["errors"] = [error_body(error, request_id) for error in result.errors]
        over = any(isinstance(error, OverLimit) for error in result.errors)
        # Variables that cannot be read are found by the executor, which then gives no data at all.
        unread = result.data is None and all(error.path is None for error in result.errors)
        before = isinstance(result, PreExecutionError) or unread
        if over or (before and media_type == GRAPHQL_JSON):
            status = 400
    if not isinstance(result, PreExecutionError):
        body["data"] = result.data
    return _json(body, status, media_type)


def refused(request: Request, refusal: Refusal, media_type: str) -> Response:
    """Write a refusal of the whole request, in GraphQL's form, with the status of HTTP."""
    error = GraphQLError(refusal.detail, original_error=refusal)
    body = {"errors": [error_body(error, edge_of(request).request_id)]}
    response = _json(body, refusal.status, media_type)
    if isinstance(refusal, Unauthenticated):
        response.headers["WWW-Authenticate"] = "Bearer"
    elif isinstance(refusal, MethodNotAllowed):
        response.headers["Allow"] = "POST"
    elif isinstance(refusal, Unavailable):
        response.headers["Retry-After"] = str(refusal.retry_after)
    return response


def _json(body: dict[str, Any], status: int, media_type: str) -> Response:
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    headers = {"Content-Type": f"{media_type}; charset=utf-8", "Vary": "Accept"}
    return Response(text.encode(), status, headers | {"Cache-Control": "no-store"})


def accepted(accept: str | None) -> str:
    """Choose the media type: the best that `Accept` names and that we write. Raises `NotAcceptable`.

    Event streams and multipart, which clients name beside JSON, are not ours: JSON wins.
    """
    if accept is None or not accept.strip():
        return JSON
    best: tuple[float, str] | None = None
    refused_types = set()
    for part in accept.split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weight = _weight(parameters)
        ours = {JSON: JSON, GRAPHQL_JSON: GRAPHQL_JSON}.get(name)
        if name in ("*/*", "application/*"):
            ours = JSON
        if ours is None:
            continue
        if weight == 0:
            refused_types.add(ours)
        elif best is None or weight > best[0]:
            best = (weight, ours)
    if best is None or (best[1] in refused_types and "*" in accept):
        raise NotAcceptable(f"This answers {JSON} and {GRAPHQL_JSON}.")
    return best[1]


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return min(max(float(value), 0), 1)
            except ValueError:
                return 0
    return 1


def read(content_type: str | None, body: bytes) -> Asked:
    """Read a request's body. Raises `UnsupportedMediaType`, `BadRequest`."""
    name, *parameters = (piece.strip().lower() for piece in (content_type or "").split(";"))
    charset = next((p.partition("=")[2] for p in parameters if p.startswith("charset=")), "")
    if name != JSON or charset.strip('"') not in ALLOWED_CHARSETS:
        raise UnsupportedMediaType
    payload = _parsed(body)
    if isinstance(payload, list):
        raise BadRequest("Send one operation, not a batch.")
    if not isinstance(payload, dict):
        raise BadRequest('Send a JSON object with a "query".')
    query = _member(payload, "query", str)
    if not query:
        raise BadRequest('Send a document as "query".')
    variables = _member(payload, "variables", dict)
    _member(payload, "extensions", dict)
    return Asked(query, variables or {}, _member(payload, "operationName", str) or None)


def _member(payload: dict[str, Any], name: str, kind: type) -> Any:
    value = payload.get(name)
    if value is not None and not isinstance(value, kind):
        wanted = "a text" if kind is str else "an object"
        raise BadRequest(f'"{name}" has to be {wanted}.')
    return value


def _parsed(body: bytes) -> Any:
    try:
        text = body.decode()
        found = json.loads(text, object_pairs_hook=_without_twins, parse_constant=_no_number)
        if "\\u" in text:
            # An escape can name half a character, which no database takes.
            json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise BadRequest("The body is no JSON that can be read.") from None
    return found


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name was given twice")
    return found


def _no_number(_text: str) -> Any:
    raise ValueError("not a number of JSON")


def routes(schema: Schema, settings: Settings, viewer_of: ViewerOf) -> list[BaseRoute]:
    """List what this window serves. Scripts of the allowed origins come with a bearer, never a cookie."""
    cors = Middleware(
        CORSMiddleware,
        allow_origins=settings.allowed_origins,
        allow_methods=["POST"],
        allow_headers=["Authorization", "Content-Type", "X-Request-Id"],
        expose_headers=["X-Request-Id", "Retry-After", "WWW-Authenticate"],
    )
    endpoint = GraphQL(schema, settings, viewer_of)

    async def graphql(request: Request) -> Response:
        return await endpoint(request)

    methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
    if settings.allowed_origins:
        methods.append("OPTIONS")  # answered by the middleware
    middleware = [cors] if settings.allowed_origins else []
    return [Route("/graphql", graphql, methods=methods, middleware=middleware)]
