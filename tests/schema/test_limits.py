"""Limits and caches: what is over a limit is refused before anything runs, in both media types."""

from typing import Any

import pytest
from graphql import get_introspection_query

from app.schema import build_schema
from app.settings import Settings
from tests.schema.conftest import Window, open_window

NESTED = (
    "{ nodes(ids: [%s]) { ... on Organization { members(first: 100) { edges { node { id } } } } } }"
)
CHAIN = "query { ...f0 } " + " ".join(
    f"fragment f{n} on Query {{ ...f{n + 1} ...f{n + 1} }}" for n in range(60)
)


def deep(levels: int) -> str:
    return "{ " + "a { " * (levels - 1) + "a" + " }" * levels


def aliases(count: int) -> str:
    return "{ " + " ".join(f'a{n}: account(slug: "x") {{ name }}' for n in range(count)) + " }"


OVER = {
    "deep": deep(9),
    "deep through fragments": "{ viewer { ...f } } fragment f on Viewer { "
    + "a { " * 7
    + "a"
    + " }" * 7
    + " }",
    "aliases": aliases(16),
    "aliases through fragments": "{ x: viewer { ...f } viewer { ...f } } fragment f on Viewer { "
    + " ".join(f"u{n}: user {{ name }}" for n in range(8))
    + " }",
    "tokens": "{ viewer { " + "user { name } " * 300 + "} }",
    "nested beyond the parser": "{" + "a{" * 480,
    "nested lists": "{ nodes(ids: " + "[" * 495 + "]" * 495 + ") { id } }",
    "fragments that double": CHAIN,
    "rows": NESTED % ", ".join(['"x"'] * 101),
    "rows of all accounts": "{ viewer { accounts { a: auditLog(first: 100) { totalCount } "
    "b: auditLog(first: 100) { totalCount } } } }",
}


@pytest.mark.parametrize("name", OVER)
@pytest.mark.parametrize("accept", ["application/json", "application/graphql-response+json"])
async def test_over_limit_documents_are_400_and_nothing_runs(
    window: Window, statements: list[str], name: str, accept: str
) -> None:
    await window.person("olga")
    statements.clear()
    query = OVER[name]
    response = await window.post({"query": query}, "olga", accept=accept)
    expected = {200, 400} if name in ("nested lists", "fragments that double") else {400}
    assert response.status_code in expected, response.text
    body = response.json()
    assert "data" not in body
    assert {one["extensions"]["code"] for one in body["errors"]} == {"BAD_REQUEST"}
    assert statements == []


async def test_an_over_limit_change_changes_nothing(window: Window, acme: str) -> None:
    rename = 'renameOrganization(organizationId: $id, name: "N") { name }'
    query = "mutation($id: ID!) { " + " ".join(f"a{n}: {rename}" for n in range(16)) + " }"
    before = await window.scene.snapshot()
    response = await window.post({"query": query, "variables": {"id": acme}}, "olga")
    assert response.status_code == 400
    assert await window.scene.snapshot() == before


@pytest.mark.usefixtures("acme")
async def test_what_is_at_its_limit_is_answered(window: Window) -> None:
    data = await window.data("olga", aliases(15))
    assert len(data) == 15
    seven = "{ viewer { accounts { ... on Organization { members { edges { node { user { name } } } } } } } }"
    await window.data("olga", seven)
    await window.data("olga", NESTED % ", ".join(['"x"'] * 99))


async def test_rows_are_counted_with_the_variables_that_are_given(
    window: Window, acme: str
) -> None:
    query = (
        "query($ids: [ID!]!, $first: Int!) { nodes(ids: $ids) { ... on Organization "
        "{ members(first: $first) { totalCount } } } }"
    )
    data = await window.data("olga", query, ids=[acme], first=100)
    assert data["nodes"] == [{"members": {"totalCount": 3}}]
    body = {"query": query, "variables": {"ids": [acme] * 100, "first": 100}}
    response = await window.post(body, "olga")
    assert response.status_code == 400


@pytest.mark.parametrize("descriptions", [True, False])
async def test_the_standard_introspection_query_is_answered_in_the_sandbox(
    window: Window, *, descriptions: bool
) -> None:
    query = get_introspection_query(descriptions=descriptions)
    data = await window.data(None, query)
    assert data["__schema"]["queryType"]["name"] == "Query"


async def test_introspection_that_goes_in_circles_is_refused(window: Window) -> None:
    inside = "fields { type { " * 5 + "name" + " } }" * 5
    response = await window.post({"query": f"{{ __schema {{ types {{ {inside} }} }} }}"})
    assert "data" not in response.json()


def production(settings: Settings) -> Settings:
    return settings.model_copy(update={"sandbox": False, "environment": "production"})


async def test_production_shows_no_schema_suggests_no_names_and_has_no_graphiql(
    scene: Any, settings: Settings
) -> None:
    async for window in open_window(scene, production(settings)):
        for query in ("{ __schema { types { name } } }", '{ __type(name: "Query") { name } }'):
            response = await window.post({"query": query})
            assert "data" not in response.json()
        assert "Did you mean" not in (await window.post({"query": "{ viewr { id } }"})).text
        page = await window.client.get("/graphql", headers={"accept": "text/html"})
        assert page.status_code == 405
        assert page.headers["allow"] == "POST"


async def test_documents_are_parsed_and_checked_once(settings: Settings) -> None:
    schema = build_schema(settings)
    for _again in range(20):
        result = await schema.execute("{ __typename }")
        assert result.errors is None
    for cache in (schema.documents.parsed, schema.documents.checked):
        info = cache.cache_info()
        assert info.misses == 1
        assert info.hits >= 19
        assert info.maxsize == 256
    for number in range(300):
        await schema.execute(f"{{ a{number}: __typename }}")
    assert schema.documents.checked.cache_info().currsize == 256
