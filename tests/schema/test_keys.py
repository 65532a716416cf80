"""Keys through GraphQL: shapes, secrets shown once, what is left out and what is null, foreign ids."""

from typing import Any

import pytest

from tests.schema.conftest import Window

CREATE = """mutation($id: ID!, $name: String!, $limit: Quota! = "-1", $tag: String, $end: DateTime) {
  createApiKey(accountId: $id, name: $name, monthlyLimit: $limit, tag: $tag, expiresAt: $end) {
    secret apiKey { id name prefix lastFour tag monthlyLimit monthlyUsage expiresAt revokedAt
      lastUsedAt createdAt owner { name email } } } }"""
CREATE_MANAGEMENT = """mutation($id: ID!, $name: String!) {
  createManagementKey(organizationId: $id, name: $name) {
    secret managementKey { id name prefix lastFour createdBy { name } expiresAt revokedAt lastUsedAt } } }"""
LIST = """query($all: Boolean!, $first: Int!, $after: String) { organization(slug: "acme") {
  apiKeys(all: $all, first: $first, after: $after) {
    totalCount pageInfo { hasNextPage endCursor } edges { cursor node { name owner { name } } } } } }"""


async def create(window: Window, who: str, account: str, name: str, **more: Any) -> Any:
    data = await window.data(who, CREATE, id=account, name=name, **more)
    return data["createApiKey"]


async def test_a_key_is_made_and_its_secret_is_shown_this_once(window: Window, acme: str) -> None:
    made = await create(window, "mia", acme, "Notebook", limit="12.5", tag="research")
    secret, key = made["secret"], made["apiKey"]
    assert secret.startswith(key["prefix"])
    assert secret.endswith(key["lastFour"])
    assert (key["name"], key["tag"], key["monthlyLimit"]) == ("Notebook", "research", "12.5")
    assert (key["monthlyUsage"], key["expiresAt"], key["revokedAt"]) == ("0.000000", None, None)
    assert key["owner"] == {"name": "Mia", "email": "mia@example.com"}
    again = await window.post(
        {"query": '{ organization(slug: "acme") { apiKeys { edges { node { prefix } } } } }'}, "mia"
    )
    assert key["prefix"] in again.text
    assert secret not in again.text


async def test_an_update_tells_left_out_from_null(window: Window, acme: str) -> None:
    end = "2030-01-01T00:00:00Z"
    key = (await create(window, "mia", acme, "A", limit="5", tag="t", end=end))["apiKey"]
    update = """mutation($id: ID!) { updateApiKey(apiKeyId: $id, %s)
      { name tag monthlyLimit expiresAt } }"""
    kept = await window.data("mia", update % 'name: "B"', id=key["id"])
    assert kept["updateApiKey"] == {
        "name": "B",
        "tag": "t",
        "monthlyLimit": "5",
        "expiresAt": end,
    }
    cleared = await window.data(
        "mia", update % "tag: null, monthlyLimit: null, expiresAt: null", id=key["id"]
    )
    assert cleared["updateApiKey"] == {
        "name": "B",
        "tag": None,
        "monthlyLimit": "-1",
        "expiresAt": None,
    }
    assert await window.code("mia", update % "name: null", id=key["id"]) == "INVALID"


async def test_a_key_is_rotated_and_revoked(window: Window, acme: str) -> None:
    made = await create(window, "mia", acme, "A")
    rotate = """mutation($id: ID!, $minutes: Int! = 0) { rotateApiKey(apiKeyId: $id, overlapMinutes: $minutes)
      { secret apiKey { id lastFour } } }"""
    rotated = (await window.data("mia", rotate, id=made["apiKey"]["id"], minutes=1440))[
        "rotateApiKey"
    ]
    assert rotated["secret"] != made["secret"]
    assert rotated["apiKey"]["id"] == made["apiKey"]["id"]
    assert await window.code("mia", rotate, id=made["apiKey"]["id"], minutes=1441) == "INVALID"
    revoke = "mutation($id: ID!) { revokeApiKey(apiKeyId: $id) { revokedAt } }"
    ended = await window.data("adam", revoke, id=made["apiKey"]["id"])
    assert ended["revokeApiKey"]["revokedAt"] is not None
    assert await window.code("mia", rotate, id=made["apiKey"]["id"]) == "KEY_ENDED"


async def test_a_list_shows_own_keys_and_all_to_whom_may_see_them(
    window: Window, acme: str
) -> None:
    for who in ("olga", "adam", "mia"):
        await create(window, who, acme, f"{who}'s")
    own = await window.data("mia", LIST, all=False, first=10)
    assert [one["node"]["name"] for one in own["organization"]["apiKeys"]["edges"]] == ["mia's"]
    page = (await window.data("adam", LIST, all=True, first=2))["organization"]["apiKeys"]
    assert [one["node"]["owner"]["name"] for one in page["edges"]] == ["Mia", "Adam"]
    assert page["totalCount"] == 3
    assert page["pageInfo"]["hasNextPage"] is True
    rest = await window.data("adam", LIST, all=True, first=2, after=page["pageInfo"]["endCursor"])
    assert [one["node"]["name"] for one in rest["organization"]["apiKeys"]["edges"]] == ["olga's"]
    answer = await window.ask("mia", LIST, all=True, first=10)
    assert answer["data"]["organization"]["apiKeys"] is None
    assert answer["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    assert answer["errors"][0]["path"] == ["organization", "apiKeys"]


@pytest.mark.parametrize("count", [1, 40])
async def test_the_keys_of_all_accounts_come_by_two_statements(
    window: Window, acme: str, statements: list[str], count: int
) -> None:
    for n in range(count):
        await create(window, "mia", acme, f"Key {n}")
    statements.clear()
    query = "{ viewer { accounts { name apiKeys(first: 50) { edges { node { name owner { name } } } } } } }"
    data = await window.data("mia", query)
    _personal, shown = data["viewer"]["accounts"]
    assert len(shown["apiKeys"]["edges"]) == count
    assert len(statements) == 2, "the accounts, and the keys of all of them"


async def test_management_keys_are_made_changed_rotated_and_revoked(
    window: Window, acme: str
) -> None:
    made = (await window.data("adam", CREATE_MANAGEMENT, id=acme, name="BI"))["createManagementKey"]
    key = made["managementKey"]
    assert made["secret"].startswith("sk_mg_")
    assert made["secret"].startswith(key["prefix"])
    assert key["createdBy"] == {"name": "Adam"}
    update = """mutation($id: ID!) { updateManagementKey(managementKeyId: $id, name: "Finance",
      expiresAt: "2030-01-01T00:00:00Z") { name expiresAt } }"""
    changed = await window.data("adam", update, id=key["id"])
    assert changed["updateManagementKey"] == {
        "name": "Finance",
        "expiresAt": "2030-01-01T00:00:00Z",
    }
    assert await window.code("olga", update, id=key["id"]) == "FORBIDDEN"
    rotate = "mutation($id: ID!) { rotateManagementKey(managementKeyId: $id) { secret managementKey { id } } }"
    assert (await window.data("adam", rotate, id=key["id"]))["rotateManagementKey"]["secret"]
    revoke = "mutation($id: ID!) { revokeManagementKey(managementKeyId: $id) { revokedAt } }"
    ended = await window.data("olga", revoke, id=key["id"])
    assert ended["revokeManagementKey"]["revokedAt"] is not None
    query = """{ organization(slug: "acme") { managementKeys { totalCount
      edges { node { name createdBy { name } } } } } }"""
    shown = (await window.data("olga", query))["organization"]["managementKeys"]
    assert shown["totalCount"] == 1
    assert shown["edges"][0]["node"] == {"name": "Finance", "createdBy": {"name": "Adam"}}
    assert await window.code("mia", query) == "FORBIDDEN"


async def test_keys_are_nodes_to_those_who_may_see_them_and_null_to_others(
    window: Window, acme: str
) -> None:
    key = (await create(window, "adam", acme, "A"))["apiKey"]["id"]
    made = await window.data("adam", CREATE_MANAGEMENT, id=acme, name="BI")
    management = made["createManagementKey"]["managementKey"]["id"]
    query = """query($id: ID!) { node(id: $id) { id __typename ... on ApiKey { name }
      ... on ManagementKey { name } } }"""
    assert (await window.data("olga", query, id=key))["node"] == {
        "id": key,
        "__typename": "ApiKey",
        "name": "A",
    }
    shown = (await window.data("olga", query, id=management))["node"]
    assert (shown["__typename"], shown["name"]) == ("ManagementKey", "BI")
    assert (await window.data("mia", query, id=key))["node"] is None
    assert await window.code("mia", query, id=management) == "FORBIDDEN"
    for foreign in (key, management):
        assert (await window.data("sam", query, id=foreign))["node"] is None


@pytest.mark.parametrize(
    "mutation",
    [
        'createApiKey(accountId: "%s", name: "A") { secret }',
        'updateApiKey(apiKeyId: "%s", name: "A") { id }',
        'rotateApiKey(apiKeyId: "%s") { secret }',
        'revokeApiKey(apiKeyId: "%s") { id }',
        'createManagementKey(organizationId: "%s", name: "A") { secret }',
        'updateManagementKey(managementKeyId: "%s", name: "A") { id }',
        'rotateManagementKey(managementKeyId: "%s") { secret }',
        'revokeManagementKey(managementKeyId: "%s") { id }',
    ],
)
async def test_foreign_and_senseless_ids_are_not_found_and_change_nothing(
    window: Window, acme: str, mutation: str
) -> None:
    ids = [
        acme,
        (await create(window, "mia", acme, "A"))["apiKey"]["id"],
        (await window.data("adam", CREATE_MANAGEMENT, id=acme, name="BI"))["createManagementKey"][
            "managementKey"
        ]["id"],
        "key_" + "0" * 32,
        "nonsense",
    ]
    before = await window.scene.snapshot()
    for one in ids:
        assert await window.code("sam", "mutation { " + mutation % one + " }") == "NOT_FOUND"
    assert await window.scene.snapshot() == before
