"""Forged tokens: every claim, key and signature that is not right is nobody's."""

import base64
import hmac
import json
from collections.abc import Callable
from typing import Any

import pytest
from joserfc import jws

from app.errors import SignInRefused, Unauthenticated
from tests.integrations.conftest import Portal
from tests.integrations.issuer import (
    ACCESS,
    AT,
    AUDIENCE,
    CLIENT,
    NOW,
    StrangeIssuer,
    hash_of,
    rsa_key,
)

Forge = Callable[[StrangeIssuer], str | None]


def part(value: object) -> str:
    """Write a token's part."""
    text = json.dumps(value).encode() if not isinstance(value, bytes) else value
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def unsigned(issuer: StrangeIssuer, alg: str = "none") -> str:
    """Make a token without a signature."""
    return f"{part({'alg': alg, 'typ': 'JWT'})}.{part(issuer.claims())}."


def signed_with_the_public_key(issuer: StrangeIssuer) -> str:
    """Use what everybody may know as the shared secret of an HMAC."""
    head = f"{part({'alg': 'HS256', 'kid': 'first'})}.{part(issuer.claims())}"
    secret = rsa_key().as_pem(private=False)
    return f"{head}.{part(hmac.digest(secret, head.encode(), 'sha256'))}"


def other_hand(issuer: StrangeIssuer) -> str:
    """Sign with a key of one's own under the issuer's key's name."""
    return issuer.sign(issuer.claims(), rsa_key("other"), kid="first")


def with_own_key(issuer: StrangeIssuer) -> str:
    """Sign with a key of one's own and bring it along."""
    own = rsa_key("other").as_dict(private=False)
    return issuer.sign(issuer.claims(), rsa_key("other"), kid=None, jwk=own)


def other_claims(**changes: Any) -> Forge:
    """Sign rightly what is not right."""
    return lambda issuer: issuer.sign(issuer.claims(**changes))


def _tampered(issuer: StrangeIssuer) -> str:
    header, _claims, signature = issuer.sign(issuer.claims()).split(".")
    return f"{header}.{part(issuer.claims(sub='bob'))}.{signature}"


FORGED: dict[str, Forge] = {
    "no ID token": lambda _issuer: None,
    "no text": lambda _issuer: "",
    "alg none": unsigned,
    "alg None": lambda issuer: unsigned(issuer, "None"),
    "no alg": lambda issuer: f"{part({})}.{part(issuer.claims())}.",
    "HS256 with the public key": signed_with_the_public_key,
    "another's key under a known name": other_hand,
    "a key that it brings along": with_own_key,
    "an unknown key": lambda issuer: issuer.sign(issuer.claims(), rsa_key("other")),
    "an algorithm that we do not take": lambda issuer: issuer.sign(issuer.claims(), alg="RS512"),
    "a changed claim": _tampered,
    "no JSON": lambda _issuer: f"{part({'alg': 'RS256'})}.{part(b'x')}.AAAA",
    "a list": lambda _issuer: f"{part([])}.{part([])}.AAAA",
    "brackets by the thousand": lambda _issuer: f"{part(b'[' * 9000)}.e30.AAAA",
    "too long": lambda issuer: issuer.sign(issuer.claims(padding="x" * 20_000)),
    "four parts": lambda issuer: issuer.sign(issuer.claims()) + ".AAAA",
    "beyond ASCII": lambda _issuer: "ünï.cödé.AAAA",
    "another issuer": other_claims(iss="https://evil.example"),
    "an issuer with a slash more": lambda issuer: issuer.sign(issuer.claims(iss=issuer.url + "/")),
    "no issuer": other_claims(iss=None),
    "another audience": other_claims(aud="somebody else"),
    "no audience": other_claims(aud=None),
    "an audience that only begins like us": other_claims(aud=CLIENT + "x"),
    "another audience with us as azp": other_claims(aud="somebody else", azp=CLIENT),
    "several audiences without azp": other_claims(aud=[CLIENT, "somebody else"]),
    "made for somebody else": other_claims(aud=[CLIENT, "other"], azp="other"),
    "azp of somebody else": other_claims(azp="other"),
    "another nonce": other_claims(nonce="of another sign-in"),
    "no nonce": other_claims(nonce=None),
    "expired": other_claims(iat=NOW - 1000, exp=NOW - 61),
    "no expiry": other_claims(exp=None),
    "an expiry in words": other_claims(exp="2099"),
    "an expiry that is true": other_claims(exp=True),
    "an expiry that never comes": lambda issuer: _raw(issuer, '"exp": Infinity'),
    "an expiry that is no number": lambda issuer: _raw(issuer, '"exp": NaN'),
    "made in the future": other_claims(iat=NOW + 61, exp=NOW + 600),
    "no time": other_claims(iat=None),
    "not yet good": other_claims(nbf=NOW + 61),
    "no subject": other_claims(sub=None),
    "an empty subject": other_claims(sub=""),
    "a subject that is a number": other_claims(sub=7),
    "a subject that is too long": other_claims(sub="x" * 256),
    "a subject with a NUL": other_claims(sub="ann\0"),
    "at_hash of another token": other_claims(at_hash=hash_of("another")),
    "at_hash that is no text": other_claims(at_hash=[hash_of(ACCESS)]),
    "signed in tomorrow": other_claims(auth_time=NOW + 86_400),
    "an e-mail address that is a list": other_claims(email=["ann@example.com"]),
    "an e-mail address without @": other_claims(email="ann"),
    "an e-mail address of two lines": other_claims(email="ann@example.com\r\nBcc: x@example.com"),
    "an e-mail address that is far too long": other_claims(email="a" * 250 + "@example.com"),
}


def _raw(issuer: StrangeIssuer, instead: str) -> str:
    claims = json.dumps(issuer.claims()).replace(f'"exp": {NOW + 300}', instead)
    return jws.serialize_compact({"alg": "RS256", "kid": "first"}, claims, rsa_key())


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED.keys())
async def test_a_forged_id_token_signs_nobody_in(
    portal: Portal, issuer: StrangeIssuer, forge: Forge
) -> None:
    issuer.nonce = "n"
    issuer.gives(forge(issuer))
    with pytest.raises(SignInRefused):
        await portal.sign_in(nonce="n")


async def test_a_discovery_document_that_lists_none_changes_nothing(
    portal: Portal, issuer: StrangeIssuer
) -> None:
    issuer.description["id_token_signing_alg_values_supported"] = ["none", "HS256", "RS256"]
    for forge in (unsigned, signed_with_the_public_key):
        issuer.gives(forge(issuer))
        with pytest.raises(SignInRefused):
            await portal.sign_in()


FORGED_ACCESS: dict[str, Forge] = {
    "an ID token": lambda issuer: issuer.sign(issuer.claims()),
    "an ID token for our audience": lambda issuer: issuer.sign(issuer.claims(aud=AUDIENCE)),
    "another audience": lambda issuer: issuer.access_token(aud="https://other.example"),
    "no audience": lambda issuer: issuer.access_token(aud=None),
    "another issuer": lambda issuer: issuer.access_token(iss="https://evil.example"),
    "expired": lambda issuer: issuer.access_token(exp=NOW - 61, iat=NOW - 600),
    "no expiry": lambda issuer: issuer.access_token(exp=None),
    "no subject": lambda issuer: issuer.access_token(sub=None),
    "of the future": lambda issuer: issuer.access_token(iat=NOW + 61),
    "another's key": lambda issuer: issuer.sign(
        issuer.access_claims(), rsa_key("other"), kid="first", typ="at+jwt"
    ),
    "nonsense": lambda _issuer: "a.b.c",
    "opaque": lambda _issuer: "opaque",
    "nothing": lambda _issuer: "",
}


@pytest.mark.parametrize("forge", FORGED_ACCESS.values(), ids=FORGED_ACCESS.keys())
async def test_a_forged_access_token_is_nobodys(
    portal: Portal, issuer: StrangeIssuer, forge: Forge
) -> None:
    with pytest.raises(Unauthenticated):
        await portal.provider.verify_access_token(str(forge(issuer)), at=AT)
