"""The stand-in's API over HTTP: who asks, which version, the same answer to the same idempotency key."""

import hashlib
import json
import secrets
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from app.sandbox.stripe.calls import ApiCall, Asked, api_calls
from app.sandbox.stripe.errors import ApiError
from app.sandbox.stripe.forms import read_form
from app.sandbox.stripe.objects import API_VERSION
from app.sandbox.stripe.store import Plain, new_id
from app.sandbox.stripe.world import World

LONGEST_KEY = 255


class Api:
    """Answers as Stripe does, one request after the other."""

    def __init__(self, world: World, key: str) -> None:
        self.clock: Callable[[], Awaitable[datetime]]
        self._world = world
        self._key = key

    def routes(self) -> list[BaseRoute]:
        """List what is served."""
        found: list[BaseRoute] = [
            Route(call.path, self._endpoint(call), methods=[call.method]) for call in api_calls()
        ]
        every = ["GET", "POST", "DELETE"]
        return [*found, Route("/v1/{path:path}", self._unknown, methods=every)]

    def _endpoint(self, call: ApiCall) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            return await self._answer(request, call)

        return endpoint

    async def _unknown(self, request: Request) -> Response:
        return await self._answer(request, None)

    async def _answer(self, request: Request, call: ApiCall | None) -> Response:
        headers = {
            "Request-Id": new_id("req"),
            "Stripe-Version": request.headers.get("stripe-version", API_VERSION),
            "Cache-Control": "no-store",
        }
        key = request.headers.get("idempotency-key", "")
        if key:
            headers["Idempotency-Key"] = key
        body, at = await request.body(), await self.clock()
        try:
            self._must_be_ours(request)
            # No await from here on, so no two requests are at it at a time.
            said, again = self._once(request, call, key, body, at)
        except ApiError as error:
            return JSONResponse(error.body(), error.status, headers)
        if again:
            headers["Idempotent-Replayed"] = "true"
        return JSONResponse(said, 200, headers)

    def _must_be_ours(self, request: Request) -> None:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        right = secrets.compare_digest(given.encode(), self._key.encode())
        if scheme.lower() != "bearer" or not right:
            raise ApiError("Invalid API Key provided.", status=401)

    def _once(
        self, request: Request, call: ApiCall | None, key: str, body: bytes, at: datetime
    ) -> tuple[Plain, bool]:
        if len(key) > LONGEST_KEY:
            raise ApiError("Idempotency keys are at most 255 characters.")
        same = hashlib.sha256(f"{request.method} {request.url.path}\n".encode() + body).hexdigest()
        known = self._world.store.find("answer", key) if key else None
        if known is not None:
            if known["same"] != same:
                raise ApiError(
                    "Keys for idempotent requests can only be used with the same parameters they were first used with.",
                    kind="idempotency_error",
                )
            return known["said"], True
        said = self._said(request, call, key, body, at)
        if key and request.method == "POST":
            self._world.store.put("answer", {"id": key, "same": same, "said": said})
        self._world.store.save()
        return said, False

    def _said(
        self, request: Request, call: ApiCall | None, key: str, body: bytes, at: datetime
    ) -> dict[str, Any]:
        if call is None:
            raise ApiError(
                f"Unrecognized request URL ({request.method}: {request.url.path}).", status=404
            )
        try:
            text = body.decode() if request.method == "POST" else request.url.query
        except UnicodeDecodeError:
            raise ApiError("Invalid form data.") from None
        given = read_form(text)
        call.check(given)
        self._world.expire_old(at)
        about = {"id": new_id("req"), "idempotency_key": key or None}
        said = call.serve(Asked(self._world, at, request.path_params, given, about))
        plain: dict[str, Any] = json.loads(json.dumps(said))
        return plain
