"""Signing in and out: OpenID Connect's code flow, bound to the browser that started it."""

import secrets
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from app.errors import SignInRefused, Unavailable
from app.integrations.identity import Identity, SignInAnswer
from app.resolvers import sessions
from app.seats import Viewer
from app.web.cookies import (
    BROWSER,
    BROWSER_SECONDS,
    SESSION,
    drop_cookie,
    read_cookie,
    set_cookie,
)
from app.web.edge import edge_of
from app.web.forms import only, read_form
from app.web.return_paths import HOME, own_path, sign_in_path
from app.web.services import services
from app.web.viewers import nobody, visit_of

BROWSER_BYTES = 32
DENIED = "access_denied"


class _Again(SignInRefused):
    """A sign-in that failed on its way to a page of ours."""

    def __init__(self, detail: str, return_path: str) -> None:
        super().__init__(detail)
        self.return_path = return_path


class _Away(Unavailable):
    """A sign-in that the identity provider could not be asked about, on its way to a page of ours."""

    def __init__(self, detail: str, return_path: str) -> None:
        super().__init__(detail)
        self.return_path = return_path


def see_other(path: str) -> RedirectResponse:
    """Send a browser to a page, by GET."""
    return RedirectResponse(path, status_code=303)


async def start(request: Request) -> Response:
    """Leave for the identity provider, and remember where to come back to."""
    shared = services(request)
    await shared.limits.of_sign_in(edge_of(request).ip)
    return_path = own_path(only(request.query_params, "return_to"))
    fresh = only(request.query_params, "fresh") == "1"
    try:
        leaving = await shared.identity.start(fresh=fresh)
    except Unavailable as away:
        raise _Away(away.detail, return_path) from away
    # One secret for the browser, however many tabs sign in at once: each has its own attempt.
    browser = read_cookie(shared.settings, request, BROWSER) or secrets.token_urlsafe(BROWSER_BYTES)
    await sessions.begin_sign_in(
        nobody(request), leaving, browser=browser, return_path=return_path, fresh=fresh
    )
    response = see_other(leaving.url)
    set_cookie(shared.settings, response, BROWSER, browser, BROWSER_SECONDS)
    return response


async def callback(request: Request) -> Response:
    """Come back from the identity provider: take the attempt, once, and open a new session."""
    shared = services(request)
    edge_of(request).private = True
    await shared.limits.of_sign_in(edge_of(request).ip)
    state = only(request.query_params, "state")
    browser = read_cookie(shared.settings, request, BROWSER)
    if not state or not browser:
        raise SignInRefused(
            "This sign-in is not one that this browser started, or it took too long."
        )
    viewer = nobody(request)
    attempt = await sessions.take_sign_in(viewer, state=state, browser=browser)
    return_path = own_path(attempt.return_path)
    try:
        identity = await _identity(request, attempt)
    except SignInRefused as refusal:
        # The page offers to try again, and to arrive where this one was to.
        raise _Again(refusal.detail, return_path) from refusal
    except Unavailable as away:
        raise _Away(away.detail, return_path) from away
    old = read_cookie(shared.settings, request, SESSION)
    secret = await sessions.sign_in(viewer, identity, replacing=old)
    response = see_other(return_path)
    set_cookie(shared.settings, response, SESSION, secret, shared.settings.session_hours * 3600)
    return response


async def _identity(request: Request, attempt: sessions.Attempt) -> Identity:
    """Ask the provider who came back. Raises `SignInRefused`, `Unavailable`."""
    provider = services(request).identity
    await provider.check_sender(only(request.query_params, "iss"))
    said = only(request.query_params, "error")
    if said is not None:
        # The provider's own words are not shown: a link could put anything there.
        raise SignInRefused(
            "You ended the sign-in at the identity provider."
            if said == DENIED
            else "The identity provider refused the sign-in."
        )
    code = only(request.query_params, "code")
    if not code:
        raise SignInRefused
    return await provider.finish(
        SignInAnswer(
            code=code,
            nonce=attempt.nonce,
            code_verifier=attempt.code_verifier,
            at=attempt.back_at,
            since=attempt.left_at if attempt.fresh else None,
        )
    )


async def sign_out(request: Request) -> Response:
    """End this session. `return_to` leads through a new sign-in, as someone else."""
    return await _end(request, sessions.sign_out)


async def sign_out_everywhere(request: Request) -> Response:
    """End every session of this person."""
    return await _end(request, sessions.sign_out_everywhere)


async def _end(request: Request, verb: Callable[[Viewer], Awaitable[None]]) -> Response:
    visit = await visit_of(request)
    path = HOME
    if visit.viewer.session_id is not None:
        form = await read_form(request, visit)
        if "return_to" in form:
            path = sign_in_path(form["return_to"], fresh=True)
        await verb(visit.viewer)
    response = see_other(path)
    drop_cookie(services(request).settings, response, SESSION)
    return response
