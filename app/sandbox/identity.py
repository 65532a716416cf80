"""A stand-in OpenID Connect issuer: takes any address, asks for no password, serves loopback only."""

import base64
import binascii
import hashlib
import re
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import unquote_plus, urlencode, urlsplit

from starlette.datastructures import FormData, ImmutableMultiDict
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from app.errors import Invalid
from app.sandbox.clock import process_time
from app.sandbox.pages import page, style_sheet
from app.sandbox.people import DEMO, People
from app.sandbox.tokens import Tokens
from app.settings import Settings
from app.text import clean_email

CODE_SECONDS = 60
MOST_CODES = 1000
CALLBACK = "/sign-in/callback"
ASKED = (
    "client_id",
    "redirect_uri",
    "response_type",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
    "prompt",
    "max_age",
    "login_hint",
)
CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


@dataclass(frozen=True, slots=True)
class _Grant:
    redirect_uri: str
    nonce: str
    challenge: str
    claims: dict[str, Any]
    at: datetime


class Issuer:
    """One issuer with a key of its own; what it has granted is kept in memory. `name` is its address."""

    def __init__(self, settings: Settings, name: str) -> None:
        self.clock: Callable[[], Awaitable[datetime]] = process_time
        self._settings = settings
        self._name = name
        self._path = urlsplit(name).path
        self._style = f"{self._path}/style.css"
        self._tokens = Tokens(name, settings)
        self._people = People()
        self._grants: dict[str, _Grant] = {}

    def routes(self) -> list[BaseRoute]:
        """List what is served below the issuer's address."""
        return [
            Route("/.well-known/openid-configuration", self.discovery),
            Route("/jwks.json", self.keys),
            Route("/authorize", self.authorize, methods=["GET", "POST"]),
            Route("/token", self.token, methods=["POST"]),
            Route("/userinfo", self.userinfo),
            Route("/style.css", style_sheet),
        ]

    async def discovery(self, _request: Request) -> Response:
        """Describe the issuer (OpenID Connect Discovery 1.0)."""
        return JSONResponse(
            {
                "issuer": self._name,
                "authorization_endpoint": f"{self._name}/authorize",
                "token_endpoint": f"{self._name}/token",
                "userinfo_endpoint": f"{self._name}/userinfo",
                "jwks_uri": f"{self._name}/jwks.json",
                "response_types_supported": ["code"],
                "grant_types_supported": ["authorization_code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "token_endpoint_auth_methods_supported": [
                    "client_secret_basic",
                    "client_secret_post",
                ],
                "code_challenge_methods_supported": ["S256"],
                "authorization_response_iss_parameter_supported": True,
                "scopes_supported": ["openid", "email", "profile"],
            }
        )

    async def keys(self, _request: Request) -> Response:
        """Publish the signing key."""
        return JSONResponse({"keys": [self._tokens.public_key()]})

    async def authorize(self, request: Request) -> Response:
        """Show who one may be; a POST signs in, or cancels, and goes back."""
        if request.method == "GET":
            asked = _asked_in(request.query_params)
            refusal = self._refusal_of(asked, request.query_params)
            return refusal or self._sign_in_page(asked, asked["login_hint"])
        async with request.form() as form:
            asked = _asked_in(form)
            return self._refusal_of(asked, form) or await self._answer(asked, form)

    def _refusal_of(
        self, asked: dict[str, str], source: ImmutableMultiDict[str, Any]
    ) -> Response | None:
        # Nobody is sent to an address that is not known to be the client's (RFC 6749, 4.1.2.1).
        if asked["client_id"] != self._settings.oidc_client_id:
            return self._refused("This client is not known.")
        if asked["redirect_uri"] != self._settings.base_url + CALLBACK:
            return self._refused("This address is not one to go back to.")
        twice = any(len(source.getlist(name)) > 1 for name in ASKED)
        error = "invalid_request" if twice else _error_of(asked)
        return self._back(asked, error=error) if error else None

    async def _answer(self, asked: dict[str, str], form: FormData) -> Response:
        if "cancel" in form:
            return self._back(asked, error="access_denied")
        typed, name = str(form.get("email", "")), str(form.get("name", ""))
        try:
            email = clean_email(typed, test_addresses=True)
        except Invalid as refusal:
            return self._sign_in_page(asked, typed, name, refusal.detail)
        claims = self._people.remember(email, name, verified="unverified" not in form)
        return self._back(asked, code=await self._granted(asked, claims))

    def _refused(self, says: str) -> Response:
        return page("refused.html", self._style, 400, says=says)

    def _sign_in_page(
        self, asked: dict[str, str], email: str, name: str = "", says: str = ""
    ) -> Response:
        context = {"asked": asked, "email": email, "name": name, "says": says, "demo": DEMO}
        action = f"{self._path}/authorize"
        status = 422 if says else 200
        return page("sign_in.html", self._style, status, action=action, **context)

    def _back(self, asked: dict[str, str], **said: str) -> Response:
        query = urlencode({**said, "state": asked["state"], "iss": self._name})
        return RedirectResponse(f"{asked['redirect_uri']}?{query}", 303, headers=NO_STORE)

    async def _granted(self, asked: dict[str, str], claims: dict[str, Any]) -> str:
        code = secrets.token_urlsafe(32)
        while len(self._grants) >= MOST_CODES:
            self._grants.pop(next(iter(self._grants)))
        self._grants[code] = _Grant(
            asked["redirect_uri"],
            asked["nonce"],
            asked["code_challenge"],
            claims,
            await self.clock(),
        )
        return code

    async def token(self, request: Request) -> Response:
        """Trade a code for tokens, once, within a minute."""
        async with request.form() as form:
            fields = {name: str(form.get(name, "")) for name in form}
        if not self._is_client(request, fields):
            headers = {**NO_STORE, "WWW-Authenticate": 'Basic realm="sandbox"'}
            return JSONResponse({"error": "invalid_client"}, 401, headers=headers)
        if fields.get("grant_type") != "authorization_code":
            return JSONResponse({"error": "unsupported_grant_type"}, 400, headers=NO_STORE)
        at = await self.clock()
        # Whatever it is tried with, a code is gone afterwards.
        grant = self._grants.pop(fields.get("code", ""), None)
        verifier = fields.get("code_verifier", "")
        if (
            grant is None
            or (at - grant.at).total_seconds() > CODE_SECONDS
            or fields.get("redirect_uri") != grant.redirect_uri
            or not secrets.compare_digest(_challenge_of(verifier), grant.challenge)
        ):
            return JSONResponse({"error": "invalid_grant"}, 400, headers=NO_STORE)
        return JSONResponse(self._tokens.issue(grant.claims, grant.nonce, at), headers=NO_STORE)

    def _is_client(self, request: Request, fields: dict[str, str]) -> bool:
        name, secret = fields.get("client_id", ""), fields.get("client_secret", "")
        scheme, _, basic = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            try:
                name, _, secret = base64.b64decode(basic, validate=True).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                return False
            name, secret = unquote_plus(name), unquote_plus(secret)
        right = self._settings.oidc_client_secret.get_secret_value()
        return name == self._settings.oidc_client_id and secrets.compare_digest(
            secret.encode(), right.encode()
        )

    async def userinfo(self, request: Request) -> Response:
        """Tell whose an access token is."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        subject = self._tokens.subject_of(token, await self.clock())
        if scheme.lower() != "bearer" or subject is None:
            headers = {**NO_STORE, "WWW-Authenticate": 'Bearer error="invalid_token"'}
            return JSONResponse({"error": "invalid_token"}, 401, headers=headers)
        return JSONResponse(self._people.claims_of(subject), headers=NO_STORE)


def _asked_in(source: ImmutableMultiDict[str, Any]) -> dict[str, str]:
    return {name: str(source.get(name, "")) for name in ASKED}


def _error_of(asked: dict[str, str]) -> str | None:
    """Name what is wrong with a request, as RFC 6749, RFC 7636 and OpenID Connect Core do."""
    if asked["response_type"] != "code":
        return "unsupported_response_type"
    if "openid" not in asked["scope"].split():
        return "invalid_scope"
    if asked["code_challenge_method"] != "S256" or not CHALLENGE.fullmatch(asked["code_challenge"]):
        return "invalid_request"
    if asked["max_age"] and not asked["max_age"].isdecimal():
        return "invalid_request"
    # This issuer remembers nobody, so without asking it knows nobody.
    return "login_required" if "none" in asked["prompt"].split() else None


def _challenge_of(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
