"""GraphQL over HTTP: methods, media types, bodies, status codes."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.resolvers import accounts
from app.settings import Settings
from tests.scene import Scene
from tests.schema.conftest import Window, open_window

JSON = "application/json"
GRAPHQL_JSON = "application/graphql-response+json"
TYPENAME = {"query": "{ __typename }"}


@pytest.fixture
async def window(scene: Scene, settings: Settings) -> AsyncIterator[Window]:
    """Open the sandbox's window."""
    async for opened in open_window(scene, settings):
        yield opened


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        (JSON, JSON),
        (GRAPHQL_JSON, GRAPHQL_JSON),
        (f"{GRAPHQL_JSON}, {JSON};q=0.9", GRAPHQL_JSON),
        (f"{GRAPHQL_JSON};q=0.5, {JSON}", JSON),
        (f"text/event-stream, {JSON}", JSON),
        (f"multipart/mixed, {GRAPHQL_JSON}, {JSON}, text/event-stream", GRAPHQL_JSON),
        ("APPLICATION/JSON; charset=utf-8", JSON),
    ],
)
async def test_the_answer_comes_in_the_media_type_that_is_accepted(
    window: Window, accept: str | None, media_type: str
) -> None:
    headers = {"accept": accept} if accept is not None else {"accept": ""}
    response = await window.post(TYPENAME, **headers)
    assert response.status_code == 200
    assert response.headers["content-type"] == f"{media_type}; charset=utf-8"
    assert response.headers["cache-control"] == "no-store"
    assert response.json() == {"data": {"__typename": "Query"}}


@pytest.mark.parametrize("accept", ["text/event-stream", "text/html", f"{JSON};q=0", "image/*"])
async def test_other_media_types_are_406(window: Window, accept: str) -> None:
    response = await window.post(TYPENAME, accept=accept)
    assert response.status_code == 406
    assert response.json()["errors"][0]["extensions"]["code"] == "NOT_ACCEPTABLE"


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "application/graphql",
        "",
        "application/json; charset=utf-16",
    ],
)
async def test_other_bodies_are_415(window: Window, content_type: str) -> None:
    response = await window.post(b'{"query": "{ __typename }"}', content_type=content_type)
    assert response.status_code == 415
    assert response.json()["errors"][0]["extensions"]["code"] == "UNSUPPORTED_MEDIA_TYPE"


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "HEAD"])
async def test_other_methods_are_405_and_run_nothing(window: Window, method: str) -> None:
    response = await window.client.request(method, "/graphql?query={__typename}")
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"null",
        b'"{ __typename }"',
        b"{}",
        b'{"query": null}',
        b'{"query": ""}',
        b'{"query": 1}',
        b'[{"query": "{ __typename }"}]',
        b'{"query": "{ __typename }", "variables": []}',
        b'{"query": "{ __typename }", "variables": "x"}',
        b'{"query": "{ __typename }", "operationName": 1}',
        b'{"query": "{ __typename }", "extensions": 1}',
        b'{"query": "{ __typename }", "query": "{ viewer { user { id } } }"}',
        b'{"query": "{ __typename }", "variables": {"a": NaN}}',
        b'{"query": "{ __typename }", "variables": {"a": "\\ud800"}}',
        b'{"query": "{ __typename }", "variables": {"a": ' + b"[" * 30_000 + b"]" * 30_000 + b"}}",
    ],
)
async def test_bodies_that_cannot_be_read_are_400_with_a_code(window: Window, body: bytes) -> None:
    response = await window.post(body)
    assert response.status_code == 400
    [error] = response.json()["errors"]
    assert error["extensions"]["code"] == "BAD_REQUEST"
    assert error["extensions"]["status"] == 400
    assert error["extensions"]["requestId"]


@pytest.mark.parametrize(
    "body",
    [
        {"query": "{"},
        {"query": "{ nothing }"},
        {"query": "fragment f on Query { __typename }"},
        {"query": "query A { __typename } query B { __typename }"},
        {"query": "query A { __typename }", "operationName": "C"},
        {"query": "subscription { __typename }"},
        {"query": "query($id: ID!) { node(id: $id) { id } }"},
        {"query": "query($id: ID!) { node(id: $id) { id } }", "variables": {"id": {}}},
        {"query": "{ viewer }"},
        {"query": "{ ...f } fragment f on Query { ...f }"},
    ],
)
async def test_invalid_documents_are_400_by_the_new_media_type_and_200_by_the_old(
    window: Window, body: dict[str, Any]
) -> None:
    for accept, status in ((GRAPHQL_JSON, 400), (JSON, 200)):
        response = await window.post(body, accept=accept)
        assert response.status_code == status, response.text
        assert response.json().get("data") is None
        codes = {one["extensions"]["code"] for one in response.json()["errors"]}
        assert codes == {"BAD_REQUEST"}


async def test_the_named_operation_runs(window: Window) -> None:
    query = "query A { a: __typename } query B { b: __typename }"
    response = await window.post({"query": query, "operationName": "B"})
    assert response.json() == {"data": {"b": "Query"}}
    response = await window.post({"query": "query A { a: __typename }", "operationName": ""})
    assert response.json() == {"data": {"a": "Query"}}


async def test_an_error_while_running_is_200_in_both_media_types(window: Window) -> None:
    for accept in (JSON, GRAPHQL_JSON):
        response = await window.post({"query": "{ viewer { user { id } } }"}, accept=accept)
        assert response.status_code == 200
        assert response.json()["data"] is None


async def test_a_bad_bearer_is_401_with_a_challenge(window: Window) -> None:
    response = await window.post(TYPENAME, "nobody")
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_what_takes_too_long_is_stopped(
    scene: Scene, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = False

    async def slow(*_args: Any) -> Any:
        nonlocal stopped
        try:
            await asyncio.Event().wait()
        finally:
            stopped = True

    monkeypatch.setattr(accounts, "account_by_slug", slow)
    # The least that the setting takes is a second; nothing here depends on how long it is.
    quick = settings.model_copy(update={"query_seconds": 0.01})
    async for opened in open_window(scene, quick):
        response = await opened.post({"query": '{ account(slug: "x") { id } }'})
        assert response.status_code == 503
        assert response.headers["retry-after"]
        assert response.json()["errors"][0]["extensions"]["code"] == "UNAVAILABLE"
    assert stopped


async def test_allowed_origins_get_cors_without_credentials_and_others_none(
    scene: Scene, settings: Settings
) -> None:
    origin = "https://app.example.com"
    asked = {
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization",
    }
    async for opened in open_window(
        scene, settings.model_copy(update={"allowed_origins": (origin,)})
    ):
        allowed = await opened.client.options("/graphql", headers={"origin": origin, **asked})
        assert allowed.status_code == 200
        assert allowed.headers["access-control-allow-origin"] == origin
        assert "access-control-allow-credentials" not in allowed.headers
        other = {"origin": "https://evil.example.com", **asked}
        refused = await opened.client.options("/graphql", headers=other)
        assert "access-control-allow-origin" not in refused.headers
        response = await opened.post(TYPENAME, origin=origin)
        assert response.headers["access-control-allow-origin"] == origin
    async for opened in open_window(scene, settings):
        none = await opened.client.options("/graphql", headers={"origin": origin, **asked})
        assert none.status_code == 405
