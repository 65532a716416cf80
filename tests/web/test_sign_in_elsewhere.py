"""Signing in at an issuer on another origin, which may be away, old, mixed up or hostile: over the whole service."""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from sqlalchemy import func, select
from sqlmodel import col
from starlette.responses import JSONResponse, Response

from app.database import Database
from app.models import Session, User
from app.settings import Settings
from tests.integrations.issuer import DISCOVERY, StrangeIssuer, rsa_key
from tests.web.conftest import Browser, served

CALLBACK = "/sign-in/callback"
Change = Callable[[StrangeIssuer], object]


@pytest.fixture
def portal(database_url: str, issuer: StrangeIssuer) -> Iterator[Settings]:
    """Serve the portal with the strange issuer as its identity provider."""
    issuer.at = int(time.time())
    with served(database_url, oidc_issuer=issuer.url) as settings:
        yield settings


@pytest.fixture
def ann(portal: Settings) -> Iterator[Browser]:
    """Open a browser."""
    with Browser(portal) as one:
        yield one


def leave(browser: Browser, issuer: StrangeIssuer, path: str = "/sign-in") -> dict[str, str]:
    """Leave for the issuer, which hears the nonce; what the address says."""
    answer = browser.get(path, follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith(f"{issuer.url}/authorize?")
    query = parse_qs(urlsplit(answer.headers["location"]).query)
    asked = {name: values[0] for name, values in query.items()}
    issuer.nonce = asked["nonce"]
    return asked


def come_back(browser: Browser, asked: dict[str, str], **more: str) -> httpx2.Response:
    """Come back from it with a code."""
    return browser.get(CALLBACK, params={"code": "code", "state": asked["state"], **more})


async def people(database: Database) -> int:
    """Count who is known."""
    row = await database.row(select(func.count()).select_from(User))
    return int(row[0]) if row else 0


async def test_a_sign_in_on_another_origin_arrives(
    ann: Browser, issuer: StrangeIssuer, database: Database
) -> None:
    arrived = come_back(
        ann, leave(ann, issuer, "/sign-in?return_to=/organizations/new%3Fx%3D1"), iss=issuer.url
    )
    assert arrived.status_code == 200
    assert str(arrived.url).endswith("/organizations/new?x=1")
    assert "ann@example.com" in arrived.text
    assert await people(database) == 1


WRONG: dict[str, Change] = {
    "no ID token": lambda issuer: issuer.gives(None),
    "another's signature": lambda issuer: issuer.gives(
        issuer.sign(issuer.claims(), rsa_key("other"), kid="first")
    ),
    "another audience": lambda issuer: issuer.gives(issuer.sign(issuer.claims(aud="another"))),
    "the nonce of another sign-in": lambda issuer: setattr(issuer, "nonce", "another"),
    "expired": lambda issuer: setattr(issuer, "at", issuer.at - 3600),
    "a code that was used": lambda issuer: issuer.answers.update(
        {"/token": lambda _form: JSONResponse({"error": "invalid_grant"}, 400)}
    ),
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG.keys())
async def test_a_wrong_answer_signs_nobody_in_and_offers_to_try_again(
    ann: Browser, issuer: StrangeIssuer, database: Database, change: Change
) -> None:
    asked = leave(ann, issuer, "/sign-in?return_to=/graphql")
    change(issuer)
    answer = come_back(ann, asked)
    assert answer.status_code == 400
    assert "Sign in again" in answer.text
    assert "/sign-in?return_to=%2Fgraphql" in answer.text
    assert ann.session is None
    assert await people(database) == 0


@pytest.mark.parametrize("iss", ["https://evil.example", ""])
async def test_an_answer_of_another_issuer_is_refused_before_its_code_is_used(
    ann: Browser, issuer: StrangeIssuer, database: Database, iss: str
) -> None:
    asked = leave(ann, issuer)
    answer = come_back(ann, asked, iss=iss)
    assert answer.status_code == 400
    assert "Another identity provider answered" in answer.text
    assert issuer.asked["/token"] == 0
    assert await people(database) == 0


def test_an_error_of_the_provider_is_told_in_our_words(ann: Browser, issuer: StrangeIssuer) -> None:
    asked = leave(ann, issuer, "/sign-in?return_to=/graphql")
    params = {"error": "<b>server_error</b>", "state": asked["state"], "iss": issuer.url}
    answer = ann.get(CALLBACK, params=params)
    assert answer.status_code == 400
    assert "The identity provider refused the sign-in." in answer.text
    assert "server_error" not in answer.text
    assert ann.session is None


def test_an_issuer_named_twice_is_refused(ann: Browser, issuer: StrangeIssuer) -> None:
    asked = leave(ann, issuer)
    params = {"code": "code", "state": asked["state"], "iss": [issuer.url, "https://evil.example"]}
    assert ann.get(CALLBACK, params=params).status_code == 400
    assert ann.session is None
    assert issuer.asked["/token"] == 0


def test_a_provider_that_is_away_is_said_to_be_and_comes_back(
    ann: Browser, issuer: StrangeIssuer
) -> None:
    issuer.answers[DISCOVERY] = lambda _form: Response(status_code=503)
    away = ann.get("/sign-in?return_to=/graphql")
    assert away.status_code == 503
    assert "Retry-After" in away.headers
    assert "identity provider is away" in away.text
    assert "/sign-in?return_to=%2Fgraphql" in away.text
    del issuer.answers[DISCOVERY]
    assert come_back(ann, leave(ann, issuer)).status_code == 200


async def test_a_provider_that_goes_away_on_the_way_back_signs_nobody_in(
    ann: Browser, issuer: StrangeIssuer, database: Database
) -> None:
    asked = leave(ann, issuer, "/sign-in?return_to=/graphql")
    issuer.answers["/token"] = lambda _form: Response(status_code=502)
    away = come_back(ann, asked)
    assert away.status_code == 503
    assert "/sign-in?return_to=%2Fgraphql" in away.text
    assert ann.session is None
    assert await people(database) == 0
    del issuer.answers["/token"]
    assert come_back(ann, asked).status_code == 400, "the attempt is used up"
    assert come_back(ann, leave(ann, issuer)).status_code == 200


async def signed_in_ago(database: Database) -> timedelta:
    """Tell how old the sign-in of the one session is."""
    row = await database.row(select(col(Session.signed_in_at), col(Session.seen_at)))
    assert row is not None
    return row.seen_at - row.signed_in_at


@pytest.mark.parametrize(("auth_time_ago", "fresh"), [(0, True), (3600, False), (None, False)])
async def test_a_session_is_as_fresh_as_the_proof_behind_it(
    ann: Browser,
    issuer: StrangeIssuer,
    portal: Settings,
    database: Database,
    auth_time_ago: int | None,
    *,
    fresh: bool,
) -> None:
    asked = leave(ann, issuer)
    proved = None if auth_time_ago is None else issuer.at - auth_time_ago
    issuer.gives(issuer.sign(issuer.claims(auth_time=proved)))
    assert come_back(ann, asked).status_code == 200
    window = timedelta(minutes=portal.fresh_sign_in_minutes)
    assert (await signed_in_ago(database) < window) is fresh


async def test_a_fresh_sign_in_takes_a_new_proof_only(
    ann: Browser, issuer: StrangeIssuer, database: Database
) -> None:
    asked = leave(ann, issuer, "/sign-in?fresh=1")
    assert (asked["prompt"], asked["max_age"]) == ("login", "0")
    issuer.gives(issuer.sign(issuer.claims(auth_time=issuer.at - 120)))
    refused = come_back(ann, asked)
    assert refused.status_code == 400
    assert "did not ask again" in refused.text
    assert await people(database) == 0
    asked = leave(ann, issuer, "/sign-in?fresh=1")
    issuer.gives(issuer.sign(issuer.claims(auth_time=issuer.at)))
    assert come_back(ann, asked).status_code == 200


# Bearer tokens, as frontends of other origins send them.


def viewer_by(portal: Settings, token: str) -> tuple[int, Any]:
    """Ask GraphQL who the bearer of a token is."""
    answer = httpx2.post(
        f"{portal.base_url}/graphql",
        json={"query": "{ viewer { user { email } } }"},
        headers={"Authorization": f"Bearer {token}"},
        timeout=30,
    )
    return answer.status_code, answer.json()


def email_in(answer: tuple[int, Any]) -> str:
    """Read the bearer's address."""
    status, body = answer
    assert status == 200, body
    return str(body["data"]["viewer"]["user"]["email"])


def access(portal: Settings, issuer: StrangeIssuer, **changes: Any) -> str:
    """Make an access token for this portal."""
    return issuer.access_token(**{"aud": portal.base_url, **changes})


async def test_a_bearer_is_known_from_the_first_sight_on(
    portal: Settings, issuer: StrangeIssuer, database: Database
) -> None:
    for _ in range(2):
        assert email_in(viewer_by(portal, access(portal, issuer))) == "ann@example.com"
    assert issuer.asked["/userinfo"] == 1, "a known person is not asked for again"
    assert await people(database) == 1


REFUSED: dict[str, Callable[[Settings, StrangeIssuer], str]] = {
    "an ID token": lambda _portal, issuer: issuer.sign(issuer.claims()),
    "an ID token for our audience": lambda portal, issuer: issuer.sign(
        issuer.claims(aud=[portal.base_url, "r9s-portal"], azp="r9s-portal")
    ),
    "another audience": lambda portal, issuer: access(portal, issuer, aud="https://other.example"),
    "expired": lambda portal, issuer: access(portal, issuer, exp=issuer.at - 61),
    "another issuer": lambda portal, issuer: access(portal, issuer, iss="https://evil.example"),
    "another's signature": lambda portal, issuer: issuer.sign(
        issuer.access_claims(aud=portal.base_url), rsa_key("other"), kid="first", typ="at+jwt"
    ),
    "opaque": lambda _portal, _issuer: "opaque",
}


@pytest.mark.parametrize("make", REFUSED.values(), ids=REFUSED.keys())
async def test_a_token_that_is_not_for_us_is_nobodys(
    portal: Settings,
    issuer: StrangeIssuer,
    database: Database,
    make: Callable[[Settings, StrangeIssuer], str],
) -> None:
    status, body = viewer_by(portal, make(portal, issuer))
    assert status == 401
    assert "ann@example.com" not in str(body)
    assert await people(database) == 0


async def test_a_stranger_of_whom_somebody_else_is_told_is_not_taken_in(
    portal: Settings, issuer: StrangeIssuer, database: Database
) -> None:
    issuer.person["sub"] = "bob"
    assert viewer_by(portal, access(portal, issuer))[0] == 401
    assert await people(database) == 0


async def test_a_tokens_end_follows_the_databases_clock(
    portal: Settings, issuer: StrangeIssuer, shift_clock: Callable[[timedelta], None]
) -> None:
    token = access(portal, issuer)
    assert email_in(viewer_by(portal, token)) == "ann@example.com"
    shift_clock(timedelta(minutes=7))
    assert viewer_by(portal, token)[0] == 401


async def test_a_provider_that_is_away_makes_no_one_of_a_bearer(
    portal: Settings, issuer: StrangeIssuer, database: Database
) -> None:
    issuer.answers["/userinfo"] = lambda _form: Response(status_code=503)
    assert viewer_by(portal, access(portal, issuer))[0] == 503
    assert await people(database) == 0
    del issuer.answers["/userinfo"]
    assert email_in(viewer_by(portal, access(portal, issuer))) == "ann@example.com"
