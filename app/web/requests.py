"""The outermost layer: a request's id, its log line, its figures, and the work after its answer."""

import time

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.settings import Settings
from app.web import metrics
from app.web.edge import KEY, Edge, masked, request_id_from
from app.web.proxies import Proxies

log = structlog.get_logger("access")
NO_ANSWER = 499


class Requests:
    """Gives each request its id and writes one line when it is over: no query string, no secret."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self._proxies = Proxies(settings.trusted_proxies)
        self._sandbox = settings.sandbox

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        ip, scheme = self._proxies.caller(scope)
        request_id = request_id_from(*Headers(scope=scope).getlist("x-request-id"))
        edge = Edge(request_id, ip, scheme, self._sandbox)
        scope[KEY] = edge
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=edge.request_id)
        began = time.perf_counter()
        status = NO_ANSWER

        async def named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(raw=message.setdefault("headers", []))["X-Request-Id"] = (
                    edge.request_id
                )
            await send(message)

        try:
            await self.app(scope, receive, named)
        finally:
            self._write_line(scope, edge, status, time.perf_counter() - began)
        await self._work_after(edge)

    def _write_line(self, scope: Scope, edge: Edge, status: int, seconds: float) -> None:
        route = metrics.route_of(scope)
        metrics.count_request(route, scope["method"], status, seconds)
        log.info(
            "request",
            method=scope["method"],
            path=masked(scope["path"]),
            route=route,
            status=status,
            ip=edge.ip,
            milliseconds=round(seconds * 1000, 1),
        )

    async def _work_after(self, edge: Edge) -> None:
        for work in edge.after_answer:
            try:
                await work()
            except Exception:
                log.warning("after_answer_failed", exc_info=True)
