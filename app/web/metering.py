"""The gateway's window: bare ASGI without layers, since it waits for us before every model call (INTERFACES.md, metering)."""

import json
from collections.abc import Awaitable, Callable
from decimal import Decimal
from http import HTTPStatus
from typing import Any, NamedTuple

import structlog
from starlette.types import Receive, Scope, Send

from app.credentials import KeyKind, key_kind
from app.errors import (
    BadRequest,
    MethodNotAllowed,
    NotFound,
    Refusal,
    TooLarge,
    Unauthenticated,
    UnsupportedMediaType,
)
from app.metering.calls import Authorized, Booked, Caller, Reported
from app.metering.gate import Gate
from app.money import credits_text
from app.settings import Settings
from app.web import metrics
from app.web.edge import bearer_of, request_id_from
from app.web.guards import host_name
from app.web.metering_bodies import (
    authorize_call,
    hold_text,
    moment_text,
    release_call,
    report_call,
    settle_call,
    wire,
)
from app.web.proxies import Proxies
from app.web.rate_limits import GatewayLimit, RateLimits

log = structlog.get_logger()
PREFIX = "/metering/"
_write = json.JSONEncoder(separators=(",", ":")).encode
_JSON = (b"content-type", b"application/json")
_PROBLEM = (b"content-type", b"application/problem+json")
_ALWAYS = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))


class _Answer(NamedTuple):
    status: int
    body: bytes
    retry_after: int | None = None


class MeteringWindow:
    """Serves `/metering/…`. The gate is given when the service starts."""

    def __init__(self, settings: Settings, limits: RateLimits) -> None:
        self.gate: Gate | None = None
        self._most = settings.metering_body_bytes
        self._hosts = {host.lower() for host in settings.hosts}
        self._proxies = Proxies(settings.trusted_proxies)
        self._limits = limits
        self._gateways = GatewayLimit(settings.rate_limit_gateway)
        self._calls: dict[str, Callable[[Gate, Caller, Any], Awaitable[bytes]]] = {
            "/metering/authorize": _authorize,
            "/metering/settle": _settle,
            "/metering/release": _release,
            "/metering/usage": _usage,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        headers = _headers(scope)
        request_id = request_id_from(headers.get("x-request-id", ""))
        path = scope["path"]
        try:
            answer = _Answer(HTTPStatus.OK, await self._serve(scope, headers, receive))
        except Refusal as refusal:
            answer = _refused(refusal, path, request_id)
        except Exception:
            log.exception("failed", path=path, request_id=request_id)
            answer = _refused(Refusal(), path, request_id)
        route = path if path in self._calls else PREFIX
        metrics.count_answer(route, scope["method"], answer.status)
        await _send(send, answer, request_id)

    async def _serve(self, scope: Scope, headers: dict[str, str], receive: Receive) -> bytes:
        """Check who calls and what, cheapest first. Raises every refusal."""
        if host_name(headers.get("host", "")) not in self._hosts:
            raise BadRequest("This host name is not served here.")
        serve = self._calls.get(scope["path"])
        if serve is None:
            raise NotFound
        if scope["method"] != "POST":
            raise MethodNotAllowed
        if self.gate is None:
            raise Refusal
        caller = await self._caller(self.gate, scope, headers)
        self._gateways.count(caller.gateway_id)
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise UnsupportedMediaType
        return await serve(self.gate, caller, _parsed(await _body(receive, self._most)))

    async def _caller(self, gate: Gate, scope: Scope, headers: dict[str, str]) -> Caller:
        token = bearer_of(headers) or ""
        known = gate.known_caller(token)
        if known is not None:
            return known
        if key_kind(token) is not KeyKind.GATEWAY:
            raise Unauthenticated
        # Who guesses tokens is counted by address; those that are known cost no look-up.
        await self._limits.of_address(self._proxies.caller(scope)[0])
        return await gate.caller(token)


def _headers(scope: Scope) -> dict[str, str]:
    """Read all headers at once. What is sent twice counts as nothing: which of them is meant?"""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        key = name.decode("latin-1")
        found[key] = "" if key in found else value.decode("latin-1")
    return found


async def _authorize(gate: Gate, caller: Caller, body: Any) -> bytes:
    granted: Authorized = await gate.authorize(authorize_call(gate.hash_of, caller, body))
    return _of_texts(
        hold_id=hold_text(granted.hold_id),
        amount=credits_text(granted.amount_micro),
        expires_at=moment_text(granted.expires_at),
        account_id=wire("account", granted.account_id),
        member_id=wire("member", granted.member_id),
        api_key_id=wire("api_key", granted.api_key_id),
    )


async def _settle(gate: Gate, caller: Caller, body: Any) -> bytes:
    booked = await gate.settle(settle_call(caller, body))
    return _json(_booked(booked)) if booked.late else _of_texts(**_booked(booked))


async def _release(gate: Gate, caller: Caller, body: Any) -> bytes:
    released = await gate.release(release_call(caller, body))
    return _of_texts(hold_id=hold_text(released.hold_id))


async def _usage(gate: Gate, caller: Caller, body: Any) -> bytes:
    report, places = report_call(gate.hash_of, caller, body)
    reported = await gate.report(report) if report.events else Reported()
    found = iter(reported.results)
    results = []
    for event_id, refusal in places:
        result = refusal or next(found)
        shown: dict[str, Any] = {"event_id": event_id}
        if isinstance(result, Refusal):
            shown |= {"status": "refused", "code": result.code, "detail": result.detail}
            shown |= {name: value for name, value in result.extra.items() if name == "errors"}
        else:
            shown |= {"status": "duplicate" if result.duplicate else "recorded", **_booked(result)}
        results.append(shown)
    return _json({"results": results})


def _booked(booked: Booked) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "usage_record_id": wire("usage_record", booked.usage_record_id),
        "cost": credits_text(booked.cost_micro),
    }
    return shown | ({"late": True} if booked.late else {})


def _json(body: Any) -> bytes:
    return _write(body).encode()


def _of_texts(**texts: str) -> bytes:
    """Write an object of ids, amounts and moments: nothing of ours has to be escaped, and it is done at once."""
    return ("{" + ",".join([f'"{name}":"{text}"' for name, text in texts.items()]) + "}").encode()


async def _body(receive: Receive, most: int) -> bytes:
    parts = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BadRequest
        part = message.get("body", b"")
        size += len(part)
        if size > most:
            raise TooLarge
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


def _no_number(_text: str) -> Any:
    raise ValueError("NaN and Infinity are no JSON")


_read = json.JSONDecoder(parse_float=Decimal, parse_constant=_no_number).decode


def _parsed(body: bytes) -> Any:
    try:
        # Credits never pass through a binary fraction.
        return _read(body.decode())
    except (ValueError, RecursionError):
        raise BadRequest from None


def _refused(refusal: Refusal, path: str, request_id: str) -> _Answer:
    problem = {
        "type": "about:blank",
        "title": refusal.title,
        "status": refusal.status,
        "detail": refusal.detail,
        "instance": path,
        "code": refusal.code,
        "request_id": request_id,
        **refusal.extra,
    }
    return _Answer(refusal.status, _json(problem), getattr(refusal, "retry_after", None))


async def _send(send: Send, answer: _Answer, request_id: str) -> None:
    headers = [
        _JSON if answer.status == HTTPStatus.OK else _PROBLEM,
        (b"content-length", str(len(answer.body)).encode()),
        (b"x-request-id", request_id.encode()),
        *_ALWAYS,
    ]
    if answer.retry_after is not None:
        headers.append((b"retry-after", str(answer.retry_after).encode()))
    if answer.status == HTTPStatus.UNAUTHORIZED:
        headers.append((b"www-authenticate", b"Bearer"))
    if answer.status == HTTPStatus.METHOD_NOT_ALLOWED:
        headers.append((b"allow", b"POST"))
    await send({"type": "http.response.start", "status": int(answer.status), "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
