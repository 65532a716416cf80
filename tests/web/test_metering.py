"""The gateway's window over HTTP: what it answers, what it refuses, and that a refusal changes nothing."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest

from app.main import create_app
from app.resolvers import gateways
from app.settings import Settings
from tests.metering.desk import MODEL, Desk, desk_of
from tests.scene import Scene

CREDIT = 1_000_000


@asynccontextmanager
async def client_of(settings: Settings, token: str) -> AsyncIterator[httpx2.AsyncClient]:
    """Serve the service in this process, for a gateway."""
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(
            transport=transport,
            base_url=settings.base_url,
            headers={"Authorization": f"Bearer {token}"},
        ) as client:
            yield client


@pytest.fixture
async def desk(scene: Scene) -> AsyncIterator[Desk]:
    """Open a desk with ten credits."""
    async with desk_of(scene, 10 * CREDIT) as one:
        yield one


@pytest.fixture
async def gateway(desk: Desk, settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    """Make the gateway's client."""
    async with client_of(settings, desk.token) as client:
        yield client


def settling(hold_id: str, **more: Any) -> dict[str, Any]:
    """Write the body of a settlement."""
    return {
        "hold_id": hold_id,
        "event_id": "event-1",
        "model": MODEL,
        "prompt_tokens": 1000,
        "completion_tokens": 250,
        "cost": "0.5",
    } | more


async def test_a_call_goes_through_all_four_doors(desk: Desk, gateway: httpx2.AsyncClient) -> None:
    secret = await desk.key()
    body = {"request_id": "request-1", "key": secret, "amount": "1.5", "tag": "a tag"}
    granted = await gateway.post("/metering/authorize", json=body)
    assert granted.status_code == 200, granted.text
    hold = granted.json()
    assert set(hold) == {
        "hold_id",
        "amount",
        "expires_at",
        "account_id",
        "member_id",
        "api_key_id",
    }
    assert hold["amount"] == "1.500000"
    assert datetime.fromisoformat(hold["expires_at"]).tzinfo
    assert granted.headers["x-request-id"]
    assert granted.headers["cache-control"] == "no-store"
    again = await gateway.post("/metering/authorize", json=body)
    assert again.json() == hold
    other = await gateway.post("/metering/authorize", json=body | {"amount": "1.6"})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")

    booked = await gateway.post("/metering/settle", json=settling(hold["hold_id"]))
    assert booked.status_code == 200, booked.text
    assert booked.json()["cost"] == "0.500000"
    again = await gateway.post("/metering/settle", json=settling(hold["hold_id"]))
    assert again.json() == booked.json()
    other = await gateway.post("/metering/settle", json=settling(hold["hold_id"], cost="0.6"))
    assert (other.status_code, other.json()["code"]) == (409, "event_mismatch")
    refused = await gateway.post("/metering/release", json={"hold_id": hold["hold_id"]})
    assert (refused.status_code, refused.json()["code"]) == (409, "hold_not_open")

    refused = await gateway.post("/metering/release", json={"hold_id": "x"})
    assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
    await desk.scene.promises()


async def test_events_get_a_result_each(desk: Desk, gateway: httpx2.AsyncClient) -> None:
    secret = await desk.key()
    body = {"request_id": "request-1", "key": secret, "amount": "1.5"}
    hold = (await gateway.post("/metering/authorize", json=body)).json()
    event = settling("", event_id="event-2", key=secret, occurred_at=hold["expires_at"])
    del event["hold_id"]
    event["occurred_at"] = (
        datetime.fromisoformat(hold["expires_at"]) - timedelta(minutes=10)
    ).isoformat()
    for status in ("recorded", "duplicate"):
        batch = await gateway.post("/metering/usage", json={"events": [event, {"event_id": "x"}]})
        assert batch.status_code == 200, batch.text
        one, two = batch.json()["results"]
        assert (one["status"], one["event_id"], one["cost"]) == (status, "event-2", "0.500000")
        assert (two["status"], two["event_id"], two["code"]) == ("refused", "x", "invalid")
    await desk.scene.promises()


async def test_an_amount_may_be_what_a_model_costs_at_most(
    desk: Desk, gateway: httpx2.AsyncClient
) -> None:
    body = {
        "request_id": "request-1",
        "key": await desk.key(),
        "model": MODEL,
        "max_prompt_tokens": 1000,
        "max_completion_tokens": 1000,
    }
    granted = await gateway.post("/metering/authorize", json=body)
    # 1,000 x 2 + 1,000 x 8 for a million.
    assert granted.json()["amount"] == "0.010000"
    unknown = body | {"request_id": "request-2", "model": "nope/nope"}
    refused = await gateway.post("/metering/authorize", json=unknown)
    assert (refused.status_code, refused.json()["code"]) == (422, "unknown_model")
    await desk.scene.promises()


async def test_a_refusal_is_a_problem_without_figures(
    desk: Desk, gateway: httpx2.AsyncClient
) -> None:
    body = {"request_id": "request-1", "key": await desk.key(), "amount": "10.000001"}
    before = await desk.scene.snapshot()
    refused = await gateway.post(
        "/metering/authorize", json=body, headers={"X-Request-Id": "a-request-id"}
    )
    assert refused.status_code == 402
    assert refused.headers["content-type"] == "application/problem+json"
    problem = refused.json()
    assert problem["code"] == "insufficient_credits"
    assert problem["request_id"] == refused.headers["x-request-id"] == "a-request-id"
    assert problem["instance"] == "/metering/authorize"
    assert not any(letter.isdigit() for letter in problem["detail"])
    assert await desk.scene.snapshot() == before
    # A refusal is not remembered.
    granted = await gateway.post("/metering/authorize", json=body | {"amount": "10"})
    assert granted.status_code == 200
    await desk.quota(desk.owner, 1)
    used_up = await gateway.post("/metering/authorize", json=body | {"request_id": "r2"})
    assert (used_up.status_code, used_up.json()["code"]) == (403, "quota_exceeded")
    assert used_up.json()["resets_at"].endswith("-01T00:00:00Z")


async def test_what_is_sent_twice_is_neither(desk: Desk, gateway: httpx2.AsyncClient) -> None:
    body = {"request_id": "request-1", "key": await desk.key(), "amount": "1"}

    async def answered(name: str, *values: str) -> httpx2.Response:
        headers = [(name, value) for value in values]
        return await gateway.post("/metering/authorize", json=body, headers=headers)

    json_twice = await answered("content-type", "application/json", "application/json")
    assert json_twice.status_code == 415
    bearer = gateway.headers["authorization"]
    assert (await answered("authorization", bearer, bearer)).status_code == 401
    assert (await answered("host", gateway.base_url.host, gateway.base_url.host)).status_code == 400
    ids = ("an-id-of-mine", "another-of-mine")
    granted = await answered("x-request-id", *ids)
    assert granted.status_code == 200
    assert granted.headers["x-request-id"] not in {*ids, ", ".join(ids)}


AUTHORIZE = {"request_id": "r", "key": "KEY", "amount": "1"}
SETTLE = settling("hld_" + "0" * 32)


NONSENSE = (
    ("authorize", {"amount": "-1"}, 422, "invalid"),
    ("authorize", {"amount": "0.0000001"}, 422, "invalid"),
    ("authorize", {"amount": "1e3"}, 422, "invalid"),
    ("authorize", {"amount": "NaN"}, 422, "invalid"),
    ("authorize", {"amount": True}, 422, "invalid"),
    ("authorize", {"amount": None}, 422, "invalid"),
    ("authorize", {"amount": "9" * 14}, 422, "invalid"),
    ("authorize", {"min_amount": "2"}, 422, "invalid"),
    ("authorize", {"min_amount": "-1"}, 422, "invalid"),
    ("authorize", {"ttl_seconds": 0}, 422, "invalid"),
    ("authorize", {"ttl_seconds": 86_401}, 422, "invalid"),
    ("authorize", {"ttl_seconds": 1.5}, 422, "invalid"),
    ("authorize", {"ttl_seconds": "60"}, 422, "invalid"),
    ("authorize", {"request_id": ""}, 422, "invalid"),
    ("authorize", {"request_id": 1.5}, 422, "invalid"),
    ("authorize", {"request_id": "a\u0000b"}, 422, "invalid"),
    ("authorize", {"request_id": "r" * 256}, 422, "invalid"),
    ("authorize", {"tag": "\u202e"}, 422, "invalid"),
    ("authorize", {"model": MODEL}, 422, "invalid"),
    ("authorize", {"self": 1, "detail": 2}, 422, "invalid"),
    ("authorize", {"key": "sk_nothing"}, 401, "invalid_api_key"),
    ("authorize", {"key": 5}, 422, "invalid"),
    ("settle", {}, 404, "not_found"),
    ("settle", {"hold_id": "acc_" + "0" * 32}, 404, "not_found"),
    ("settle", {"prompt_tokens": -1}, 422, "invalid"),
    ("settle", {"prompt_tokens": 10**10}, 422, "invalid"),
    ("settle", {"prompt_tokens": 1.0}, 422, "invalid"),
    ("settle", {"prompt_tokens": True}, 422, "invalid"),
    ("settle", {"cached_tokens": 1001}, 422, "invalid"),
    ("settle", {"reasoning_tokens": 251}, 422, "invalid"),
    ("settle", {"completion_tokens": None}, 422, "invalid"),
    ("settle", {"cost": "-0.1"}, 422, "invalid"),
    ("settle", {"cost": "0.0000001"}, 422, "invalid"),
    ("settle", {"model": ""}, 422, "invalid"),
    ("settle", {"model": "a\u0000"}, 422, "invalid"),
    ("release", {"hold_id": "hld_" + "0" * 32}, 404, "not_found"),
    ("usage", {"events": []}, 422, "invalid"),
    ("usage", {"events": [{}] * 1001}, 422, "invalid"),
    ("usage", {"events": "x"}, 422, "invalid"),
)


async def test_what_makes_no_sense_is_refused_and_changes_nothing(
    scene: Scene, desk: Desk, gateway: httpx2.AsyncClient
) -> None:
    secret = await desk.key()
    before = await scene.snapshot()
    bodies = {"authorize": AUTHORIZE, "settle": SETTLE, "release": {}, "usage": {}}
    for path, change, status, code in NONSENSE:
        body = bodies[path] | change
        if body.get("key") == "KEY":
            body["key"] = secret
        refused = await gateway.post(f"/metering/{path}", json=body)
        told = (refused.status_code, refused.json()["code"])
        assert told == (status, code), (path, change, refused.text)
    assert await scene.snapshot() == before


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b'{"amount": NaN}', "application/json", 400),
        (b"\xff", "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b"{}", "text/plain", 415),
        (b"{}", "application/json; charset=utf-8", 422),
        (b" " * 1_048_577, "application/json", 413),
    ],
)
async def test_what_is_no_json_is_refused(
    gateway: httpx2.AsyncClient, content: bytes, kind: str, status: int
) -> None:
    refused = await gateway.post(
        "/metering/authorize", content=content, headers={"Content-Type": kind}
    )
    assert refused.status_code == status
    assert refused.headers["content-type"] == "application/problem+json"


async def test_only_a_gateway_is_served(desk: Desk, gateway: httpx2.AsyncClient) -> None:
    secret = await desk.key()
    for path in ("authorize", "settle", "release", "usage"):
        for bearer in (None, "", "x", secret, "gw_" + "0" * 46, desk.token[:-1] + "!"):
            headers = {"Authorization": f"Bearer {bearer}"} if bearer is not None else {}
            if bearer is None:
                headers = {"Authorization": ""}
            refused = await gateway.post(f"/metering/{path}", json={}, headers=headers)
            assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")
            assert refused.headers["www-authenticate"] == "Bearer"
    assert (await gateway.get("/metering/authorize")).status_code == 405
    assert (await gateway.post("/metering/nothing", json={})).status_code == 404
    foreign = await gateway.post("/metering/authorize", json={}, headers={"Host": "evil.test"})
    assert foreign.status_code == 400


async def test_a_gateway_has_a_rate_cap_of_its_own(
    desk: Desk, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(monotonic=lambda: 6010.5)
    monkeypatch.setattr("app.web.rate_limits.time", clock)
    capped = settings.model_copy(update={"rate_limit_gateway": 2})
    another = await gateways.create_gateway(desk.operator(), "another")
    second = await gateways.create_gateway(desk.operator(), "gateway")
    async with client_of(capped, desk.token) as client:

        async def ask(token: str) -> int:
            headers = {"Authorization": f"Bearer {token}"}
            body = {"hold_id": "x"}
            answer = await client.post("/metering/release", json=body, headers=headers)
            assert (answer.headers.get("retry-after") == "50") is (answer.status_code == 429)
            return answer.status_code

        # Whatever its token; another gateway has its own.
        asked = [desk.token, second, second, desk.token, another]
        assert [await ask(token) for token in asked] == [404, 404, 429, 429, 404]
        clock.monotonic = lambda: 6060.0
        assert await ask(second) == 404


def fits(shown: Any, given: Any) -> bool:
    """Tell whether an answer is as a page shows it; what the page cuts by "…" may go on in any way."""
    if isinstance(shown, dict):
        return shown.keys() == given.keys() and all(
            fits(shown[name], given[name]) for name in shown
        )
    if isinstance(shown, list):
        return all(fits(one, other) for one, other in zip(shown, given, strict=True))
    return given.startswith(shown[:-1]) if shown.endswith("…") else given == shown


async def test_the_recipe_of_the_docs_works(desk: Desk, gateway: httpx2.AsyncClient) -> None:
    page = (Path(__file__).parents[2] / "docs/gateways.md").read_text()
    calls = re.findall(r"^post (\w+) '(.*)'$", page, re.MULTILINE)
    answers = [json.loads(one) for one in re.findall(r"^# (\{.*\})$", page, re.MULTILINE)]
    assert [name for name, _body in calls] == ["authorize", "settle", "release", "usage"]
    secret = await desk.key()
    body = {"request_id": "spare", "key": secret, "amount": 1}
    spare = (await gateway.post("/metering/authorize", json=body)).json()
    at = datetime.fromisoformat(spare["expires_at"]) - timedelta(minutes=10)
    hold_id = ""
    for name, said in calls:
        told = said.replace("'$SK'", secret).replace("2026-11-24T12:00:00Z", at.isoformat())
        told = told.replace("hld_…", spare["hold_id"] if name == "release" else hold_id)
        given = await gateway.post(f"/metering/{name}", json=json.loads(told))
        assert given.status_code == 200, given.text
        hold_id = given.json().get("hold_id", hold_id)
        assert name == "release" or fits(answers.pop(0), given.json()), given.text
    await desk.scene.promises()


async def test_an_organizations_member_over_the_gate_is_known_by_wire_ids(
    desk: Desk, gateway: httpx2.AsyncClient
) -> None:
    body = {"request_id": "r", "key": await desk.key(), "amount": 1}
    hold = (await gateway.post("/metering/authorize", json=body)).json()
    assert hold["account_id"] == f"acc_{desk.account_id.hex}"
    member_id = await desk.scene.member_id(desk.account_id, desk.owner)
    assert hold["member_id"] == f"mem_{member_id.hex}"
    assert hold["hold_id"].startswith("hld_")
    assert hold["api_key_id"].startswith("key_")
