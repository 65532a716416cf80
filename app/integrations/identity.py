"""The identity provider: any OpenID Connect issuer, by the code flow with PKCE.

Authlib builds the requests, joserfc checks signatures, every claim is compared by us (`claims`).
Sign-ins in flight are rows in our database, so nothing of them is kept here.
"""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import httpx2
import structlog
from authlib.common.security import generate_token
from authlib.integrations.httpx_client import AsyncOAuth2Client, OAuthError

from app.errors import SignInRefused, Unauthenticated, Unavailable
from app.integrations.claims import Checks
from app.integrations.issuer import IssuerDocuments
from app.integrations.outbound import (
    PLAIN,
    SECONDS,
    UNREADABLE,
    BoundedTransport,
    asking_the_provider,
    json_of,
)
from app.integrations.remembered import Timer
from app.settings import Settings
from app.text import EMAIL_LENGTH, seen_text

log = structlog.get_logger()
CALLBACK = "/sign-in/callback"
PICTURE_LENGTH = 2048
PROFILE = ("email", "email_verified", "name", "picture")


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a provider says that someone is. `email_verified` only where it says so by a boolean.

    `authenticated_at`: when they proved it; None where they prove it at this moment.
    """

    issuer: str
    subject: str
    email: str
    email_verified: bool
    name: str
    picture_url: str | None
    authenticated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SignInStart:
    """A sign-in that leaves for the provider: where to, and what has to come back."""

    url: str
    state: str
    nonce: str
    code_verifier: str


@dataclass(frozen=True, slots=True)
class SignInAnswer:
    """A sign-in that came back, with what was sent along.

    `at` is the present moment. `since`, where it is not None, is the moment after which the person
    must have proved who they are.
    """

    code: str
    nonce: str
    code_verifier: str
    at: datetime
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class TokenClaims:
    """What a checked access token says."""

    issuer: str
    subject: str


class IdentityProvider:
    """The issuer of the settings. Its documents are read at the first sign-in, not at start."""

    def __init__(self, settings: Settings, timer: Timer = time.monotonic) -> None:
        self._settings = settings
        self._documents = IssuerDocuments(settings.oidc_issuer, timer)

    async def start(self, *, fresh: bool) -> SignInStart:
        """Begin a sign-in; `fresh` makes the provider ask again who it is. Raises `Unavailable`, `SignInRefused`."""
        description = await self._documents.description()
        nonce, verifier = generate_token(32), generate_token(64)
        more = {"prompt": "login", "max_age": "0"} if fresh else {}
        async with self._client(description) as client:
            url, state = client.create_authorization_url(
                description["authorization_endpoint"], nonce=nonce, code_verifier=verifier, **more
            )
        return SignInStart(url, state, nonce, verifier)

    async def check_sender(self, issuer: str | None) -> None:
        """Compare the `iss` that came back beside code or error (RFC 9207). Raises `SignInRefused`, `Unavailable`."""
        description = await self._documents.description()
        promised = description.get("authorization_response_iss_parameter_supported") is True
        if issuer != self._settings.oidc_issuer and (issuer is not None or promised):
            raise SignInRefused("Another identity provider answered than the one that was asked.")

    async def finish(self, answer: SignInAnswer) -> Identity:
        """Trade a code for the person who signed in. Raises `SignInRefused`, `Unavailable`."""
        description = await self._documents.description()
        given = await self._tokens(description, answer)
        id_token, access = given.get("id_token"), given.get("access_token")
        if not isinstance(id_token, str):
            raise SignInRefused("The identity provider sent no ID token.")
        token = await self._documents.verified(id_token)
        proved_at = Checks(self._settings, answer.at).id_token(
            token, nonce=answer.nonce, access=access, since=answer.since
        )
        claims = token.claims
        if isinstance(access, str) and not {"email", "name"} <= claims.keys():
            claims = await self._completed(description, access, claims)
        return self._identity(claims, proved_at or self._long_before(answer.at))

    async def verify_access_token(self, token: str, *, at: datetime) -> TokenClaims:
        """Check a JWT access token (RFC 9068). Raises `Unauthenticated`, `Unavailable`."""
        try:
            checked = await self._documents.verified(token)
            Checks(self._settings, at).access_token(checked)
        except SignInRefused:
            raise Unauthenticated("This access token is no good. Sign in again.") from None
        return TokenClaims(checked.claims["iss"], checked.claims["sub"])

    async def identity_of_token(self, token: str, claims: TokenClaims) -> Identity | None:
        """Ask the provider who holds a checked token; None where it does not tell. Raises `Unavailable`."""
        try:
            description = await self._documents.description()
            known = {"iss": claims.issuer, "sub": claims.subject}
            return self._identity(await self._completed(description, token, known), None)
        except SignInRefused:
            return None

    def _client(self, description: dict[str, Any]) -> AsyncOAuth2Client:
        offered = description.get("token_endpoint_auth_methods_supported")
        basic = not isinstance(offered, list) or "client_secret_basic" in offered
        return AsyncOAuth2Client(
            client_id=self._settings.oidc_client_id,
            client_secret=self._settings.oidc_client_secret.get_secret_value(),
            token_endpoint_auth_method="client_secret_basic" if basic else "client_secret_post",
            redirect_uri=self._settings.base_url + CALLBACK,
            scope="openid email profile",
            code_challenge_method="S256",
            timeout=SECONDS,
            transport=BoundedTransport(),
        )

    async def _tokens(self, description: dict[str, Any], answer: SignInAnswer) -> dict[str, Any]:
        async with asking_the_provider(), self._client(description) as client:
            client.register_compliance_hook("access_token_response", _must_have_answered)
            try:
                given = await client.fetch_token(
                    description["token_endpoint"],
                    code=answer.code,
                    code_verifier=answer.code_verifier,
                    headers={"Accept": "application/json", **PLAIN},
                )
            except OAuthError as error:
                # `invalid_client` is the operator's to mend, so it stands in the log.
                log.warning("sign_in_refused_by_provider", error=seen_text(str(error.error)))
                raise SignInRefused("The identity provider did not accept this sign-in.") from None
        return dict(given)

    async def _completed(
        self, description: dict[str, Any], access: str, claims: dict[str, Any]
    ) -> dict[str, Any]:
        """Add what the provider tells of a person beside the token: never whose it is.

        An address and whether it is verified are taken from one place, not from two.
        """
        url = description.get("userinfo_endpoint")
        if not isinstance(url, str):
            return claims
        said = await json_of(url, {"Authorization": f"Bearer {access}"})
        if said.get("sub") != claims["sub"]:
            raise SignInRefused("The identity provider spoke of somebody else.")
        wanted = [name for name in PROFILE if not ("email" in claims and name.startswith("email"))]
        return {name: said[name] for name in wanted if name in said} | claims

    def _identity(self, claims: dict[str, Any], authenticated_at: datetime | None) -> Identity:
        email = claims.get("email")
        if not isinstance(email, str) or not _is_address(email.strip()):
            raise SignInRefused("Your identity provider tells no e-mail address of yours.")
        named = claims.get("name")
        name = seen_text(named) if isinstance(named, str) else ""
        return Identity(
            issuer=claims["iss"],
            subject=claims["sub"],
            email=email.strip(),
            email_verified=claims.get("email_verified") is True,
            name=name or seen_text(email.split("@")[0]) or "Somebody",
            picture_url=self._picture(claims.get("picture")),
            authenticated_at=authenticated_at,
        )

    def _picture(self, given: object) -> str | None:
        """Keep the address of a picture: https, or http at the sandbox's own issuer."""
        if not isinstance(given, str) or len(given) > PICTURE_LENGTH:
            return None
        if not given.isascii() or not given.isprintable():
            return None
        issuer = urlsplit(self._settings.oidc_issuer)
        own = f"http://{issuer.netloc}/" if issuer.scheme == "http" else "https://"
        return given if given.startswith(("https://", own)) else None

    def _long_before(self, at: datetime) -> datetime:
        """Take a sign-in for no fresh one where the provider does not say when they proved who they are."""
        return at - timedelta(minutes=self._settings.fresh_sign_in_minutes + 1)


def _must_have_answered(answer: httpx2.Response) -> httpx2.Response:
    """Look at a token endpoint's answer before Authlib does. Raises `Unavailable`, `SignInRefused`."""
    away = answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR
    if away or answer.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        raise Unavailable("The identity provider is away. Try again in a moment.")
    if not isinstance(answer.json(), dict):
        raise SignInRefused(UNREADABLE)
    return answer


def _is_address(email: str) -> bool:
    whole = 0 < len(email) <= EMAIL_LENGTH and email.isprintable() and " " not in email
    return whole and all(email.rpartition("@"))
