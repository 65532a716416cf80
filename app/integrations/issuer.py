"""The issuer's own documents: its description and its signing keys (OpenID Connect Discovery 1.0, RFC 7517)."""

import time
import warnings
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from joserfc import jws, jwt
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import JWKRegistry, Key

from app.errors import SignInRefused
from app.integrations.outbound import json_of
from app.integrations.remembered import Remembered, Timer

# Whatever an issuer's document allows: no shared secrets, and never none.
KEY_TYPES = {"RS256": "RSA", "PS256": "RSA", "ES256": "EC", "EdDSA": "OKP", "Ed25519": "OKP"}
ALGORITHMS = list(KEY_TYPES)
TOKEN_LENGTH = 16_384
JWT_DOTS = 2
MOST_KEYS = 50
NEEDED = ("authorization_endpoint", "token_endpoint", "jwks_uri")
BAD_SIGNATURE = "The identity provider's signature is not right."
# What joserfc and its parsers raise for hostile input.
BAD_INPUT = (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError)


@dataclass(frozen=True, slots=True)
class Token:
    """A token whose signature is right; its claims are still to be compared."""

    header: dict[str, Any]
    claims: dict[str, Any]


class IssuerDocuments:
    """What an issuer publishes, read when first needed and kept for an hour; keys also at an unknown one."""

    def __init__(self, issuer: str, timer: Timer = time.monotonic) -> None:
        self._issuer = issuer
        self._description = Remembered(self._read_description, timer)
        self._keys = Remembered(self._read_keys, timer)

    async def description(self) -> dict[str, Any]:
        """Give the discovery document. Raises `Unavailable`, `SignInRefused`."""
        return await self._description.get()

    async def verified(self, token: str) -> Token:
        """Check a token's signature. Raises `SignInRefused`, `Unavailable`."""
        header = _header_of(token)
        found = _verify(token, header, await self._keys.get())
        if found is None and _names_no_key(header, await self._keys.get()):
            found = _verify(token, header, await self._keys.get_again())
        if found is None:
            raise SignInRefused(BAD_SIGNATURE)
        return found

    async def _read_description(self) -> dict[str, Any]:
        found = await json_of(f"{self._issuer.rstrip('/')}/.well-known/openid-configuration")
        if found.get("issuer") != self._issuer:
            raise SignInRefused("The identity provider names itself otherwise than expected.")
        if not all(self._is_address(found.get(name)) for name in NEEDED):
            raise SignInRefused("The identity provider's description is not complete.")
        if not self._is_address(found.get("userinfo_endpoint")):
            found.pop("userinfo_endpoint", None)
        return found

    def _is_address(self, url: object) -> bool:
        """Tell whether secrets may go there: as safely as to the issuer itself, so https unless that is the sandbox's."""
        if not isinstance(url, str):
            return False
        try:
            parts = urlsplit(url)
        except ValueError:
            return False
        return bool(parts.hostname) and parts.scheme in {"https", urlsplit(self._issuer).scheme}

    async def _read_keys(self) -> list[Key]:
        description = await self.description()
        listed = (await json_of(description["jwks_uri"])).get("keys")
        keys = [_imported(one) for one in listed[:MOST_KEYS]] if isinstance(listed, list) else []
        usable = [key for key in keys if key is not None]
        if not usable:
            raise SignInRefused("The identity provider's keys cannot be read.")
        return usable


def _imported(published: object) -> Key | None:
    """Read one key; None for one that is no public key for signatures, which spoils not the others."""
    if not isinstance(published, dict) or published.get("use", "sig") != "sig":
        return None
    if published.get("kty") not in KEY_TYPES.values():
        return None
    with warnings.catch_warnings():
        # A key that is too short is none.
        warnings.simplefilter("error", SecurityWarning)
        try:
            return JWKRegistry.import_key(published)
        except (*BAD_INPUT, SecurityWarning):
            return None


def _header_of(token: str) -> dict[str, Any]:
    if len(token) > TOKEN_LENGTH or token.count(".") != JWT_DOTS:
        raise SignInRefused(BAD_SIGNATURE)
    try:
        header = dict(jws.extract_compact(token.encode()).headers())
    except BAD_INPUT:
        raise SignInRefused(BAD_SIGNATURE) from None
    if header.get("alg") not in ALGORITHMS:
        raise SignInRefused(BAD_SIGNATURE)
    return header


def _fitting(header: dict[str, Any], keys: list[Key]) -> list[Key]:
    alg, kid = header["alg"], header.get("kid")
    return [
        key
        for key in keys
        if key.key_type == KEY_TYPES[alg]
        and key.get("alg") in (None, alg)
        and (kid is None or key.kid == kid)
    ]


def _names_no_key(header: dict[str, Any], keys: list[Key]) -> bool:
    """Tell whether the issuer may have a newer key: a forged signature under a known name asks nothing of it."""
    return header.get("kid") is None or not _fitting(header, keys)


def _verify(token: str, header: dict[str, Any], keys: list[Key]) -> Token | None:
    with warnings.catch_warnings():
        # RFC 9864 renames EdDSA; issuers still use its old name.
        warnings.simplefilter("ignore", SecurityWarning)
        for key in _fitting(header, keys):
            try:
                decoded = jwt.decode(token, key, algorithms=[header["alg"]])
            except BAD_INPUT:
                continue
            return Token(dict(decoded.header), dict(decoded.claims))
    return None
