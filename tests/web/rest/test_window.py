"""The door of the finance window: keys, methods, parameters, rate limits, traces."""

from itertools import product
from typing import Any

import pytest
from structlog.testing import capture_logs

from app.credentials import new_key_secret
from app.permissions import Role
from app.resolvers import api_keys, audit, management_keys, members, organizations
from app.settings import Settings
from tests.scene import Scene
from tests.web.rest.conftest import Finance, serve

PATHS = ("/balance", "/usage", "/ledger", "/invoices", "/members")


async def test_without_a_key_that_works_all_get_one_answer(finance: Finance) -> None:
    before = await finance.scene.snapshot()
    secrets = (
        "",
        "nonsense",
        new_key_secret("sk_mg_"),
        new_key_secret("gw_"),
        finance.secret[:-1] + ("a" if finance.secret[-1] != "a" else "b"),
        f"{finance.secret}x",
    )
    bodies = set()
    for path, secret in product(PATHS, secrets):
        answer = await finance.get(path, secret)
        assert answer.status_code == 401, secret
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["cache-control"] == "no-store"
        body = answer.json()
        assert body.pop("request_id") == answer.headers["x-request-id"]
        assert body.pop("instance") == path
        bodies.add(tuple(body.items()))
    (body,) = bodies
    assert dict(body)["code"] == "unauthenticated"
    await finance.traces.flush()
    assert await finance.scene.snapshot() == before


async def test_a_standard_key_is_of_the_wrong_kind_before_anything_is_looked_up(
    finance: Finance,
) -> None:
    viewer = finance.scene.fresh(finance.owner)
    real = (await api_keys.create_api_key(viewer, finance.account_id, "a")).secret
    seen: list[str] = []
    finance.app.state.services.database.on_statement(seen.append)
    for secret in (real, new_key_secret("sk_")):
        answer = await finance.get("/usage", secret)
        assert (answer.status_code, answer.json()["code"]) == (401, "wrong_key_type")
    assert seen == []
    # What is no well-formed key at all reaches no database either.
    assert (await finance.get("/usage", "sk_mg_short")).status_code == 401
    assert seen == []


async def test_a_key_works_until_it_is_revoked_or_its_maker_goes(finance: Finance) -> None:
    adam = finance.scene.fresh(finance.people["adam"])
    made = await management_keys.create_management_key(adam, finance.account_id, "Adam's")
    assert (await finance.get("/balance", made.secret)).status_code == 200
    await members.set_member_role(
        finance.scene.fresh(finance.owner), finance.members["adam"], Role.MEMBER
    )
    assert (await finance.get("/balance", made.secret)).status_code == 401
    owner = await finance.scene.owner(finance.account_id)
    own = await management_keys.create_management_key(owner, finance.account_id, "Own")
    await management_keys.revoke_management_key(finance.scene.fresh(owner), own.id)
    assert (await finance.get("/balance", own.secret)).status_code == 401
    await organizations.dissolve_organization(
        finance.scene.fresh(owner), finance.account_id, "Acme", None
    )
    assert (await finance.get("/balance")).status_code == 401


async def test_an_organizations_key_reads_nothing_of_another(finance: Finance) -> None:
    sam = await finance.scene.person("sam")
    other = await finance.scene.organization(sam, "Other")
    made = await management_keys.create_management_key(finance.scene.fresh(sam), other, "k")
    for path in PATHS:
        text = (await finance.get(path, made.secret)).text
        assert "olga@example.com" not in text
        assert "acme" not in text.lower()


async def test_other_methods_than_get_are_refused(finance: Finance) -> None:
    headers = {"Authorization": f"Bearer {finance.secret}"}
    for method in ("POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"):
        answer = await finance.client.request(method, "/usage", headers=headers)
        assert answer.status_code == 405
        assert answer.headers["allow"] == "GET"
        assert "ratelimit" in answer.headers


REFUSALS = [
    ("/usage?unknown=1", 400, "bad_request"),
    ("/usage?From=2026-01-01", 400, "bad_request"),
    ("/usage?from=2026-01-01&from=2026-01-02", 400, "bad_request"),
    ("/usage?limit=1&limit=1", 400, "bad_request"),
    ("/usage?cursor=nonsense", 400, "bad_request"),
    ("/usage?model=%FF", 400, "bad_request"),
    ("/balance?format=csv", 400, "bad_request"),
    ("/members?from=2026-01-01", 400, "bad_request"),
    ("/ledger?group_by=model", 400, "bad_request"),
    ("/usage?from=yesterday", 422, "invalid"),
    ("/usage?from=2026-01-01T00:00:00", 422, "invalid"),
    ("/usage?from=20260101", 422, "invalid"),
    ("/usage?from=2026-02-30", 422, "invalid"),
    ("/usage?from=2026-W01-1T00:00:00Z", 422, "invalid"),
    ("/usage?from=", 422, "invalid"),
    ("/usage?from=0001-01-01", 422, "invalid"),
    ("/usage?to=9999-12-31T23:59:59-23:00", 422, "invalid"),
    ("/usage?from=2026-02-01&to=2026-01-01", 422, "invalid"),
    ("/usage?from=2024-01-01&to=2026-01-01", 422, "invalid"),
    ("/usage?from=2024-01-01", 422, "invalid"),
    ("/usage?from=2026-01-01&to=2026-05-01&granularity=hour", 422, "invalid"),
    ("/usage?granularity=week", 422, "invalid"),
    ("/usage?group_by=model", 422, "invalid"),
    ("/usage?granularity=day&group_by=colour", 422, "invalid"),
    ("/usage?granularity=day&group_by=", 422, "invalid"),
    ("/usage?granularity=day&group_by=model,model", 422, "invalid"),
    ("/usage?time_zone=Mars/Base", 422, "invalid"),
    ("/usage?time_zone=", 422, "invalid"),
    ("/usage?time_zone=../../etc/passwd", 422, "invalid"),
    ("/usage?order=up", 422, "invalid"),
    ("/usage?limit=0", 422, "invalid"),
    ("/usage?limit=1001", 422, "invalid"),
    ("/usage?limit=1e2", 422, "invalid"),
    ("/usage?limit=%C2%B2", 422, "invalid"),
    ("/usage?format=xml", 422, "invalid"),
    ("/usage?model=", 422, "invalid"),
    ("/usage?tag=%00", 422, "invalid"),
    ("/balance?at=2999-01-01", 422, "invalid"),
    ("/usage?member_id=nonsense", 404, "not_found"),
    ("/usage?api_key_id=mem_00000000000000000000000000000000", 404, "not_found"),
]


async def test_what_cannot_be_read_or_makes_no_sense_is_refused_with_its_field(
    finance: Finance,
) -> None:
    for path, status, code in REFUSALS:
        answer = await finance.get(path)
        body = answer.json()
        assert (answer.status_code, body["code"]) == (status, code), (path, body)
        assert answer.headers["content-type"] == "application/problem+json"
        assert "ratelimit" in answer.headers
        if code == "invalid":
            assert body["errors"][0]["message"]
            named = (*path.replace("=", "?").replace("&", "?").split("?"), "to")
            assert body["errors"][0]["field"] in named, path


async def test_formats_that_are_not_given_are_not_acceptable(finance: Finance) -> None:
    for path in PATHS:
        await _check_formats(finance, path)


async def _check_formats(finance: Finance, path: str) -> None:
    for accept in ("application/xml", "image/png, text/html", "application/json;q=0", "*/*;q=inf"):
        answer = await finance.get(path, accept=accept)
        assert (answer.status_code, answer.json()["code"]) == (406, "not_acceptable")
    for accept in ("*/*", "text/html,*/*;q=0.8", "application/json, text/csv;q=0.5"):
        answer = await finance.get(path, accept=accept)
        assert answer.headers["content-type"] == "application/json"
    if path != "/balance":
        answer = await finance.get(path, accept="application/json;q=0.1, text/csv")
        assert answer.headers["content-type"].startswith("text/csv")
        answer = await finance.get(f"{path}?format=ndjson", accept="application/json")
        assert answer.headers["content-type"] == "application/x-ndjson"


async def test_every_answer_says_where_the_limit_stands_and_beyond_it_is_429(
    scene: Scene, settings: Settings
) -> None:
    few = settings.model_copy(update={"rate_limit_key": 3})
    async for finance in serve(scene, few):
        remaining = []
        for path in ("/balance", "/usage?unknown=1", "/members?format=csv"):
            answer = await finance.get(path)
            assert answer.headers["ratelimit-policy"] == '"key";q=3;w=60'
            limit, left, reset = answer.headers["ratelimit"].split(";")
            assert (limit, reset[:2]) == ('"key"', "t=")
            remaining.append(left)
        assert remaining == ["r=2", "r=1", "r=0"]
        refused = await finance.get("/balance")
        assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
        assert int(refused.headers["retry-after"]) >= 1
        assert refused.headers["ratelimit"].startswith('"key";r=0;t=')
        # Another key of the same organization has a limit of its own.
        owner = await scene.owner(finance.account_id)
        other = await management_keys.create_management_key(owner, finance.account_id, "Other")
        assert (await finance.get("/balance", other.secret)).status_code == 200
        for expected in (401, 401, 401, 429):
            answer = await finance.get("/balance", "nonsense")
            assert answer.status_code == expected
            assert "ratelimit" in answer.headers


async def _uses(finance: Finance) -> list[Any]:
    await finance.traces.flush()
    viewer = finance.scene.fresh(finance.owner)
    keys = await management_keys.list_management_keys(viewer, finance.account_id)
    page = await management_keys.list_management_key_uses(viewer, keys.rows[0].id)
    return sorted((one.path, one.range, one.uses, one.rows, one.ip) for one in page.rows)


async def test_every_use_leaves_a_trace_after_its_answer(finance: Finance) -> None:
    for _n in range(3):
        await finance.get("/balance")
    await finance.get("/members")
    await finance.get("/members?format=csv")
    await finance.get("/members?format=ndjson")
    await finance.get("/usage?from=2026-01-01&to=2026-02-01&granularity=day")
    await finance.get("/usage?unknown=1")
    assert await _uses(finance) == [
        ("/balance", "", 3, 3, "127.0.0.1"),
        ("/members", "", 3, 9, "127.0.0.1"),
        ("/usage", "", 1, 0, "127.0.0.1"),
        ("/usage", "2026-01-01T00:00:00Z/2026-02-01T00:00:00Z day", 1, 0, "127.0.0.1"),
    ]
    log = await audit.audit_log(
        finance.scene.fresh(finance.owner),
        finance.account_id,
        audit.AuditFilter(actions=("use_management_key_first",)),
    )
    assert len(log.rows) == 1


async def test_traces_wait_where_the_database_is_away_and_are_written_when_it_is_back(
    finance: Finance, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_arguments: Any) -> int:
        raise ConnectionError

    with monkeypatch.context() as patched:
        patched.setattr(management_keys, "record_management_uses", away)
        with capture_logs() as lines:
            await finance.get("/balance")
            await finance.traces.flush()
        assert "traces_wait" in {line["event"] for line in lines}
    assert await _uses(finance) == [("/balance", "", 1, 1, "127.0.0.1")]


async def test_no_log_line_and_no_answer_holds_the_key(finance: Finance) -> None:
    with capture_logs() as lines:
        answers = [await finance.get(path) for path in (*PATHS, "/usage?unknown=1")]
        answers.append(await finance.get("/usage", finance.secret[:-2]))
    assert finance.secret[:-2] not in str(lines)
    assert not any(finance.secret[:-2] in one.text for one in answers)
