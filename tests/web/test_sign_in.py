"""Signing in at the sandbox's real issuer, and everything that must not sign anybody in."""

from collections.abc import Callable
from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from sqlalchemy import select
from sqlmodel import col

from app.database import Database
from app.models import Session
from app.settings import Settings
from tests.web.conftest import Browser, Edge

Shift = Callable[[timedelta], None]
CODE = "/sign-in/callback"


def leave(browser: Browser, path: str = "/sign-in") -> httpx2.Response:
    """Start a sign-in without following it."""
    answer = browser.get(path, follow_redirects=False)
    assert answer.status_code == 303
    return answer


def come_back(browser: Browser, started: httpx2.Response, email: str) -> str:
    """Go through the issuer and give the address that it leads back to, without going there."""
    page = browser.get(started.headers["location"])
    browser.follow_redirects = False
    try:
        answer = browser.submit(page, email=email)
    finally:
        browser.follow_redirects = True
    assert CODE in answer.headers["location"]
    return answer.headers["location"]


def test_a_person_signs_in_and_arrives_where_they_wanted(browser: Browser) -> None:
    arrived = browser.sign_in(
        "ann@example.com", "Ann", "/sign-in?return_to=/organizations/new%3Fx%3D1"
    )
    assert arrived.status_code == 200
    assert str(arrived.url) == f"{browser.settings.base_url}/organizations/new?x=1"
    assert "Ann" in arrived.text
    assert "ann@example.com" in arrived.text
    assert arrived.headers["cache-control"] == "no-store"


def test_a_foreign_place_to_return_to_leads_home(browser: Browser) -> None:
    arrived = browser.sign_in("ann@example.com", "", "/sign-in?return_to=//evil.example")
    assert str(arrived.url).startswith(f"{browser.settings.base_url}/a/")


def test_the_session_cookie_is_out_of_reach(browser: Browser) -> None:
    answer = browser.get(
        come_back(browser, leave(browser), "a@example.com"), follow_redirects=False
    )
    cookie = next(c for c in answer.headers.get_list("set-cookie") if c.startswith("session="))
    parts = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert {"httponly", "path=/", "samesite=lax"} <= parts
    assert "secure" not in parts
    assert not any(part.startswith("domain") for part in parts)


async def test_on_https_cookies_are_secure_and_bound_to_the_host(edge: Edge) -> None:
    client = await edge(base_url="https://127.0.0.1")
    answer = await client.post("/sign-out", headers={"Sec-Fetch-Site": "same-origin"})
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-session=")
    assert "secure" in cookie.lower()


def test_a_new_sign_in_gives_a_new_session_and_ends_the_old_one(browser: Browser) -> None:
    browser.sign_in("ann@example.com")
    old = browser.session
    browser.sign_in("ann@example.com")
    assert browser.session != old
    browser.cookies.set("session", old, domain="127.0.0.1", path="/")
    with Browser(browser.settings, cookies={"session": old}) as thief:
        assert "ann@example.com" not in thief.get("/").text


def test_two_tabs_sign_in_at_once(browser: Browser) -> None:
    first = leave(browser, "/sign-in?return_to=/graphql%3Ftab%3D1")
    second = leave(browser, "/sign-in?return_to=/graphql%3Ftab%3D2")
    back = [come_back(browser, tab, "ann@example.com") for tab in (first, second)]
    assert [str(browser.get(one).url)[-5:] for one in back] == ["tab=1", "tab=2"]


def test_a_callback_works_once(browser: Browser) -> None:
    back = come_back(browser, leave(browser), "ann@example.com")
    assert browser.get(back).status_code == 200
    session = browser.session
    again = browser.get(back)
    assert again.status_code == 400
    assert "Sign in again" in again.text
    assert browser.session == session


def test_another_browser_cannot_finish_a_sign_in(browser: Browser, other_browser: Browser) -> None:
    back = come_back(browser, leave(browser), "attacker@example.com")
    leave(other_browser)
    assert other_browser.get(back).status_code == 400
    assert other_browser.session is None
    assert browser.get(back).status_code == 200, "it is still good where it was started"


def test_a_browser_without_its_cookie_cannot_finish_a_sign_in(browser: Browser) -> None:
    back = come_back(browser, leave(browser), "ann@example.com")
    browser.cookies.clear()
    assert browser.get(back).status_code == 400
    assert browser.session is None


def test_a_mixed_sign_in_is_refused(browser: Browser) -> None:
    """The code of one attempt with the state of another: nonce and code verifier do not fit."""
    first, second = leave(browser), leave(browser)
    back = come_back(browser, first, "ann@example.com")
    code = parse_qs(urlsplit(back).query)["code"][0]
    state = parse_qs(urlsplit(second.headers["location"]).query)["state"][0]
    iss = browser.settings.oidc_issuer
    answer = browser.get(CODE, params={"code": code, "state": state, "iss": iss})
    assert answer.status_code == 400
    assert browser.session is None


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"state": "x"},
        {"code": "x"},
        {"code": "x", "state": "forged"},
        {"error": "access_denied", "state": "forged"},
        {"state": ["a", "b"], "code": "x"},
        {"state": "\x00", "code": "x"},
    ],
)
def test_a_forged_callback_signs_nobody_in(browser: Browser, params: dict) -> None:
    leave(browser)
    answer = browser.get(CODE, params=params)
    assert answer.status_code == 400
    assert browser.session is None


def test_a_sign_in_that_was_ended_offers_to_try_again(browser: Browser) -> None:
    started = leave(browser, "/sign-in?return_to=/graphql")
    state = parse_qs(urlsplit(started.headers["location"]).query)["state"][0]
    hostile = "<script>alert(1)</script>"
    params = {"error": "access_denied", "error_description": hostile, "state": state}
    params["iss"] = browser.settings.oidc_issuer
    answer = browser.get(CODE, params=params)
    assert answer.status_code == 400
    assert "return_to=%2Fgraphql" in answer.text
    assert hostile not in answer.text
    assert "You ended the sign-in" in answer.text


def test_a_sign_in_that_took_too_long_is_refused(browser: Browser, shift_clock: Shift) -> None:
    back = come_back(browser, leave(browser), "ann@example.com")
    shift_clock(timedelta(minutes=11))
    assert browser.get(back).status_code == 400
    assert browser.session is None


async def _seen(database: Database) -> datetime:
    row = await database.row(select(col(Session.seen_at)))
    assert row is not None
    return row[0]


async def _visit(browser: Browser, database: Database) -> bool:
    """Tell whether a visit is signed in; if so, wait until the service has noted the visit, after its answer."""
    before = await _seen(database)
    page = browser.get("/organizations/new", follow_redirects=False)
    if "ann@example.com" not in page.text:
        return False
    for _ in range(10_000):
        if await _seen(database) != before:
            return True
    pytest.fail("the visit was not noted")


async def test_an_idle_session_ends(
    browser: Browser, database: Database, shift_clock: Shift
) -> None:
    browser.sign_in("ann@example.com")
    shift_clock(timedelta(minutes=119))
    assert await _visit(browser, database)
    shift_clock(timedelta(minutes=119))
    assert await _visit(browser, database), "using it keeps it"
    shift_clock(timedelta(minutes=121))
    assert not await _visit(browser, database)


async def test_a_session_in_use_ends_after_its_hours(
    browser: Browser, database: Database, shift_clock: Shift
) -> None:
    browser.sign_in("ann@example.com")
    for _ in range(11):
        shift_clock(timedelta(minutes=60))
        assert await _visit(browser, database)
    shift_clock(timedelta(minutes=61))
    assert not await _visit(browser, database)


def test_signing_out_ends_this_session_alone(browser: Browser, other_browser: Browser) -> None:
    browser.sign_in("ann@example.com")
    other_browser.sign_in("ann@example.com")
    secret = browser.session
    left = browser.submit(browser.get("/"), "/sign-out")
    assert left.status_code == 200
    assert browser.session is None
    assert "ann@example.com" in other_browser.get("/").text
    with Browser(browser.settings, cookies={"session": secret}) as thief:
        assert "ann@example.com" not in thief.get("/").text


def test_signing_out_everywhere_ends_every_session(
    browser: Browser, other_browser: Browser
) -> None:
    browser.sign_in("ann@example.com")
    other_browser.sign_in("ann@example.com")
    browser.submit(browser.get("/"), "/sign-out-everywhere")
    assert "ann@example.com" not in other_browser.get("/").text


@pytest.mark.parametrize("token", ["", "x", "ünï"])
def test_a_form_of_another_session_changes_nothing(browser: Browser, token: str) -> None:
    browser.sign_in("ann@example.com")
    answer = browser.submit(browser.get("/"), "/sign-out", form_token=token)
    assert answer.status_code == 403
    assert "ann@example.com" in browser.get("/").text


def test_a_form_has_to_be_a_form(browser: Browser) -> None:
    browser.sign_in("ann@example.com")
    headers = {"Sec-Fetch-Site": "same-origin"}
    assert browser.post("/sign-out", json={}, headers=headers).status_code == 415
    assert "ann@example.com" in browser.get("/").text


def test_sign_ins_are_limited_by_address(site: Settings, browser: Browser) -> None:
    answers = [
        browser.get("/sign-in", follow_redirects=False).status_code
        for _ in range(site.rate_limit_sign_in + 1)
    ]
    assert answers[-1] == 429
    assert set(answers[:-1]) == {303}


def test_a_cookie_of_nonsense_is_nobody(browser: Browser) -> None:
    for value in ("x", "x" * 129, "a" * 4000, "%00"):
        with Browser(browser.settings, cookies={"session": value}) as one:
            assert one.get("/").status_code == 200
