"""The sandbox's issuer refuses what a real one would, and gives what it should once."""

import base64
import hashlib
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, quote_plus, urlsplit

import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from starlette.applications import Starlette
from starlette.routing import Mount

from app import demo
from app.sandbox.clock import process_time
from app.sandbox.identity import Issuer
from app.sandbox.people import DEMO
from app.settings import SAMPLE_SECRET, Settings
from tests.integrations.serving import listening, serving
from tests.web.conftest import Forms

PORTAL = "http://127.0.0.1:8000"
VERIFIER = "v" * 43
CHALLENGE = (
    base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
)
ASKED = {
    "client_id": "r9s-portal",
    "redirect_uri": f"{PORTAL}/sign-in/callback",
    "response_type": "code",
    "scope": "openid email profile",
    "state": "state",
    "nonce": "nonce",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}
HOSTILE = '"><script>alert(1)</script>'


class Client:
    """A client of the sandbox's issuer."""

    def __init__(self, issuer: Issuer, url: str) -> None:
        self.issuer = issuer
        self.url = url

    def ask(self, **changes: Any) -> httpx2.Response:
        """Ask for a sign-in; None takes a parameter away."""
        asked = {k: v for k, v in {**ASKED, **changes}.items() if v is not None}
        return httpx2.get(f"{self.url}/authorize", params=asked, timeout=30)

    def sign_in(self, email: str = "ann@example.com", **fields: str) -> httpx2.Response:
        """Fill in the page's form and send it."""
        form = Forms(self.ask().text).found[0]
        data = {**form["fields"], "email": email, **fields}
        return httpx2.post(f"{self.url}/authorize", data=data, timeout=30)

    def code(self, **fields: str) -> str:
        """Sign in and take the code."""
        return said(self.sign_in(**fields))["code"]

    def trade(self, code: str, **changes: str) -> httpx2.Response:
        """Trade a code for tokens, as this client unless something is changed."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": ASKED["redirect_uri"],
            "code_verifier": VERIFIER,
            "client_id": "r9s-portal",
            "client_secret": SAMPLE_SECRET,
        }
        return httpx2.post(f"{self.url}/token", data={**form, **changes}, timeout=30)

    def userinfo(self, token: str, scheme: str = "Bearer") -> httpx2.Response:
        """Ask whose a token is."""
        headers = {"Authorization": f"{scheme} {token}"}
        return httpx2.get(f"{self.url}/userinfo", headers=headers, timeout=30)

    def claims(self, token: str) -> dict[str, Any]:
        """Read a token by the published keys."""
        keys = KeySet.import_key_set(httpx2.get(f"{self.url}/jwks.json", timeout=30).json())
        return dict(jwt.decode(token, keys, algorithms=["RS256"]).claims)


def said(answer: httpx2.Response) -> dict[str, str]:
    """Read what goes back to the client."""
    assert answer.status_code == 303
    address = urlsplit(answer.headers["location"])
    assert address._replace(query="").geturl() == ASKED["redirect_uri"]
    return {name: values[0] for name, values in parse_qs(address.query).items()}


@pytest.fixture
def client() -> Iterator[Client]:
    """Serve an issuer alone."""
    port = listening()
    url = f"http://127.0.0.1:{port.getsockname()[1]}/sandbox/identity"
    issuer = Issuer(Settings(_env_file=None, base_url=PORTAL), url)
    with serving(Starlette(routes=[Mount("/sandbox/identity", routes=issuer.routes())]), port):
        yield Client(issuer, url)


def test_it_describes_itself_as_it_is(client: Client) -> None:
    found = httpx2.get(f"{client.url}/.well-known/openid-configuration", timeout=30).json()
    assert found["issuer"] == client.url
    assert found["id_token_signing_alg_values_supported"] == ["RS256"]
    assert found["code_challenge_methods_supported"] == ["S256"]
    assert all(
        found[name].startswith(client.url + "/")
        for name in ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri")
    )
    keys = httpx2.get(found["jwks_uri"], timeout=30).json()["keys"]
    assert all("d" not in key and key["kty"] == "RSA" for key in keys)


def test_a_sign_in_gives_tokens_that_say_who_and_for_whom(client: Client) -> None:
    back = said(client.sign_in("Ann.Lee@Example.com"))
    assert (back["state"], back["iss"]) == ("state", client.url)
    answer = client.trade(back["code"])
    assert answer.headers["cache-control"] == "no-store"
    given = answer.json()
    claims = client.claims(given["id_token"])
    assert (claims["iss"], claims["aud"], claims["nonce"]) == (client.url, "r9s-portal", "nonce")
    assert (claims["email"], claims["email_verified"]) == ("Ann.Lee@example.com", True)
    assert claims["name"] == "Ann Lee"
    access = client.claims(given["access_token"])
    assert (access["aud"], access["sub"]) == (PORTAL, claims["sub"])
    assert "email" not in access
    assert client.userinfo(given["access_token"]).json()["sub"] == claims["sub"]


def test_an_address_is_one_person_whatever_its_case(client: Client) -> None:
    subjects = {
        client.claims(client.trade(client.code(email=email)).json()["id_token"])["sub"]
        for email in ("ann@example.com", "ANN@example.com", " ann@example.com ")
    }
    assert len(subjects) == 1


def test_an_address_may_be_not_verified(client: Client) -> None:
    given = client.trade(client.code(unverified="1")).json()
    assert client.claims(given["id_token"])["email_verified"] is False


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": None}, "unsupported_response_type"),
        ({"scope": "email profile"}, "invalid_scope"),
        ({"scope": None}, "invalid_scope"),
        ({"scope": "openidconnect"}, "invalid_scope"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"max_age": "soon"}, "invalid_request"),
        ({"nonce": ["a", "b"]}, "invalid_request"),
        ({"prompt": "none"}, "login_required"),
    ],
)
def test_a_request_that_is_wrong_goes_back_with_its_error(
    client: Client, changes: dict[str, Any], error: str
) -> None:
    back = said(client.ask(**changes))
    assert back == {"error": error, "state": "state", "iss": client.url}


@pytest.mark.parametrize("changes", [{"prompt": "login"}, {"max_age": "0"}, {"nonce": None}])
def test_a_request_that_is_unusual_is_served(client: Client, changes: dict[str, Any]) -> None:
    assert client.ask(**changes).status_code == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": None},
        {"client_id": "another"},
        {"redirect_uri": None},
        {"redirect_uri": "https://evil.example/"},
        {"redirect_uri": f"{PORTAL}/sign-in/callback/"},
        {"redirect_uri": f"{PORTAL}/sign-in/callback?x=1"},
    ],
)
def test_nobody_is_sent_to_an_address_that_is_not_known(
    client: Client, changes: dict[str, Any]
) -> None:
    answer = client.ask(**changes)
    assert answer.status_code == 400
    assert "location" not in answer.headers
    assert "evil.example" not in answer.text


def test_the_page_sends_back_what_was_asked_and_checks_it_again(client: Client) -> None:
    form = Forms(client.ask().text).found[0]
    assert {**ASKED, **form["fields"]} == form["fields"] | ASKED
    for name in ("client_id", "redirect_uri"):
        data = {**form["fields"], "email": "a@example.com", name: "https://evil.example"}
        answer = httpx2.post(f"{client.url}/authorize", data=data, timeout=30)
        assert answer.status_code == 400


@pytest.mark.parametrize(
    "email",
    ["", "ann", "ann@", "@example.com", "a b@example.com", "a@b@c", "x" * 300 + "@e.com", HOSTILE],
)
def test_what_is_no_address_gets_a_sentence(client: Client, email: str) -> None:
    answer = client.sign_in(email, name=HOSTILE)
    assert answer.status_code == 422
    assert "This is no e-mail address." in answer.text
    assert "<script>" not in answer.text
    form = Forms(answer.text).found[0]
    assert form["fields"]["email"] == email
    assert form["fields"]["state"] == "state"


def test_a_hint_fills_in_the_address(client: Client) -> None:
    page = client.ask(login_hint=HOSTILE).text
    assert Forms(page).found[0]["fields"]["email"] == HOSTILE
    assert "<script>" not in page


def test_ending_the_sign_in_says_so(client: Client) -> None:
    assert said(client.sign_in("", cancel="1"))["error"] == "access_denied"


def test_a_code_works_once(client: Client) -> None:
    code = client.code()
    assert client.trade(code).status_code == 200
    again = client.trade(code)
    assert (again.status_code, again.json()) == (400, {"error": "invalid_grant"})


@pytest.mark.parametrize(
    "changes",
    [
        {"code": "forged"},
        {"code_verifier": "w" * 43},
        {"code_verifier": ""},
        {"code_verifier": CHALLENGE},
        {"redirect_uri": "https://evil.example/"},
        {"redirect_uri": ""},
    ],
)
def test_a_code_with_something_else_than_it_was_made_for_is_gone(
    client: Client, changes: dict[str, str]
) -> None:
    code = client.code()
    answer = client.trade(**{"code": code, **changes})
    assert (answer.status_code, answer.json()) == (400, {"error": "invalid_grant"})
    if "code" not in changes:
        assert client.trade(code).status_code == 400


def test_a_code_ends_after_a_minute(client: Client) -> None:
    code = client.code()

    async def later() -> Any:
        return await process_time() + timedelta(seconds=61)

    client.issuer.clock = later
    assert client.trade(code).json() == {"error": "invalid_grant"}


@pytest.mark.parametrize(
    "changes",
    [
        {"client_secret": "wrong"},
        {"client_secret": ""},
        {"client_id": "another"},
        {"client_id": ""},
    ],
)
def test_only_the_client_trades(client: Client, changes: dict[str, str]) -> None:
    code = client.code()
    answer = client.trade(code, **changes)
    assert (answer.status_code, answer.json()) == (401, {"error": "invalid_client"})
    assert client.trade(code).status_code == 200, "the code waits for its client"


@pytest.mark.parametrize(
    ("basic", "status"),
    [
        (f"r9s-portal:{quote_plus(SAMPLE_SECRET)}", 200),
        ("r9s-portal:wrong", 401),
        ("r9s-portal", 401),
    ],
)
def test_a_client_may_prove_itself_in_the_header(client: Client, basic: str, status: int) -> None:
    form = {"grant_type": "authorization_code", "code": client.code()}
    form |= {"redirect_uri": ASKED["redirect_uri"], "code_verifier": VERIFIER}
    header = {"Authorization": "Basic " + base64.b64encode(basic.encode()).decode()}
    answer = httpx2.post(f"{client.url}/token", data=form, headers=header, timeout=30)
    assert answer.status_code == status


@pytest.mark.parametrize("header", ["Basic !!!", "Basic /w==", "Basic", "Bearer x"])
def test_a_header_that_cannot_be_read_is_no_client(client: Client, header: str) -> None:
    form = {"grant_type": "authorization_code", "code": client.code()}
    answer = httpx2.post(
        f"{client.url}/token", data=form, headers={"Authorization": header}, timeout=30
    )
    assert answer.status_code == 401


def test_another_kind_of_grant_is_not_given(client: Client) -> None:
    answer = client.trade(client.code(), grant_type="password")
    assert answer.json() == {"error": "unsupported_grant_type"}


def test_only_a_live_access_token_tells_who(client: Client) -> None:
    given = client.trade(client.code()).json()
    access = given["access_token"]
    assert client.userinfo(access).json()["email"] == "ann@example.com"
    for token in (given["id_token"], access[:-4] + "AAAA", "nonsense"):
        answer = client.userinfo(token)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
    assert client.userinfo(access, "Basic").status_code == 401

    async def later() -> Any:
        return await process_time() + timedelta(hours=1, seconds=1)

    client.issuer.clock = later
    assert client.userinfo(access).status_code == 401


def test_the_demos_people_have_one_name_everywhere() -> None:
    assert {one.email: one.name for one in demo.PEOPLE}.items() <= DEMO.items()


def test_a_click_signs_in_as_one_of_the_demo(client: Client) -> None:
    forms = Forms(client.ask().text).found[1:]
    assert [one["fields"]["email"] for one in forms] == list(DEMO)
    answer = httpx2.post(f"{client.url}/authorize", data=forms[3]["fields"], timeout=30)
    claims = client.claims(client.trade(said(answer)["code"]).json()["id_token"])
    assert claims["name"] == "Tomás Herrera"


def test_the_pages_say_what_they_are_and_look_so(client: Client) -> None:
    page = client.ask().text
    assert "Sandbox: a stand-in" in page
    sheet = httpx2.get(urlsplit(client.url)._replace(path="/sandbox/identity/style.css").geturl())
    assert sheet.headers["content-type"].startswith("text/css")
