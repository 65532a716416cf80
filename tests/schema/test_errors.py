"""Errors: codes, fields, masks."""

import json
from typing import Any

import pytest

from app.resolvers import accounts
from tests.schema.conftest import Window

QUOTA = "mutation($id: ID!, $quota: Quota!) { setDefaultQuota(organizationId: $id, quota: $quota) { defaultQuota } }"


@pytest.mark.parametrize("quota", ["", "1e3", "-2", "1.2345678", "NaN", 1.5, "9" * 30, True, {}])
async def test_a_quota_that_makes_no_sense_is_invalid_and_named(
    window: Window, acme: str, quota: Any
) -> None:
    before = await window.scene.snapshot()
    response = await window.post(
        {"query": QUOTA, "variables": {"id": acme, "quota": quota}}, "olga"
    )
    [error] = response.json()["errors"]
    assert error["extensions"]["code"] == "INVALID"
    assert error["extensions"]["status"] == 422
    assert [one["field"] for one in error["extensions"]["fields"]] == ["quota"]
    assert await window.scene.snapshot() == before


async def test_a_value_written_into_the_document_is_named_by_its_argument(
    window: Window, acme: str
) -> None:
    query = f'mutation {{ dissolveOrganization(organizationId: "{acme}", confirmName: "Acme", waive: "x") }}'
    response = await window.post({"query": query}, "olga")
    [error] = response.json()["errors"]
    assert error["extensions"]["code"] == "INVALID"
    assert error["extensions"]["fields"][0]["field"] == "waive"
    query = '{ organization(slug: "acme") { auditLog(filter: {from: "2026-01-01T00:00:00"}) { totalCount } } }'
    [error] = (await window.post({"query": query}, "olga")).json()["errors"]
    assert error["extensions"]["fields"][0]["field"] == "from"


@pytest.mark.usefixtures("acme")
async def test_a_refused_name_tells_its_field_at_the_path(window: Window) -> None:
    query = "mutation($name: String!) { createOrganization(name: $name) { id } }"
    answer = await window.ask("olga", query, name="  ")
    [error] = answer["errors"]
    assert error["path"] == ["createOrganization"]
    assert error["extensions"]["fields"] == [{"field": "name", "message": "Write a name."}]
    assert error["extensions"]["requestId"]


@pytest.mark.usefixtures("acme")
async def test_a_cap_names_itself(window: Window) -> None:
    tight = window.settings.model_copy(update={"organization_cap": 1})
    window.people["olga"].settings = tight
    answer = await window.ask("olga", 'mutation { createOrganization(name: "B") { id } }')
    extensions = answer["errors"][0]["extensions"]
    assert extensions["code"] == "CAP_REACHED"
    assert extensions["status"] == 409
    assert extensions["cap"] == "organizations"


@pytest.mark.usefixtures("acme")
async def test_an_unexpected_error_is_logged_and_masked(
    window: Window, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def broken(*_args: Any) -> Any:
        raise RuntimeError("SELECT secret FROM nowhere")

    monkeypatch.setattr(accounts, "account_by_slug", broken)
    response = await window.post({"query": '{ account(slug: "x") { id } }'}, "olga")
    assert response.status_code == 200
    body = response.json()
    assert body["data"] == {"account": None}
    [error] = body["errors"]
    assert error["message"] == "Something went wrong on our side."
    assert error["path"] == ["account"]
    extensions = error["extensions"]
    assert extensions["code"] == "INTERNAL"
    assert extensions["requestId"] == response.json()["errors"][0]["extensions"]["requestId"]
    assert "SELECT" not in json.dumps(body)
    assert "graphql_field_failed" in capsys.readouterr().out


@pytest.mark.usefixtures("acme")
async def test_null_for_an_argument_that_cannot_be_null_is_the_callers_mistake(
    window: Window,
) -> None:
    query = 'query($first: Int) { organization(slug: "acme") { members(first: $first) { totalCount } } }'
    answer = await window.ask("olga", query, first=None)
    assert answer["errors"][0]["extensions"]["code"] == "BAD_REQUEST"


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize("hostile", ["%", "_", "\\", "x" * 10_000, "\0", "\u202e", "=1+1", "'; --"])
async def test_hostile_searches_and_slugs_find_nothing_and_break_nothing(
    window: Window, hostile: str
) -> None:
    query = (
        "query($text: String!) { account(slug: $text) { id } invitation(token: $text) { id } "
        '  organization(slug: "acme") { members(search: $text) { edges { node { id } } } } }'
    )
    answer = await window.ask("olga", query, text=hostile)
    codes = {one["extensions"]["code"] for one in answer.get("errors", [])}
    assert codes <= {"INVALID"}
    assert answer["data"]["account"] is None
    if not codes and hostile not in {"\0", "\u202e"}:
        assert answer["data"]["organization"]["members"]["edges"] == []
