"""The edge: hosts, bodies, cross-site changes."""

from collections.abc import AsyncIterator

import pytest

from tests.web.conftest import Edge

OWN = "http://127.0.0.1:8000"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8000", "localhost:1", "LOCALHOST"])
async def test_our_own_hosts_are_served(edge: Edge, host: str) -> None:
    client = await edge()
    assert (await client.get("/", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "127.0.0.1@evil.example",
        "evil.example#127.0.0.1",
        "127.0.0.1/sign-in",
        "127.0.0.1:99999999",
        "127.0.0.1, evil.example",
        "",
    ],
)
async def test_foreign_hosts_are_refused(edge: Edge, host: str) -> None:
    client = await edge()
    for path in ("/", "/graphql", "/sign-in", "/health/live"):
        answer = await client.get(path, headers={"Host": host})
        assert answer.status_code == 400
        assert answer.json()["code"] == "bad_request"


async def test_two_host_headers_are_refused(edge: Edge) -> None:
    client = await edge()
    headers = [("Host", "127.0.0.1"), ("Host", "127.0.0.1")]
    assert (await client.get("/", headers=headers)).status_code == 400


async def test_hosts_of_the_settings_are_served(edge: Edge) -> None:
    client = await edge(allowed_hosts="portal.internal")
    assert (await client.get("/", headers={"Host": "portal.internal"})).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 303),
        ({"Sec-Fetch-Site": "same-origin", "Origin": OWN}, 303),
        ({"Origin": OWN}, 303),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": OWN}, 403),
        ({"Sec-Fetch-Site": "same-origin, cross-site"}, 403),
        ({"Origin": "http://127.0.0.1:8001"}, 403),
        ({"Origin": "https://127.0.0.1:8000"}, 403),
        ({"Origin": "http://127.0.0.1:8000.evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Referer": OWN + "/"}, 403),
        ({}, 403),
    ],
)
async def test_a_change_has_to_come_from_our_own_pages(
    edge: Edge, headers: dict[str, str], status: int
) -> None:
    client = await edge()
    answer = await client.post("/sign-out", headers=headers)
    assert answer.status_code == status


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "PROPFIND"])
async def test_every_unsafe_method_is_guarded(edge: Edge, method: str) -> None:
    client = await edge()
    answer = await client.request(method, "/", headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403


async def test_a_bearer_caller_needs_no_origin(edge: Edge) -> None:
    client = await edge()
    answer = await client.post(
        "/graphql",
        json={"query": "{ __typename }"},
        headers={"Authorization": "Bearer nonsense", "Sec-Fetch-Site": "cross-site"},
    )
    assert answer.status_code == 401


async def test_a_body_that_says_it_is_too_large_is_refused_unread(edge: Edge) -> None:
    client = await edge(body_bytes=2000)
    answer = await client.post("/graphql", content=b"x" * 2001, headers={"Origin": OWN})
    assert answer.status_code == 413
    assert answer.json()["code"] == "too_large"


async def test_a_body_that_does_not_say_its_length_is_cut_off(edge: Edge) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 500

    client = await edge(body_bytes=2000)
    headers = {"Origin": OWN, "Content-Type": "application/json"}
    answer = await client.post("/graphql", content=endless(), headers=headers)
    assert answer.status_code == 413


@pytest.mark.parametrize("length", ["-1", "1e3", "", "٣", "9" * 5000])
async def test_a_length_that_is_none_is_refused(edge: Edge, length: str) -> None:
    client = await edge()
    headers = [("Origin", OWN), ("Content-Length", length.encode())]
    answer = await client.post("/sign-out", headers=headers)
    assert answer.status_code in (400, 413)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("PUT", "/", 405, "method_not_allowed"),
        ("GET", "/sign-out", 405, "method_not_allowed"),
        ("GET", "/nowhere", 404, "not_found"),
        ("GET", "/static/0000000000000000/portal.css", 404, "not_found"),
        ("GET", "/static/../main.py", 404, "not_found"),
    ],
)
async def test_what_the_router_refuses_is_a_problem_with_its_code(
    edge: Edge, method: str, path: str, status: int, code: str
) -> None:
    client = await edge()
    answer = await client.request(method, path, headers={"Origin": OWN})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == code
    if status == 405:
        assert answer.headers["allow"]


async def test_an_error_of_ours_shows_nothing_of_itself(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.web import home  # noqa: PLC0415

    def broken(*_args: object) -> None:
        raise RuntimeError("SELECT secret FROM users")

    client = await edge()
    monkeypatch.setattr(home, "WelcomePage", broken)
    for accept in ("*/*", "text/html"):
        answer = await client.get("/", headers={"Accept": accept})
        assert answer.status_code == 500
        assert "SELECT" not in answer.text
        assert "Traceback" not in answer.text
        assert answer.headers["x-request-id"] in answer.text
        assert answer.headers["content-security-policy"]
