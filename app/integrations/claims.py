"""What a token has to say: every claim is compared with what we asked for, at a moment of the database's clock.

Neither Authlib's nor joserfc's defaults do that: `aud` gives way to `azp`, a missing claim to nothing.
"""

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeGuard

from authlib.oidc.core.util import create_half_hash

from app.errors import SignInRefused
from app.integrations.issuer import Token
from app.settings import Settings

NOT_MEANT = "The identity provider's answer is not meant for this sign-in."
SUBJECT_LENGTH = 255
FARTHEST = 253_402_300_799  # the last second of the year 9999


@dataclass(frozen=True, slots=True)
class Checks:
    """The checks of one moment. Each raises `SignInRefused`."""

    settings: Settings
    at: datetime

    def id_token(
        self, token: Token, *, nonce: str, access: object, since: datetime | None
    ) -> datetime | None:
        """Check an ID token (OpenID Connect Core 3.1.3.7); give the time at which the person proved who they are.

        `access` is the access token that came with it. `since`: they must have proved it no earlier.
        """
        claims, client = token.claims, self.settings.oidc_client_id
        self._common(claims, client)
        several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        azp = claims.get("azp")
        wrong_party = (azp is not None or several) and azp != client
        if claims.get("nonce") != nonce or wrong_party or not _hash_fits(token, access):
            raise SignInRefused(NOT_MEANT)
        return self._authenticated_at(claims, since)

    def access_token(self, token: Token) -> None:
        """Check an access token (RFC 9068)."""
        # An ID token is no access token, though the same key signs both.
        kind = str(token.header.get("typ", "")).lower().removeprefix("application/")
        if kind != "at+jwt":
            raise SignInRefused(NOT_MEANT)
        self._common(token.claims, self.settings.oidc_audience)

    def _common(self, claims: dict[str, Any], audience: str) -> None:
        given = claims.get("aud")
        audiences = given if isinstance(given, list) else [given]
        at, leeway = self.at.timestamp(), self.settings.oidc_leeway_seconds
        expires, issued, begins = (claims.get(name) for name in ("exp", "iat", "nbf"))
        good = (
            claims.get("iss") == self.settings.oidc_issuer
            and audience in audiences
            and _is_subject(claims.get("sub"))
            and _is_moment(expires)
            and expires > at - leeway
            and _is_moment(issued)
            and issued < at + leeway
            and (begins is None or (_is_moment(begins) and begins < at + leeway))
        )
        if not good:
            raise SignInRefused(NOT_MEANT)

    def _authenticated_at(self, claims: dict[str, Any], since: datetime | None) -> datetime | None:
        told = claims.get("auth_time")
        leeway = timedelta(seconds=self.settings.oidc_leeway_seconds)
        moment = datetime.fromtimestamp(told, UTC) if _is_moment(told) else None
        if moment is not None and moment > self.at + leeway:
            raise SignInRefused(NOT_MEANT)
        if since is not None and (moment is None or moment < since - leeway):
            raise SignInRefused("The identity provider did not ask again who you are.")
        return moment


def _hash_fits(token: Token, access: object) -> bool:
    given = token.claims.get("at_hash")
    if given is None:
        return True
    if not isinstance(given, str) or not isinstance(access, str):
        return False
    alg = token.header["alg"]
    expected = create_half_hash(access, "EdDSA" if alg == "Ed25519" else alg)
    return expected is not None and expected == given.encode()


def _is_subject(value: object) -> bool:
    return (
        isinstance(value, str)
        and 0 < len(value) <= SUBJECT_LENGTH
        and value.isascii()
        and value.isprintable()
    )


def _is_moment(value: object) -> TypeGuard[float]:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
        and 0 <= value <= FARTHEST
    )
