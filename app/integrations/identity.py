"""The identity provider: any OpenID Connect issuer, by the code flow with PKCE.

Authlib builds the requests and joserfc checks signatures. Every claim is compared here with what we
asked for: neither library's defaults do that (algorithms come from discovery, `aud` gives way to `azp`).
Sign-ins in flight are rows in our database, so nothing of them is kept here.
"""

import time
from dataclasses import dataclass
from typing import Any, TypeGuard

import httpx2
from authlib.common.security import generate_token
from authlib.integrations.httpx_client import AsyncOAuth2Client, OAuthError
from authlib.oidc.core.util import create_half_hash
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from app.errors import SignInRefused, Unauthenticated, Unavailable
from app.settings import Settings
from app.text import EMAIL_LENGTH, seen_text

# Whatever an issuer's discovery document allows: no shared secrets, and never none.
ALGORITHMS = ["RS256", "ES256", "PS256", "EdDSA"]
CALLBACK = "/sign-in/callback"
SECONDS = 10
MOST_BYTES = 262_144
TOKEN_LENGTH = 16_384
JWT_DOTS = 2
KEYS_SECONDS = 60
FRESH_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a provider says that someone is. `email_verified` only where it says so by a boolean."""

    issuer: str
    subject: str
    email: str
    email_verified: bool
    name: str
    picture_url: str | None


@dataclass(frozen=True, slots=True)
class SignInStart:
    """A sign-in that leaves for the provider: where to, and what has to come back."""

    url: str
    state: str
    nonce: str
    code_verifier: str


@dataclass(frozen=True, slots=True)
class TokenClaims:
    """What a checked access token says."""

    issuer: str
    subject: str


class IdentityProvider:
    """The issuer of the settings. Its discovery document is read at the first sign-in, not at start."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._metadata: dict[str, Any] | None = None
        self._keys: KeySet | None = None
        self._keys_read_at = 0.0

    async def start(self, *, fresh: bool, login_hint: str | None = None) -> SignInStart:
        """Begin a sign-in; `fresh` makes the provider ask again who it is. Raises `Unavailable`."""
        metadata = await self._discovered()
        nonce, verifier = generate_token(32), generate_token(64)
        more = {"prompt": "login", "max_age": "0"} if fresh else {}
        if login_hint:
            more["login_hint"] = login_hint
        async with self._client() as client:
            url, state = client.create_authorization_url(
                metadata["authorization_endpoint"], nonce=nonce, code_verifier=verifier, **more
            )
        return SignInStart(url, state, nonce, verifier)

    async def finish(self, *, code: str, nonce: str, code_verifier: str, fresh: bool) -> Identity:
        """Trade a code for the person who signed in. Raises `SignInRefused`, `Unavailable`."""
        metadata = await self._discovered()
        token = await self._token(metadata, code, code_verifier)
        id_token, access = token.get("id_token"), token.get("access_token")
        if not isinstance(id_token, str):
            raise SignInRefused("The identity provider sent no ID token.")
        header, claims = await self._decoded(id_token)
        _check_id_token(self._settings, header, claims, nonce, access, fresh=fresh)
        if "email" not in claims and isinstance(access, str):
            claims = claims | await self._userinfo(metadata, access, claims["sub"])
        return self._identity(claims)

    async def verify_access_token(self, token: str) -> TokenClaims:
        """Check a JWT access token (RFC 9068). Raises `Unauthenticated`, `Unavailable`."""
        try:
            header, claims = await self._decoded(token)
            _check_access_token(self._settings, header, claims)
        except SignInRefused:
            raise Unauthenticated("This access token is no good. Sign in again.") from None
        return TokenClaims(claims["iss"], claims["sub"])

    async def identity_of_token(self, token: str, claims: TokenClaims) -> Identity | None:
        """Ask the provider who holds a checked token; None where it does not tell."""
        metadata = await self._discovered()
        try:
            said = await self._userinfo(metadata, token, claims.subject)
            return self._identity(said | {"iss": claims.issuer, "sub": claims.subject})
        except SignInRefused:
            return None

    def _client(self) -> AsyncOAuth2Client:
        return AsyncOAuth2Client(
            client_id=self._settings.oidc_client_id,
            client_secret=self._settings.oidc_client_secret.get_secret_value(),
            redirect_uri=self._settings.base_url + CALLBACK,
            scope="openid email profile",
            code_challenge_method="S256",
            timeout=SECONDS,
        )

    async def _token(self, metadata: dict[str, Any], code: str, verifier: str) -> dict[str, Any]:
        try:
            async with self._client() as client:
                token = await client.fetch_token(
                    metadata["token_endpoint"], code=code, code_verifier=verifier
                )
        except OAuthError:
            raise SignInRefused("The identity provider did not accept this sign-in.") from None
        except httpx2.HTTPStatusError as error:
            raise Unavailable from error
        except httpx2.HTTPError as error:
            raise Unavailable from error
        except ValueError:
            raise SignInRefused("The identity provider's answer cannot be read.") from None
        if not isinstance(token, dict):
            raise SignInRefused("The identity provider's answer cannot be read.")
        return dict(token)

    async def _discovered(self) -> dict[str, Any]:
        if self._metadata is None:
            issuer = self._settings.oidc_issuer
            found = await _json(f"{issuer}/.well-known/openid-configuration")
            if found.get("issuer") != issuer:
                raise SignInRefused("The identity provider names itself otherwise than expected.")
            needed = ("authorization_endpoint", "token_endpoint", "jwks_uri")
            if any(not isinstance(found.get(name), str) for name in needed):
                raise SignInRefused("The identity provider's description is not complete.")
            self._metadata = found
        return self._metadata

    async def _decoded(self, token: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Check a token's signature. Raises `SignInRefused`."""
        if len(token) > TOKEN_LENGTH or token.count(".") != JWT_DOTS:
            raise SignInRefused
        metadata = await self._discovered()
        for renew in (False, True):
            keys = await self._current_keys(metadata, renew=renew)
            try:
                decoded = jwt.decode(token, keys, algorithms=ALGORITHMS)
            except (JoseError, ValueError, TypeError, KeyError):
                continue
            return dict(decoded.header), dict(decoded.claims)
        raise SignInRefused("The identity provider's signature is not right.")

    async def _current_keys(self, metadata: dict[str, Any], *, renew: bool) -> KeySet:
        """Give the issuer's keys; read again when a signature does not fit, at most once a minute."""
        old = time.monotonic() - self._keys_read_at > KEYS_SECONDS
        if self._keys is None or (renew and old):
            found = await _json(metadata["jwks_uri"])
            try:
                self._keys = KeySet.import_key_set(found)  # type: ignore[arg-type]
            except (JoseError, ValueError, TypeError, KeyError):
                raise SignInRefused("The identity provider's keys cannot be read.") from None
            self._keys_read_at = time.monotonic()
        return self._keys

    async def _userinfo(
        self, metadata: dict[str, Any], access: str, subject: str
    ) -> dict[str, Any]:
        url = metadata.get("userinfo_endpoint")
        if not isinstance(url, str):
            return {}
        said = await _json(url, {"Authorization": f"Bearer {access}"})
        if said.get("sub") != subject:
            raise SignInRefused("The identity provider spoke of somebody else.")
        return said

    def _identity(self, claims: dict[str, Any]) -> Identity:
        email = claims.get("email")
        if not isinstance(email, str) or not 0 < len(email.strip()) <= EMAIL_LENGTH:
            raise SignInRefused("Your identity provider tells no e-mail address of yours.")
        named = claims.get("name")
        name = seen_text(named) if isinstance(named, str) else ""
        picture = claims.get("picture")
        fits = isinstance(picture, str) and picture.startswith("https://") and len(picture) <= 2048  # noqa: PLR2004 - the column
        return Identity(
            issuer=claims["iss"],
            subject=claims["sub"],
            email=email.strip(),
            email_verified=claims.get("email_verified") is True,
            name=name or seen_text(email.split("@")[0]) or "Somebody",
            picture_url=picture if fits else None,
        )


async def _json(url: str, headers: dict[str, str] | None = None) -> dict[str, Any]:
    """Fetch a JSON object, bounded in time and size. Raises `Unavailable`, `SignInRefused`."""
    body = b""
    try:
        async with (
            httpx2.AsyncClient(timeout=SECONDS) as client,
            client.stream("GET", url, headers=headers or {}) as answer,
        ):
            answer.raise_for_status()
            async for part in answer.aiter_bytes():
                body += part
                if len(body) > MOST_BYTES:
                    raise SignInRefused("The identity provider's answer is too large.")
        found = httpx2.Response(200, content=body).json()
    except httpx2.HTTPError as error:
        raise Unavailable from error
    except ValueError:
        raise SignInRefused("The identity provider's answer cannot be read.") from None
    if not isinstance(found, dict):
        raise SignInRefused("The identity provider's answer cannot be read.")
    return found


def _check_common(settings: Settings, claims: dict[str, Any], audience: str) -> None:
    """Compare what every token has to say. Raises `SignInRefused`."""
    given = claims.get("aud")
    audiences = given if isinstance(given, list) else [given]
    at, leeway = time.time(), settings.oidc_leeway_seconds
    expires, issued = claims.get("exp"), claims.get("iat")
    subject = claims.get("sub")
    good = (
        claims.get("iss") == settings.oidc_issuer
        and audience in audiences
        and isinstance(subject, str)
        and 0 < len(subject) <= 255  # noqa: PLR2004 - the column
        and _is_moment(expires)
        and expires > at - leeway
        and _is_moment(issued)
        and issued < at + leeway
    )
    if not good:
        raise SignInRefused("The identity provider's answer is not meant for this sign-in.")


def _is_moment(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_access_token(settings: Settings, header: dict[str, Any], claims: dict[str, Any]) -> None:
    # An ID token is no access token, though the same key signs both.
    if str(header.get("typ", "")).lower().removeprefix("application/") != "at+jwt":
        raise SignInRefused
    _check_common(settings, claims, settings.oidc_audience)


def _check_id_token(
    settings: Settings,
    header: dict[str, Any],
    claims: dict[str, Any],
    nonce: str,
    access: object,
    *,
    fresh: bool,
) -> None:
    _check_common(settings, claims, settings.oidc_client_id)
    several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
    azp = claims.get("azp")
    wrong_party = (azp is not None or several) and azp != settings.oidc_client_id
    at_hash = claims.get("at_hash")
    wrong_hash = at_hash is not None and (
        not isinstance(access, str)
        or create_half_hash(access, header["alg"]) not in (at_hash, str(at_hash).encode())
    )
    if claims.get("nonce") != nonce or wrong_party or wrong_hash:
        raise SignInRefused("The identity provider's answer is not meant for this sign-in.")
    signed_in_at = claims.get("auth_time")
    if fresh and not (_is_moment(signed_in_at) and signed_in_at > time.time() - FRESH_SECONDS):
        raise SignInRefused("The identity provider did not ask again who you are.")
