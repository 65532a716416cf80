"""An OpenID Connect issuer that answers as a test wants it to: truly, falsely, too much, or not at all."""

import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from typing import Any

from authlib.oidc.core.util import create_half_hash
from joserfc import jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, Key, RSAKey
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from tests.integrations.serving import listening, serving

CLIENT = "r9s-portal"
AUDIENCE = "http://127.0.0.1:8000"
AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
NOW = int(AT.timestamp())
ACCESS = "an access token that nobody reads"
DISCOVERY = "/.well-known/openid-configuration"
Answer = Callable[[dict[str, str]], Response]


def rsa_key(name: str = "first") -> RSAKey:
    """Make a key once for all tests."""
    return _rsa_key(name)


@cache
def _rsa_key(name: str) -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": name, "use": "sig"})


@cache
def ec_key() -> ECKey:
    """Make an elliptic one."""
    return ECKey.generate_key("P-256", {"kid": "curve", "use": "sig"})


def hash_of(text: str) -> str:
    """Hash an access token as `at_hash` does."""
    return (create_half_hash(text, "RS256") or b"").decode()


def changed(facts: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Change facts; None takes one away."""
    return {name: value for name, value in {**facts, **changes}.items() if value is not None}


class StrangeIssuer:
    """What it publishes and answers stands in plain dictionaries, for tests to change."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: Counter[str] = Counter()
        self.forms: list[dict[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.keys: list[Key] = [rsa_key()]
        self.nonce = ""
        self.at = NOW
        self.description: dict[str, Any] = {
            "issuer": url,
            "authorization_endpoint": f"{url}/authorize",
            "token_endpoint": f"{url}/token",
            "userinfo_endpoint": f"{url}/userinfo",
            "jwks_uri": f"{url}/keys",
        }
        self.person: dict[str, Any] = {"sub": "ann", "email": "ann@example.com", "name": "Ann"}
        self.answers: dict[str, Answer] = {}

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Say what a right ID token says; None takes a claim away."""
        right = {
            "iss": self.url,
            "aud": CLIENT,
            "sub": "ann",
            "email": "ann@example.com",
            "email_verified": True,
            "name": "Ann",
            "nonce": self.nonce,
            "iat": self.at,
            "exp": self.at + 300,
        }
        return changed(right, changes)

    def access_claims(self, **changes: Any) -> dict[str, Any]:
        """Say what a right access token says."""
        right = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "ann",
            "iat": self.at,
            "exp": self.at + 300,
            "client_id": "a frontend",
        }
        return changed(right, changes)

    def sign(self, claims: dict[str, Any], key: Any = None, **header: Any) -> str:
        """Sign a token, with the first key unless another is given."""
        signer = key or self.keys[0]
        named = changed({"alg": "RS256", "kid": getattr(signer, "kid", None)}, header)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SecurityWarning)  # EdDSA by its old name
            return jwt.encode(named, claims, signer, algorithms=[named["alg"]])

    def access_token(self, **changes: Any) -> str:
        """Make an access token."""
        return self.sign(self.access_claims(**changes), typ="at+jwt")

    def gives(self, id_token: str | None, **more: Any) -> None:
        """Let the token endpoint give this ID token."""
        given = changed(
            {"access_token": ACCESS, "token_type": "Bearer", "id_token": id_token}, more
        )
        self.answers["/token"] = lambda _form: JSONResponse(given)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        path = request.url.path
        self.asked[path] += 1
        self.headers.append(dict(request.headers))
        async with request.form() as form:
            fields = {name: str(value) for name, value in form.items()}
        self.forms.append(fields)
        answer = self.answers.get(path) or self._usual(path)
        await answer(fields)(scope, receive, send)

    def _usual(self, path: str) -> Answer:
        documents: dict[str, Callable[[], dict[str, Any]]] = {
            DISCOVERY: lambda: self.description,
            "/keys": lambda: {"keys": [key.as_dict(private=False) for key in self.keys]},
            "/userinfo": lambda: self.person,
            "/token": lambda: {
                "access_token": ACCESS,
                "token_type": "Bearer",
                "id_token": self.sign(self.claims()),
            },
        }
        if path not in documents:
            return lambda _form: Response(status_code=404)
        return lambda _form: JSONResponse(documents[path]())


class Stage:
    """One address on which each test puts an issuer of its own."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.issuer = StrangeIssuer(url)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the present issuer answer."""
        await self.issuer(scope, receive, send)


@contextmanager
def issuer_stage() -> Iterator[Stage]:
    """Serve one for a while."""
    port = listening()
    stage = Stage(f"http://127.0.0.1:{port.getsockname()[1]}")
    with serving(stage, port):
        yield stage
