"""Looks: each query, what is foreign, what a role may not see, and pages."""

from datetime import timedelta
from typing import Any

import pytest

from app.credentials import invitation_token
from app.database import Database
from app.ids import id_of, wire_id
from app.models import Invitation
from tests.schema.conftest import Window

MEMBERS = """query($after: String, $first: Int! = 50, $search: String, $role: Role,
  $orderBy: MemberOrder! = NAME, $direction: OrderDirection! = ASC) {
  organization(slug: "acme") { members(after: $after, first: $first, search: $search, role: $role,
    orderBy: $orderBy, direction: $direction) {
    totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    edges { cursor node { id role quota joinedAt user { id name email avatarUrl } } } } } }"""
INVITE = """mutation($org: ID!, $emails: [String!]!) { inviteMembers(organizationId: $org, emails: $emails)
  { email code invitation { id status email role expiresAt organizationName invitedBy { name email } } } }"""


async def members(window: Window, who: str = "olga", **variables: Any) -> dict[str, Any]:
    data = await window.data(who, MEMBERS, **variables)
    return data["organization"]["members"]


def names(page: dict[str, Any]) -> list[str]:
    return [edge["node"]["user"]["name"] for edge in page["edges"]]


async def letter_token(window: Window, invitation_id: str, database: Database) -> str:
    from sqlalchemy import select  # noqa: PLC0415

    found = id_of("invitation", invitation_id)
    row = await database.row(select(Invitation.generation).where(Invitation.id == found))
    assert row is not None
    return invitation_token(window.settings.secret_key.get_secret_value(), found, row[0])


async def test_the_viewer_sees_themselves_and_their_accounts_personal_first(
    window: Window, acme: str
) -> None:
    data = await window.data(
        "adam",
        "{ viewer { user { id name email } personalAccount { kind viewerRole } accounts "
        "{ id kind name slug createdAt viewerRole viewerPermissions } pendingInvitations { id } } }",
    )
    viewer = data["viewer"]
    assert viewer["user"]["email"] == "adam@example.com"
    assert viewer["personalAccount"] == {"kind": "PERSONAL", "viewerRole": "OWNER"}
    assert [one["kind"] for one in viewer["accounts"]] == ["PERSONAL", "ORGANIZATION"]
    assert viewer["accounts"][1]["id"] == acme
    assert viewer["accounts"][1]["viewerRole"] == "ADMIN"
    assert viewer["accounts"][1]["createdAt"].endswith("Z")
    assert "MANAGE_SETTINGS" not in viewer["accounts"][1]["viewerPermissions"]
    assert viewer["pendingInvitations"] == []


async def test_an_organization_tells_every_member_who_owns_it_and_their_own_place(
    window: Window, acme: str
) -> None:
    data = await window.data(
        "mia",
        '{ organization(slug: "acme") { id memberCount owner { role quota user { name email } } '
        'viewerMembership { role quota user { email } } } account(slug: "acme") { id name } }',
    )
    found = data["organization"]
    assert found["id"] == data["account"]["id"] == acme
    assert found["memberCount"] == 3
    assert found["owner"] == {
        "role": "OWNER",
        "quota": None,
        "user": {"name": "Olga", "email": None},
    }
    assert found["viewerMembership"] == {
        "role": "MEMBER",
        "quota": "-1",
        "user": {"email": "mia@example.com"},
    }


@pytest.mark.usefixtures("acme")
async def test_a_refused_field_is_null_with_forbidden_at_its_path_and_the_rest_stands(
    window: Window,
) -> None:
    answer = await window.ask(
        "mia",
        '{ organization(slug: "acme") { name members { totalCount } invitations { totalCount } '
        "defaultQuota auditLog { totalCount } } }",
    )
    fields = {"members": None, "invitations": None, "defaultQuota": None, "auditLog": None}
    assert answer["data"]["organization"] == {"name": "Acme", **fields}
    assert sorted(error["path"][1] for error in answer["errors"]) == sorted(fields)
    for error in answer["errors"]:
        assert error["extensions"]["code"] == "FORBIDDEN"
        assert error["extensions"]["status"] == 403
        assert error["extensions"]["requestId"]


async def test_what_is_unknown_or_foreign_is_null_without_an_error(
    window: Window, acme: str
) -> None:
    member = (await members(window))["edges"][0]["node"]
    ids = [acme, member["id"], member["user"]["id"], "nonsense", "mem_" + "0" * 32, ""]
    data = await window.data(
        "sam",
        'query($ids: [ID!]!, $id: ID!) { account(slug: "acme") { id } '
        'organization(slug: "nothing") { id } node(id: $id) { id } nodes(ids: $ids) { id } }',
        ids=ids,
        id=acme,
    )
    assert data == {"account": None, "organization": None, "node": None, "nodes": [None] * 6}


@pytest.mark.usefixtures("acme")
async def test_a_personal_account_is_no_organization(window: Window) -> None:
    data = await window.data("olga", "{ viewer { personalAccount { slug } } }")
    slug = data["viewer"]["personalAccount"]["slug"]
    both = "query($slug: String!) { account(slug: $slug) { __typename } organization(slug: $slug) { id } }"
    data = await window.data("olga", both, slug=slug)
    assert data == {"account": {"__typename": "PersonalAccount"}, "organization": None}


async def test_a_dissolved_organization_is_null_with_its_code_for_former_members_only(
    window: Window, acme: str
) -> None:
    await window.data(
        "olga",
        'mutation($id: ID!) { dissolveOrganization(organizationId: $id, confirmName: "Acme") }',
        id=acme,
    )
    for query in ('{ organization(slug: "acme") { id } }', f'{{ node(id: "{acme}") {{ id }} }}'):
        assert await window.code("mia", query) == "DISSOLVED"
        assert list((await window.data("sam", query)).values()) == [None]


async def test_every_kind_of_node_is_found_by_its_stable_id(window: Window, acme: str) -> None:
    invited = await window.data("olga", INVITE, org=acme, emails=["new@example.com"])
    found = await window.data(
        "olga",
        '{ organization(slug: "acme") { auditLog(first: 1) { edges { node { id } } } '
        "viewerMembership { id user { id } } } }",
    )
    own = found["organization"]["viewerMembership"]
    ids = {
        "Organization": acme,
        "Invitation": invited["inviteMembers"][0]["invitation"]["id"],
        "AuditEvent": found["organization"]["auditLog"]["edges"][0]["node"]["id"],
        "Member": own["id"],
        "User": own["user"]["id"],
    }
    query = "query($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }"
    data = await window.data("olga", query, ids=list(ids.values()))
    assert data["nodes"] == [{"__typename": kind, "id": one} for kind, one in ids.items()]


async def test_a_node_that_the_role_may_not_see_is_null_and_forbidden_at_its_place(
    window: Window, acme: str
) -> None:
    invited = await window.data("olga", INVITE, org=acme, emails=["new@example.com"])
    hidden = invited["inviteMembers"][0]["invitation"]["id"]
    answer = await window.ask(
        "mia", "query($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=[acme, hidden]
    )
    assert answer["data"]["nodes"] == [{"id": acme}, None]
    assert [error["path"] for error in answer["errors"]] == [["nodes", 1]]
    assert answer["errors"][0]["extensions"]["code"] == "FORBIDDEN"


@pytest.mark.usefixtures("acme")
async def test_the_id_of_a_member_whom_one_may_not_see_names_nothing(window: Window) -> None:
    page = (await members(window))["edges"]
    ids = {edge["node"]["user"]["name"]: edge["node"]["id"] for edge in page}
    query = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    asked = [ids["Adam"], ids["Olga"], ids["Mia"]]
    seen = await window.data("mia", query, ids=asked)
    assert seen["nodes"] == [None, {"id": ids["Olga"]}, {"id": ids["Mia"]}]
    assert (await window.data("sam", query, ids=asked))["nodes"] == [None] * 3


async def test_the_invited_see_their_invitation_as_a_node_and_the_inviters_name_only(
    window: Window, acme: str
) -> None:
    invited = await window.data("olga", INVITE, org=acme, emails=["sam@example.com"])
    node_id = invited["inviteMembers"][0]["invitation"]["id"]
    shown = "invitedBy { name email } organizationName"
    data = await window.data(
        "sam",
        f'{{ node(id: "{node_id}") {{ id ... on Invitation {{ {shown} }} }} '
        f"viewer {{ pendingInvitations {{ id {shown} }} }} }}",
    )
    assert data["viewer"]["pendingInvitations"] == [data["node"]]
    assert data["node"]["invitedBy"] == {"name": "Olga", "email": None}
    decline = f'mutation {{ declineInvitation(invitationId: "{node_id}") {{ id status }} }}'
    declined = (await window.data("sam", decline))["declineInvitation"]
    again = f'{{ node(id: "{node_id}") {{ id ... on Invitation {{ status }} }} }}'
    assert await window.data("sam", again) == {"node": declined}
    await window.person("otto")
    assert await window.data("otto", again) == {"node": None}


async def test_an_invitation_is_shown_by_its_token_signed_out_and_nothing_else_is(
    window: Window, acme: str, database: Database
) -> None:
    invited = await window.data("olga", INVITE, org=acme, emails=["new@example.com"])
    token = await letter_token(window, invited["inviteMembers"][0]["invitation"]["id"], database)
    query = (
        "query($token: String!) { invitation(token: $token) "
        "{ email role status organizationName invitedBy { name email } } }"
    )
    data = await window.data(None, query, token=token)
    assert data["invitation"] == {
        "email": "new@example.com",
        "role": "MEMBER",
        "status": "PENDING",
        "organizationName": "Acme",
        "invitedBy": {"name": "Olga", "email": None},
    }
    assert await window.data(None, query, token=token[:-4] + "AAA=") == {"invitation": None}
    for refused in ('{ account(slug: "acme") { id } }', f'{{ node(id: "{acme}") {{ id }} }}'):
        assert await window.code(None, refused) == "UNAUTHENTICATED"
    answer = await window.ask(None, "{ viewer { user { name } } }")
    assert answer["data"] is None
    assert answer["errors"][0]["extensions"]["status"] == 401


@pytest.mark.usefixtures("acme")
async def test_members_are_paged_ordered_searched_and_filtered(window: Window) -> None:
    first = await members(window, first=2)
    assert names(first) == ["Adam", "Mia"]
    assert first["totalCount"] == 3
    info = first["pageInfo"]
    assert info["hasNextPage"] is True
    assert info["hasPreviousPage"] is False
    assert [info["startCursor"], info["endCursor"]] == [one["cursor"] for one in first["edges"]]
    rest = await members(window, first=2, after=info["endCursor"])
    assert names(rest) == ["Olga"]
    assert rest["pageInfo"]["hasNextPage"] is False
    assert rest["pageInfo"]["hasPreviousPage"] is True
    assert names(await members(window, orderBy="ROLE", direction="DESC")) == ["Olga", "Adam", "Mia"]
    assert names(await members(window, orderBy="JOINED_AT")) == ["Olga", "Adam", "Mia"]
    assert names(await members(window, orderBy="EMAIL", direction="DESC"))[0] == "Olga"
    assert names(await members(window, search="MIA@")) == ["Mia"]
    assert names(await members(window, role="ADMIN")) == ["Adam"]
    empty = await members(window, search="nobody")
    assert empty["edges"] == []
    assert empty["pageInfo"] == {
        "hasNextPage": False,
        "hasPreviousPage": False,
        "startCursor": None,
        "endCursor": None,
    }


@pytest.mark.usefixtures("acme")
async def test_a_cursor_works_in_its_own_list_only(window: Window) -> None:
    other = await window.scene.organization(window.people["olga"], "Other")
    cursor = (await members(window, first=1))["pageInfo"]["endCursor"]
    for variables in (
        {"after": cursor, "orderBy": "EMAIL"},
        {"after": cursor, "search": "a"},
        {"after": cursor[:-2]},
        {"after": "x" * 5000},
        {"after": ""},
    ):
        assert await window.code("olga", MEMBERS, **variables) == "BAD_REQUEST"
    foreign = 'query($after: String) { organization(slug: "other") { members(after: $after) { totalCount } } }'
    assert await window.code("olga", foreign, after=cursor) == "BAD_REQUEST"
    assert (
        await window.code("olga", MEMBERS.replace("members(", "invitations: members("), after="")
        == "BAD_REQUEST"
    )
    assert other


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize("first", [0, -1, 101, 2147483647])
async def test_page_sizes_out_of_bounds_are_invalid(window: Window, first: int) -> None:
    answer = await window.ask("olga", MEMBERS, first=first)
    extensions = answer["errors"][0]["extensions"]
    assert extensions["code"] == "INVALID"
    assert extensions["status"] == 422
    assert [one["field"] for one in extensions["fields"]] == ["first"]


@pytest.mark.usefixtures("acme")
async def test_the_audit_log_is_filtered_and_names_things_by_global_ids(window: Window) -> None:
    query = (
        'query($filter: AuditFilter) { organization(slug: "acme") { auditLog(filter: $filter) { totalCount '
        "edges { node { id action actorKind actorId actorName targetId targetName before after requestId "
        "ip at } } } } }"
    )
    mia = next(
        edge["node"]
        for edge in (await members(window))["edges"]
        if edge["node"]["user"]["name"] == "Mia"
    )
    change = 'mutation($id: ID!) { setMemberQuota(memberId: $id, quota: "5") { quota } }'
    await window.data("adam", change, id=mia["id"])
    filters = {"actions": ["set_member_quota"], "targetIds": [mia["id"]]}
    data = await window.data("adam", query, filter=filters)
    log = data["organization"]["auditLog"]
    assert log["totalCount"] == 1
    event = log["edges"][0]["node"]
    assert event["targetId"] == mia["id"]
    assert event["actorName"] == "Adam"
    assert event["before"] == {"quota": "-1"}
    assert event["after"] == {"quota": "5"}
    assert event["requestId"]
    assert event["actorId"] == wire_id("user", window.people["adam"].person.id)
    later = {"from": "2100-01-01T00:00:00+02:00"}
    data = await window.data("adam", query, filter=later)
    assert data["organization"]["auditLog"]["totalCount"] == 0
    for wrong in (
        {"actorIds": ["x"]},
        {"actions": ["a\0b"]},
        {"actions": []},
        {"from": "2026-01-01"},
    ):
        response = await window.post({"query": query, "variables": {"filter": wrong}}, "adam")
        assert response.json()["errors"][0]["extensions"]["code"] == "INVALID", wrong


@pytest.mark.usefixtures("acme")
async def test_the_statements_of_a_query_do_not_grow_with_its_members(
    window: Window, statements: list[str]
) -> None:
    await members(window, first=1)
    statements.clear()
    await members(window, first=1)
    one = len(statements)
    statements.clear()
    await members(window, first=100)
    assert len(statements) == one
    assert one == 3  # the seat, the page, the count


async def test_the_statements_of_a_query_do_not_grow_with_its_organizations(
    window: Window, statements: list[str]
) -> None:
    await window.person("olga")
    query = (
        "{ viewer { accounts { ... on Organization { owner { user { name } } viewerMembership { id } "
        "memberCount defaultQuota members { totalCount edges { node { user { name } } } } "
        "invitations { totalCount } auditLog { totalCount edges { node { action } } } } } } }"
    )
    counts = []
    for number in range(10):
        await window.scene.organization(window.people["olga"], f"Number {number}")
        if number in (0, 9):
            statements.clear()
            data = await window.data("olga", query)
            assert len(data["viewer"]["accounts"]) == number + 2
            counts.append(len(statements))
    assert counts[0] == counts[1]


@pytest.mark.usefixtures("acme")
async def test_fields_of_one_query_run_beside_each_other(window: Window) -> None:
    again = " ".join(f'a{n}: organization(slug: "acme") {{ memberCount name }}' for n in range(15))
    data = await window.data("olga", f"{{ {again} }}")
    assert list(data.values()) == [{"memberCount": 3, "name": "Acme"}] * 15


async def test_an_invitation_that_ran_out_is_told_from_the_time(
    window: Window, acme: str, shift_clock: Any
) -> None:
    await window.data("olga", INVITE, org=acme, emails=["new@example.com"])
    shift_clock(timedelta(days=8))
    data = await window.data(
        "olga",
        '{ organization(slug: "acme") { invitations(first: 1) { totalCount edges { node { status } } } } }',
    )
    listed = data["organization"]["invitations"]
    assert listed == {"totalCount": 1, "edges": [{"node": {"status": "EXPIRED"}}]}
