"""What the issuer publishes is read once for all, anew when it does not fit, and never kept in failure."""

import asyncio

import pytest
from joserfc.jwk import RSAKey
from starlette.responses import JSONResponse, Response

from app.errors import SignInRefused, Unauthenticated, Unavailable
from app.integrations.identity import IdentityProvider
from app.settings import Settings
from tests.integrations.conftest import Portal
from tests.integrations.issuer import AT, DISCOVERY, StrangeIssuer, rsa_key
from tests.integrations.serving import listening

KEYS = "/keys"


async def test_many_first_sign_ins_read_the_documents_once(
    portal: Portal, issuer: StrangeIssuer
) -> None:
    await asyncio.gather(*(portal.provider.start(fresh=False) for _ in range(50)))
    token = issuer.access_token()
    verify = portal.provider.verify_access_token
    await asyncio.gather(*(verify(token, at=AT) for _ in range(50)))
    assert (issuer.asked[DISCOVERY], issuer.asked[KEYS]) == (1, 1)


async def test_many_first_sign_ins_fail_together_and_the_next_one_works(
    portal: Portal, issuer: StrangeIssuer
) -> None:
    issuer.answers[DISCOVERY] = lambda _form: Response(status_code=503)
    tried = await asyncio.gather(
        *(portal.provider.start(fresh=False) for _ in range(50)), return_exceptions=True
    )
    assert {type(one) for one in tried} == {Unavailable}
    assert issuer.asked[DISCOVERY] == 1
    del issuer.answers[DISCOVERY]
    assert await portal.provider.start(fresh=False)


async def test_one_who_goes_away_ends_it_for_nobody_else(
    portal: Portal, issuer: StrangeIssuer
) -> None:
    first = asyncio.create_task(portal.provider.start(fresh=False))
    second = asyncio.create_task(portal.provider.start(fresh=False))
    await asyncio.sleep(0)
    first.cancel()
    assert await second
    assert issuer.asked[DISCOVERY] == 1


async def test_many_forged_tokens_cause_one_reading_of_the_keys_a_minute(
    portal: Portal, issuer: StrangeIssuer
) -> None:
    await portal.provider.verify_access_token(issuer.access_token(), at=AT)
    forged = [
        issuer.sign(issuer.access_claims(), rsa_key("other"), typ="at+jwt", kid=f"forged-{number}")
        for number in range(30)
    ]

    async def all_refused() -> None:
        verify = portal.provider.verify_access_token
        tried = await asyncio.gather(*(verify(t, at=AT) for t in forged), return_exceptions=True)
        assert {type(one) for one in tried} == {Unauthenticated}

    await all_refused()
    await all_refused()
    assert issuer.asked[KEYS] == 2, "the first reading, and one more"
    portal.timer.seconds += 61
    await all_refused()
    assert issuer.asked[KEYS] == 3


async def test_a_bad_signature_under_a_known_name_asks_nothing(
    portal: Portal, issuer: StrangeIssuer
) -> None:
    forged = issuer.sign(issuer.access_claims(), rsa_key("other"), typ="at+jwt", kid="first")
    for _ in range(3):
        with pytest.raises(Unauthenticated):
            await portal.provider.verify_access_token(forged, at=AT)
    assert issuer.asked[KEYS] == 1


@pytest.mark.parametrize("named", [True, False])
async def test_a_new_key_of_the_issuer_is_found(
    portal: Portal, issuer: StrangeIssuer, *, named: bool
) -> None:
    await portal.provider.verify_access_token(issuer.access_token(), at=AT)
    issuer.keys = [rsa_key("other")]
    header = {} if named else {"kid": None}
    token = issuer.sign(issuer.access_claims(), typ="at+jwt", **header)
    assert await portal.provider.verify_access_token(token, at=AT)


async def test_a_key_that_was_withdrawn_is_forgotten_within_the_hour(
    portal: Portal, issuer: StrangeIssuer
) -> None:
    token = issuer.access_token()
    await portal.provider.verify_access_token(token, at=AT)
    issuer.keys = [rsa_key("other")]
    portal.timer.seconds += 3601
    with pytest.raises(Unauthenticated):
        await portal.provider.verify_access_token(token, at=AT)


async def test_what_was_read_serves_on_where_the_provider_is_away(
    portal: Portal, issuer: StrangeIssuer
) -> None:
    token = issuer.access_token()
    await portal.provider.verify_access_token(token, at=AT)
    issuer.answers[KEYS] = issuer.answers[DISCOVERY] = lambda _form: Response(status_code=503)
    portal.timer.seconds += 3601
    for _ in range(3):
        assert await portal.provider.verify_access_token(token, at=AT)
    assert issuer.asked[DISCOVERY] <= 2, "and it is not asked again and again"


async def test_keys_that_are_none_of_ours_are_passed_over(
    portal: Portal, issuer: StrangeIssuer
) -> None:
    right = rsa_key().as_dict(private=False)
    published = [
        "text",
        {},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "first"},
        {"kty": "AKP", "alg": "ML-DSA-44", "kid": "new"},
        {"kty": "RSA", "n": "x", "kid": "broken"},
        {**right, "use": "enc", "kid": "for encryption"},
        right,
    ]
    issuer.answers[KEYS] = lambda _form: JSONResponse({"keys": published})
    assert await portal.provider.verify_access_token(issuer.access_token(), at=AT)
    encrypting = issuer.sign(issuer.access_claims(), typ="at+jwt", kid="for encryption")
    with pytest.raises(Unauthenticated):
        await portal.provider.verify_access_token(encrypting, at=AT)


@pytest.mark.parametrize("published", [{}, {"keys": []}, {"keys": "x"}, {"keys": [{}]}])
async def test_no_keys_sign_nobody_in_and_are_not_kept(
    portal: Portal, issuer: StrangeIssuer, published: dict
) -> None:
    issuer.answers[KEYS] = lambda _form: JSONResponse(published)
    with pytest.raises(SignInRefused, match="keys"):
        await portal.sign_in()
    del issuer.answers[KEYS]
    assert await portal.sign_in()


async def test_of_several_keys_without_names_the_right_one_is_found(
    portal: Portal, issuer: StrangeIssuer
) -> None:
    own, other = (rsa_key(name).as_dict(private=False) for name in ("first", "other"))
    bare = [{k: v for k, v in one.items() if k != "kid"} for one in (other, own)]
    issuer.answers[KEYS] = lambda _form: JSONResponse({"keys": bare})
    token = issuer.sign(issuer.access_claims(), typ="at+jwt", kid=None)
    for _ in range(5):
        assert await portal.provider.verify_access_token(token, at=AT)
    assert isinstance(issuer.keys[0], RSAKey)


async def test_a_provider_that_is_not_there_is_away() -> None:
    with listening() as port:
        url = f"http://127.0.0.1:{port.getsockname()[1]}"
        provider = IdentityProvider(Settings(_env_file=None, oidc_issuer=url))
        with pytest.raises(Unavailable):
            await provider.start(fresh=False)
