"""The stand-in issuer's tokens: signed by a key that lives as long as the process."""

import secrets
from datetime import datetime
from typing import Any

from authlib.oidc.core.util import create_half_hash
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from app.settings import Settings

ALGORITHM = "RS256"
TOKEN_SECONDS = 3600
ACCESS_TOKEN = "at+jwt"  # noqa: S105 - a kind of token (RFC 9068), no secret


class Tokens:
    """Makes and reads the tokens of one issuer."""

    def __init__(self, issuer: str, settings: Settings) -> None:
        self._issuer = issuer
        self._settings = settings
        self._key = RSAKey.generate_key(2048, {"kid": secrets.token_hex(8), "use": "sig"})

    def public_key(self) -> dict[str, Any]:
        """Give the public half of the key (RFC 7517)."""
        return dict(self._key.as_dict(private=False))

    def issue(self, person: dict[str, Any], nonce: str, at: datetime) -> dict[str, Any]:
        """Make the answer to a code: who somebody is, and an access token for the portal's GraphQL."""
        seconds = int(at.timestamp())
        common = {
            "iss": self._issuer,
            "sub": person["sub"],
            "iat": seconds,
            "exp": seconds + TOKEN_SECONDS,
            "auth_time": seconds,
        }
        header = {"alg": ALGORITHM, "kid": self._key.kid}
        for_access = {
            "aud": self._settings.oidc_audience,
            "client_id": self._settings.oidc_client_id,
            "scope": "openid email profile",
            "jti": secrets.token_hex(8),
        }
        access = jwt.encode(header | {"typ": ACCESS_TOKEN}, common | for_access, self._key)
        half = (create_half_hash(access, ALGORITHM) or b"").decode()
        identity = {"aud": self._settings.oidc_client_id, "at_hash": half}
        if nonce:
            identity["nonce"] = nonce
        return {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": TOKEN_SECONDS,
            "scope": "openid email profile",
            "id_token": jwt.encode(header, person | common | identity, self._key),
        }

    def subject_of(self, token: str, at: datetime) -> str | None:
        """Tell whose an access token is; None for what is none, or none any more."""
        try:
            found = jwt.decode(token, self._key, algorithms=[ALGORITHM])
        except (JoseError, ValueError, TypeError, KeyError, RecursionError):
            return None
        live = found.claims.get("exp", 0) > at.timestamp()
        return (
            str(found.claims["sub"]) if live and found.header.get("typ") == ACCESS_TOKEN else None
        )
