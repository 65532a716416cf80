"""A stand-in OpenID Connect issuer: takes any address, asks for no password, serves loopback only."""

import hashlib
import secrets
import time
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlencode

from authlib.oidc.core.util import create_half_hash
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from app.sandbox.pages import page
from app.settings import Settings
from app.text import EMAIL_LENGTH, NAME_LENGTH, seen_text

CODE_SECONDS = 60
TOKEN_SECONDS = 3600
MOST_CODES = 1000
CALLBACK = "/sign-in/callback"
DEMO = ("jane@acme.example", "adam@acme.example", "tomas@acme.example", "noor@acme.example")
STYLE = "/sandbox/identity/style.css"
ASKED = ("redirect_uri", "state", "nonce", "code_challenge", "login_hint")


def subject_of(email: str) -> str:
    """Name a person for ever: the same address is the same person after every start."""
    return hashlib.sha256(email.strip().casefold().encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class _Grant:
    redirect_uri: str
    nonce: str
    challenge: str
    claims: dict[str, Any]
    at: float


class Issuer:
    """One issuer with a key of its own; what it has granted is kept in memory."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._name = f"{settings.base_url}/sandbox/identity"
        self._key = RSAKey.generate_key(2048, {"kid": secrets.token_hex(8), "use": "sig"})
        self._grants: dict[str, _Grant] = {}
        self._people: dict[str, dict[str, Any]] = {}

    def routes(self) -> list[BaseRoute]:
        """List what is served below /sandbox/identity."""
        return [
            Route("/.well-known/openid-configuration", self.discovery),
            Route("/jwks.json", self.keys),
            Route("/authorize", self.authorize, methods=["GET", "POST"]),
            Route("/token", self.token, methods=["POST"]),
            Route("/userinfo", self.userinfo),
            Route("/style.css", self.style),
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
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "code_challenge_methods_supported": ["S256"],
                "scopes_supported": ["openid", "email", "profile"],
            }
        )

    async def keys(self, _request: Request) -> Response:
        """Publish the signing key."""
        return JSONResponse({"keys": [self._key.as_dict(private=False)]})

    async def authorize(self, request: Request) -> Response:
        """Show who one may be; a POST signs in, or cancels, and goes back."""
        form = await request.form() if request.method == "POST" else None
        source: Any = request.query_params if form is None else form
        asked = {name: str(source.get(name, "")) for name in ASKED}
        if asked["redirect_uri"] != self._settings.base_url + CALLBACK:
            return page("refused.html", STYLE, 400, says="This address is not one to go back to.")
        client = str(source.get("client_id", self._settings.oidc_client_id))
        method = str(source.get("code_challenge_method", "S256"))
        if (
            client != self._settings.oidc_client_id
            or not asked["code_challenge"]
            or method != "S256"
        ):
            return page(
                "refused.html", STYLE, 400, says="The client or its challenge is not known."
            )
        if form is None:
            return page("sign_in.html", STYLE, asked=asked, demo=DEMO)
        if "cancel" in form:
            return self._back(asked, error="access_denied")
        email = str(form.get("email", "")).strip()
        if "@" not in email or len(email) > EMAIL_LENGTH:
            return page("sign_in.html", STYLE, 422, asked=asked, demo=DEMO)
        name = seen_text(str(form.get("name", "")))[:NAME_LENGTH]
        return self._back(asked, code=self._grant(asked, email, name, "unverified" not in form))

    def _back(self, asked: dict[str, str], **said: str) -> Response:
        query = urlencode({**said, "state": asked["state"], "iss": self._name})
        return RedirectResponse(f"{asked['redirect_uri']}?{query}", status_code=303)

    def _grant(self, asked: dict[str, str], email: str, name: str, verified: bool) -> str:  # noqa: FBT001
        subject = subject_of(email)
        known = self._people.get(subject, {})
        words = email.split("@", maxsplit=1)[0].replace(".", " ").replace("_", " ").title()
        claims = {
            "sub": subject,
            "email": email,
            "email_verified": verified,
            "name": name or known.get("name") or _demo_name(email) or words,
        }
        self._people[subject] = claims
        code = secrets.token_urlsafe(32)
        while len(self._grants) >= MOST_CODES:
            self._grants.pop(next(iter(self._grants)))
        self._grants[code] = _Grant(
            asked["redirect_uri"], asked["nonce"], asked["code_challenge"], claims, time.time()
        )
        return code

    async def token(self, request: Request) -> Response:
        """Trade a code for tokens, once, within a minute."""
        form = await request.form()
        if not self._is_client(request, form):
            return JSONResponse({"error": "invalid_client"}, status_code=401)
        grant = self._grants.pop(str(form.get("code", "")), None)
        verifier = str(form.get("code_verifier", ""))
        digest = hashlib.sha256(verifier.encode()).digest()
        challenge = urlsafe_b64encode(digest).rstrip(b"=").decode()
        if (
            form.get("grant_type") != "authorization_code"
            or grant is None
            or time.time() - grant.at > CODE_SECONDS
            or form.get("redirect_uri") != grant.redirect_uri
            or not secrets.compare_digest(challenge, grant.challenge)
        ):
            return JSONResponse({"error": "invalid_grant"}, status_code=400)
        return JSONResponse(self._tokens(grant), headers={"Cache-Control": "no-store"})

    def _is_client(self, request: Request, form: Any) -> bool:
        import base64  # noqa: PLC0415 - one use

        name, secret = str(form.get("client_id", "")), str(form.get("client_secret", ""))
        scheme, _, basic = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            try:
                name, _, secret = base64.b64decode(basic).decode().partition(":")
            except ValueError:
                return False
            name, secret = unquote(name), unquote(secret)
        right = self._settings.oidc_client_secret.get_secret_value()
        return name == self._settings.oidc_client_id and secrets.compare_digest(
            secret.encode(), right.encode()
        )

    def _tokens(self, grant: _Grant) -> dict[str, Any]:
        at = int(time.time())
        common = {
            "iss": self._name,
            "sub": grant.claims["sub"],
            "iat": at,
            "exp": at + TOKEN_SECONDS,
        }
        header = {"alg": "RS256", "kid": self._key.kid}
        access = jwt.encode(
            header | {"typ": "at+jwt"},
            common
            | {"aud": self._settings.oidc_audience, "auth_time": at, "jti": secrets.token_hex(8)},
            self._key,
        )
        half = create_half_hash(access, "RS256")
        claims = grant.claims | common
        claims |= {"aud": self._settings.oidc_client_id, "nonce": grant.nonce, "auth_time": at}
        claims |= {"at_hash": half.decode() if isinstance(half, bytes) else half}
        return {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": TOKEN_SECONDS,
            "id_token": jwt.encode(header, claims, self._key),
        }

    async def userinfo(self, request: Request) -> Response:
        """Tell whose an access token is."""
        try:
            token = request.headers.get("authorization", "").partition(" ")[2]
            subject = jwt.decode(token, self._key, algorithms=["RS256"]).claims.get("sub")
        except Exception:  # noqa: BLE001 - whatever is wrong with it, it is no token
            return JSONResponse({"error": "invalid_token"}, status_code=401)
        claims = self._people.get(str(subject))
        return JSONResponse(claims or {"sub": subject})

    async def style(self, _request: Request) -> Response:
        """Serve the pages' style sheet."""
        from app.sandbox.style import STYLE_SHEET  # noqa: PLC0415

        return Response(STYLE_SHEET, media_type="text/css")


def _demo_name(email: str) -> str | None:
    names = {
        "jane@acme.example": "Jane Miller",
        "adam@acme.example": "Adam Osei",
        "tomas@acme.example": "Tomás Herrera",
    }
    return names.get(email.casefold())
