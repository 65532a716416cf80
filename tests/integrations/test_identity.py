"""Signing in at an issuer: what is asked, what is taken, and what it answers that is no answer."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from authlib.oidc.core.util import create_half_hash
from joserfc.jwk import OKPKey
from starlette.responses import JSONResponse, RedirectResponse, Response

from app.errors import SignInRefused, Unavailable
from app.integrations.identity import TokenClaims
from tests.integrations.conftest import Portal
from tests.integrations.issuer import (
    ACCESS,
    AT,
    AUDIENCE,
    CLIENT,
    NOW,
    StrangeIssuer,
    ec_key,
    hash_of,
    rsa_key,
)


async def test_a_right_id_token_signs_in(portal: Portal, issuer: StrangeIssuer) -> None:
    issuer.nonce = "n"
    issuer.gives(issuer.sign(issuer.claims(at_hash=hash_of(ACCESS), auth_time=NOW - 5)))
    found = await portal.sign_in(nonce="n")
    assert (found.issuer, found.subject) == (issuer.url, "ann")
    assert (found.email, found.email_verified, found.name) == ("ann@example.com", True, "Ann")
    assert found.authenticated_at == AT - timedelta(seconds=5)
    assert issuer.asked["/userinfo"] == 0, "nothing is missing"


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": [CLIENT]},
        {"aud": [CLIENT, "other"], "azp": CLIENT},
        {"exp": NOW - 59},
        {"iat": NOW + 59},
    ],
)
async def test_what_the_specification_allows_is_taken(
    portal: Portal, issuer: StrangeIssuer, changes: dict[str, Any]
) -> None:
    issuer.gives(issuer.sign(issuer.claims(**changes)))
    assert (await portal.sign_in()).subject == "ann"


@pytest.mark.parametrize("alg", ["RS256", "PS256", "ES256", "EdDSA", "Ed25519"])
async def test_each_algorithm_of_ours_works(
    portal: Portal, issuer: StrangeIssuer, alg: str
) -> None:
    edwards = OKPKey.generate_key("Ed25519", {"kid": "edwards"})
    key = {"ES256": ec_key(), "EdDSA": edwards, "Ed25519": edwards}.get(alg, rsa_key())
    issuer.keys = [key]
    access_hash = (create_half_hash(ACCESS, alg.replace("Ed25519", "EdDSA")) or b"").decode()
    issuer.gives(issuer.sign(issuer.claims(at_hash=access_hash), key, alg=alg))
    assert (await portal.sign_in()).subject == "ann"


async def test_time_is_what_the_caller_says_it_is(portal: Portal, issuer: StrangeIssuer) -> None:
    issuer.gives(issuer.sign(issuer.claims()))
    assert await portal.sign_in(at=AT + timedelta(seconds=359))
    with pytest.raises(SignInRefused):
        await portal.sign_in(at=AT + timedelta(seconds=361))
    with pytest.raises(SignInRefused):
        await portal.sign_in(at=AT - timedelta(seconds=61))


@pytest.mark.parametrize("verified", ["true", 1, "yes", [True], False, None])
async def test_only_true_itself_verifies_an_address(
    portal: Portal, issuer: StrangeIssuer, verified: object
) -> None:
    issuer.gives(issuer.sign(issuer.claims(email_verified=verified)))
    assert (await portal.sign_in()).email_verified is False


@pytest.mark.parametrize(
    "changes",
    [
        {"issuer": "https://evil.example"},
        {"issuer": None},
        {"token_endpoint": None},
        {"token_endpoint": "ftp://127.0.0.1/token"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": "/authorize"},
        {"jwks_uri": ["https://evil.example"]},
        {"jwks_uri": "http://[broken"},
    ],
)
async def test_a_description_that_is_not_the_issuers_is_refused_and_not_kept(
    portal: Portal, issuer: StrangeIssuer, changes: dict[str, Any]
) -> None:
    right = dict(issuer.description)
    issuer.description = {k: v for k, v in {**right, **changes}.items() if v is not None}
    with pytest.raises(SignInRefused):
        await portal.provider.start(fresh=False)
    issuer.description = right
    assert await portal.provider.start(fresh=False)


HUGE = Response(b" " * 300_000 + b"{}", media_type="application/json")
PACKED = Response(b"\x1f\x8b", headers={"Content-Encoding": "gzip"})
DEEP = Response(b"[" * 200_000, media_type="application/json")


@pytest.mark.parametrize(
    ("answer", "refusal"),
    [
        (HUGE, SignInRefused),
        (PACKED, SignInRefused),
        (DEEP, SignInRefused),
        (Response(b"<html>"), SignInRefused),
        (JSONResponse([]), SignInRefused),
        (JSONResponse("text"), SignInRefused),
        (Response(status_code=500), Unavailable),
        (Response(status_code=503), Unavailable),
    ],
)
@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/keys", "/token"])
async def test_an_answer_that_is_none_signs_nobody_in_and_is_not_kept(
    portal: Portal, issuer: StrangeIssuer, path: str, answer: Response, refusal: type[Exception]
) -> None:
    issuer.answers[path] = lambda _form: answer
    with pytest.raises(refusal):
        await portal.sign_in()
    del issuer.answers[path]
    assert (await portal.sign_in()).subject == "ann"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "path", ["/.well-known/openid-configuration", "/keys", "/token", "/userinfo"]
)
async def test_no_redirect_is_followed(
    portal: Portal, issuer: StrangeIssuer, path: str, status: int
) -> None:
    issuer.gives(issuer.sign(issuer.claims(email=None)))
    issuer.answers[path] = lambda _form: RedirectResponse(f"{issuer.url}/elsewhere", status)
    with pytest.raises((SignInRefused, Unavailable)):
        await portal.sign_in()
    assert issuer.asked["/elsewhere"] == 0


async def test_a_code_that_the_provider_refuses_signs_nobody_in(
    portal: Portal, issuer: StrangeIssuer
) -> None:
    issuer.answers["/token"] = lambda _form: JSONResponse({"error": "invalid_grant"}, 400)
    with pytest.raises(SignInRefused, match="did not accept"):
        await portal.sign_in()
    assert issuer.asked["/token"] == 1, "a code is never tried twice"


async def test_secrets_go_to_the_token_endpoint_alone(
    portal: Portal, issuer: StrangeIssuer
) -> None:
    left = await portal.provider.start(fresh=False)
    issuer.nonce = left.nonce
    await portal.sign_in(nonce=left.nonce, code_verifier=left.code_verifier)
    sent = issuer.forms[issuer.asked.total() - 2]
    assert sent["code_verifier"] == left.code_verifier
    assert sent["redirect_uri"] == f"{AUDIENCE}/sign-in/callback"
    told = [one for one in issuer.headers if "authorization" in one]
    assert len(told) == 1
    assert told[0]["authorization"].startswith("Basic ")
    assert left.code_verifier not in left.url


@pytest.mark.parametrize(
    ("methods", "in_form"), [(["client_secret_post"], True), (["client_secret_basic"], False)]
)
async def test_the_client_proves_itself_in_a_way_that_the_provider_takes(
    portal: Portal, issuer: StrangeIssuer, methods: list[str], *, in_form: bool
) -> None:
    issuer.description["token_endpoint_auth_methods_supported"] = methods
    await portal.sign_in()
    assert any("client_secret" in form for form in issuer.forms) is in_form


async def test_a_fresh_sign_in_asks_for_one(portal: Portal) -> None:
    usual, fresh = [
        parse_qs(urlsplit((await portal.provider.start(fresh=fresh)).url).query)
        for fresh in (False, True)
    ]
    assert (fresh["prompt"], fresh["max_age"]) == (["login"], ["0"])
    assert not {"prompt", "max_age"} & usual.keys()
    for asked in (usual, fresh):
        assert asked["response_type"] == ["code"]
        assert asked["code_challenge_method"] == ["S256"]
        assert asked["scope"] == ["openid email profile"]
        assert all(len(asked[name][0]) >= 30 for name in ("state", "nonce", "code_challenge"))


@pytest.mark.parametrize("auth_time", [None, NOW - 3600, NOW - 100, "now", True])
async def test_a_fresh_sign_in_with_an_old_proof_is_refused(
    portal: Portal, issuer: StrangeIssuer, auth_time: object
) -> None:
    issuer.gives(issuer.sign(issuer.claims(auth_time=auth_time)))
    with pytest.raises(SignInRefused, match="ask again"):
        await portal.sign_in(since=AT - timedelta(seconds=30))


async def test_a_fresh_sign_in_with_a_new_proof_is_taken(
    portal: Portal, issuer: StrangeIssuer
) -> None:
    issuer.gives(issuer.sign(issuer.claims(auth_time=NOW - 20)))
    found = await portal.sign_in(since=AT - timedelta(seconds=30))
    assert found.authenticated_at == datetime.fromtimestamp(NOW - 20, UTC)


async def test_a_provider_that_tells_no_time_gives_no_fresh_sign_in(portal: Portal) -> None:
    found = await portal.sign_in()
    window = timedelta(minutes=portal.settings.fresh_sign_in_minutes)
    assert found.authenticated_at is not None
    assert AT - found.authenticated_at > window


@pytest.mark.parametrize("promised", [None, False, True])
async def test_who_answers_has_to_be_who_was_asked(
    portal: Portal, issuer: StrangeIssuer, promised: object
) -> None:
    issuer.description["authorization_response_iss_parameter_supported"] = promised
    await portal.provider.check_sender(issuer.url)
    for wrong in ("https://evil.example", "", issuer.url + "/"):
        with pytest.raises(SignInRefused, match="Another"):
            await portal.provider.check_sender(wrong)
    if promised is True:
        with pytest.raises(SignInRefused, match="Another"):
            await portal.provider.check_sender(None)
    else:
        await portal.provider.check_sender(None)


async def test_what_the_id_token_lacks_is_asked_for(portal: Portal, issuer: StrangeIssuer) -> None:
    issuer.gives(issuer.sign(issuer.claims(email=None, email_verified=None, name=None)))
    issuer.person |= {"email_verified": True, "iss": "https://evil.example"}
    found = await portal.sign_in()
    assert (found.issuer, found.email, found.email_verified) == (
        issuer.url,
        "ann@example.com",
        True,
    )
    assert {"authorization": f"Bearer {ACCESS}"}.items() <= issuer.headers[-1].items()


async def test_an_address_is_not_verified_by_what_is_said_of_another_place(
    portal: Portal, issuer: StrangeIssuer
) -> None:
    issuer.gives(issuer.sign(issuer.claims(email_verified=None, name=None)))
    issuer.person |= {"email": "other@example.com", "email_verified": True}
    found = await portal.sign_in()
    assert (found.email, found.email_verified, found.name) == ("ann@example.com", False, "Ann")


@pytest.mark.parametrize("endpoint", [None, "ftp://127.0.0.1/userinfo", "/userinfo", 7])
async def test_without_a_place_to_ask_the_id_token_has_to_say_all(
    portal: Portal, issuer: StrangeIssuer, endpoint: object
) -> None:
    issuer.description["userinfo_endpoint"] = endpoint
    issuer.gives(issuer.sign(issuer.claims(name=None)))
    assert (await portal.sign_in()).name == "ann"
    issuer.gives(issuer.sign(issuer.claims(email=None)))
    with pytest.raises(SignInRefused, match="no e-mail"):
        await portal.sign_in()
    assert issuer.asked["/userinfo"] == 0


@pytest.mark.parametrize("subject", ["bob", None, ""])
async def test_what_is_said_of_somebody_else_is_refused(
    portal: Portal, issuer: StrangeIssuer, subject: str | None
) -> None:
    issuer.gives(issuer.sign(issuer.claims(email=None)))
    issuer.person["sub"] = subject
    with pytest.raises(SignInRefused, match="somebody else"):
        await portal.sign_in()


@pytest.mark.parametrize(
    ("picture", "kept"),
    [
        ("https://pictures.example/a.png", True),
        ("OWN/a.png", True),
        ("http://pictures.example/a.png", False),
        ("OWN.evil.example/a.png", False),
        ("javascript:alert(1)", False),
        ("https://pictures.example/" + "a" * 2048, False),
        ("https://pictures.example/a\n.png", False),
        (["https://pictures.example/a.png"], False),
    ],
)
async def test_a_picture_has_a_safe_address_or_none(
    portal: Portal, issuer: StrangeIssuer, picture: object, *, kept: bool
) -> None:
    said = picture.replace("OWN", issuer.url) if isinstance(picture, str) else picture
    issuer.gives(issuer.sign(issuer.claims(picture=said)))
    assert (await portal.sign_in()).picture_url == (said if kept else None)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("  Ann \u202e Lee ", "Ann Lee"),
        ("", "ann"),
        ("\u200b", "ann"),
        (7, "ann"),
        ("x" * 500, "x" * 80),
    ],
)
async def test_a_name_is_made_one_that_can_be_seen(
    portal: Portal, issuer: StrangeIssuer, name: object, shown: str
) -> None:
    issuer.gives(issuer.sign(issuer.claims(name=name)))
    assert (await portal.sign_in()).name == shown


async def test_an_access_token_says_whose_it_is(portal: Portal, issuer: StrangeIssuer) -> None:
    claims = await portal.provider.verify_access_token(issuer.access_token(), at=AT)
    assert claims == TokenClaims(issuer.url, "ann")
    found = await portal.provider.identity_of_token("token", claims)
    assert found is not None
    assert (found.subject, found.email, found.email_verified) == ("ann", "ann@example.com", False)


@pytest.mark.parametrize("status", [401, 403])
async def test_a_provider_that_tells_nothing_of_a_token_leaves_it_nobodys(
    portal: Portal, issuer: StrangeIssuer, status: int
) -> None:
    issuer.answers["/userinfo"] = lambda _form: Response(status_code=status)
    assert await portal.provider.identity_of_token("t", TokenClaims(issuer.url, "ann")) is None
