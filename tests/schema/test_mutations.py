"""Changes: each mutation once, what foreign ids give, and that each commits alone, in order."""

from typing import Any

import pytest

from app.database import Database
from tests.schema.conftest import Window
from tests.schema.test_queries import INVITE, letter_token

SOMEONE = "mem_" + "0" * 32


async def member_id(window: Window, name: str) -> str:
    data = await window.data(
        "olga",
        '{ organization(slug: "acme") { members { edges { node { id user { name } } } } } }',
    )
    edges = data["organization"]["members"]["edges"]
    return next(one["node"]["id"] for one in edges if one["node"]["user"]["name"] == name)


async def test_an_organization_is_founded_renamed_and_given_a_default_quota(window: Window) -> None:
    await window.person("olga")
    found = "mutation($name: String!) { createOrganization(name: $name) { id slug viewerRole defaultQuota } }"
    made = (await window.data("olga", found, name="Acme Inc."))["createOrganization"]
    assert made["slug"] == "acme-inc"
    assert made["viewerRole"] == "OWNER"
    assert made["defaultQuota"] == "-1"
    data = await window.data(
        "olga",
        'mutation($id: ID!) { renameOrganization(organizationId: $id, name: "Acme Ltd.") { name slug } '
        'setDefaultQuota(organizationId: $id, quota: "12.5") { name defaultQuota } }',
        id=made["id"],
    )
    assert data["renameOrganization"] == {"name": "Acme Ltd.", "slug": "acme-inc"}
    assert data["setDefaultQuota"] == {"name": "Acme Ltd.", "defaultQuota": "12.5"}


async def test_addresses_are_invited_each_with_its_own_result(window: Window, acme: str) -> None:
    emails = ["new@example.com", "mia@example.com", "no address"]
    data = await window.data("adam", INVITE, org=acme, emails=emails)
    sent, member, wrong = data["inviteMembers"]
    assert sent["code"] is None
    assert sent["invitation"]["status"] == "PENDING"
    assert sent["invitation"]["invitedBy"]["name"] == "Adam"
    assert (member["invitation"], member["code"]) == (None, "ALREADY_MEMBER")
    assert (wrong["invitation"], wrong["code"]) == (None, "INVALID")


async def test_an_invitation_is_sent_again_and_revoked(window: Window, acme: str) -> None:
    data = await window.data("adam", INVITE, org=acme, emails=["new@example.com"])
    invited = data["inviteMembers"][0]["invitation"]["id"]
    resend = "mutation($id: ID!) { resendInvitation(invitationId: $id) { id status } }"
    assert (await window.data("olga", resend, id=invited))["resendInvitation"][
        "status"
    ] == "PENDING"
    revoke = "mutation($id: ID!) { revokeInvitation(invitationId: $id) { id status } }"
    assert (await window.data("olga", revoke, id=invited))["revokeInvitation"][
        "status"
    ] == "REVOKED"
    assert await window.code("olga", resend, id=invited) == "INVITATION_CLOSED"


async def test_an_invitation_is_accepted_by_its_token_once(
    window: Window, acme: str, database: Database
) -> None:
    data = await window.data("olga", INVITE, org=acme, emails=["sam@example.com"])
    token = await letter_token(window, data["inviteMembers"][0]["invitation"]["id"], database)
    accept = (
        "mutation($token: String) { acceptInvitation(token: $token) { id viewerRole memberCount } }"
    )
    assert await window.code("mia", accept, token=token) == "INVITATION_EMAIL_MISMATCH"
    data = await window.data("sam", accept, token=token)
    assert data["acceptInvitation"] == {"id": acme, "viewerRole": "MEMBER", "memberCount": 4}
    assert await window.code("sam", accept, token=token) == "INVITATION_CLOSED"


async def test_an_invitation_is_declined_by_its_id(window: Window, acme: str) -> None:
    data = await window.data("olga", INVITE, org=acme, emails=["sam@example.com"])
    invited = data["inviteMembers"][0]["invitation"]["id"]
    decline = "mutation($id: ID) { declineInvitation(invitationId: $id) { id status invitedBy { email } } }"
    assert await window.code("mia", decline, id=invited) == "NOT_FOUND"
    data = await window.data("sam", decline, id=invited)
    answered = {"id": invited, "status": "DECLINED", "invitedBy": {"email": None}}
    assert data["declineInvitation"] == answered


@pytest.mark.usefixtures("acme")
async def test_answering_takes_exactly_one_of_token_and_id(window: Window) -> None:
    before = await window.scene.snapshot()
    for arguments in ("", '(token: "x", invitationId: "inv_' + "0" * 32 + '")', "(token: null)"):
        query = f"mutation {{ acceptInvitation{arguments} {{ id }} }}"
        assert await window.code("sam", query) == "INVALID"
    assert await window.scene.snapshot() == before


@pytest.mark.usefixtures("acme")
async def test_quotas_are_set_for_one_and_for_many_all_or_none(window: Window) -> None:
    adam, mia = await member_id(window, "Adam"), await member_id(window, "Mia")
    one = 'mutation($id: ID!) { setMemberQuota(memberId: $id, quota: "0") { id quota user { name } } }'
    data = await window.data("adam", one, id=mia)
    assert data["setMemberQuota"] == {"id": mia, "quota": "0", "user": {"name": "Mia"}}
    many = 'mutation($ids: [ID!]!) { setMemberQuotas(memberIds: $ids, quota: "7.25") { id quota } }'
    data = await window.data("olga", many, ids=[mia, adam, mia])
    assert data["setMemberQuotas"] == [{"id": one, "quota": "7.25"} for one in (mia, adam, mia)]
    before = await window.scene.snapshot()
    assert await window.code("adam", many, ids=[mia, adam]) == "FORBIDDEN"
    assert await window.code("olga", many, ids=[mia, SOMEONE]) == "NOT_FOUND"
    assert await window.code("olga", many, ids=[]) == "INVALID"
    assert await window.code("olga", many, ids=[mia] * 501) == "INVALID"
    assert await window.scene.snapshot() == before


@pytest.mark.usefixtures("acme")
async def test_a_member_is_promoted_and_removed(window: Window) -> None:
    mia = await member_id(window, "Mia")
    promote = (
        "mutation($id: ID!, $role: Role!) { setMemberRole(memberId: $id, role: $role) { role } }"
    )
    assert (await window.data("adam", promote, id=mia, role="ADMIN"))["setMemberRole"] == {
        "role": "ADMIN"
    }
    assert await window.code("adam", promote, id=mia, role="MEMBER") == "FORBIDDEN"
    assert await window.code("olga", promote, id=mia, role="OWNER") == "INVALID"
    remove = "mutation($id: ID!) { removeMember(memberId: $id) }"
    assert await window.data("olga", remove, id=mia) == {"removeMember": mia}
    assert await window.code("olga", remove, id=mia) == "NOT_FOUND"


async def test_ownership_moves_people_leave_and_the_rest_is_dissolved(
    window: Window, acme: str
) -> None:
    adam = await member_id(window, "Adam")
    leave = "mutation($id: ID!) { leaveOrganization(organizationId: $id) }"
    assert await window.code("olga", leave, id=acme) == "OWNER_MUST_TRANSFER"
    transfer = (
        "mutation($id: ID!, $to: ID!) { transferOwnership(organizationId: $id, memberId: $to) "
        "{ viewerRole owner { user { name } } } }"
    )
    data = await window.data("olga", transfer, id=acme, to=adam)
    assert data["transferOwnership"] == {"viewerRole": "ADMIN", "owner": {"user": {"name": "Adam"}}}
    assert await window.data("olga", leave, id=acme) == {"leaveOrganization": acme}
    dissolve = "mutation($id: ID!, $name: String!) { dissolveOrganization(organizationId: $id, confirmName: $name) }"
    assert await window.code("adam", dissolve, id=acme, name="Else") == "INVALID"
    assert await window.data("adam", dissolve, id=acme, name="Acme") == {
        "dissolveOrganization": acme
    }
    await window.scene.promises()


FOREIGN = [
    ('renameOrganization(organizationId: $org, name: "X") { id }', "org"),
    ('setDefaultQuota(organizationId: $org, quota: "1") { id }', "org"),
    ("transferOwnership(organizationId: $org, memberId: $member) { id }", "org"),
    ('dissolveOrganization(organizationId: $org, confirmName: "Acme")', "org"),
    ("leaveOrganization(organizationId: $org)", "org"),
    ('inviteMembers(organizationId: $org, emails: ["a@example.com"]) { email }', "org"),
    ("resendInvitation(invitationId: $invitation) { id }", "invitation"),
    ("revokeInvitation(invitationId: $invitation) { id }", "invitation"),
    ("acceptInvitation(invitationId: $invitation) { id }", "invitation"),
    ("declineInvitation(invitationId: $invitation) { id }", "invitation"),
    ('setMemberQuota(memberId: $member, quota: "1") { id }', "member"),
    ('setMemberQuotas(memberIds: [$member], quota: "1") { id }', "member"),
    ("setMemberRole(memberId: $member, role: ADMIN) { id }", "member"),
    ("removeMember(memberId: $member)", "member"),
]


@pytest.mark.parametrize(("field", "named"), FOREIGN)
async def test_foreign_and_unknown_ids_are_not_found_and_change_nothing(
    window: Window, acme: str, field: str, named: str
) -> None:
    data = await window.data("olga", INVITE, org=acme, emails=["new@example.com"])
    ids = {
        "org": acme,
        "member": await member_id(window, "Mia"),
        "invitation": data["inviteMembers"][0]["invitation"]["id"],
    }
    declared = ", ".join(f"${name}: ID!" for name in ids if f"${name}" in field)
    query = f"mutation({declared}) {{ {field} }}"
    before = await window.scene.snapshot()
    for value in (ids[named], "mem_" + "f" * 32, "acc_" + "f" * 32, "nonsense"):
        given: dict[str, Any] = ids | {named: value}
        used = {name: one for name, one in given.items() if f"${name}:" in declared}
        assert await window.code("sam", query, **used) == "NOT_FOUND", value
    assert await window.code(None, query, **used | {named: ids[named]}) == "UNAUTHENTICATED"
    assert await window.scene.snapshot() == before


async def test_each_mutation_commits_alone_in_order_and_shows_what_it_left(
    window: Window, acme: str
) -> None:
    mia = await member_id(window, "Mia")
    answer = await window.ask(
        "olga",
        "mutation($org: ID!, $mia: ID!) {"
        ' a: renameOrganization(organizationId: $org, name: "First") { name }'
        ' b: setMemberQuota(memberId: $mia, quota: "1") { quota }'
        ' c: setMemberQuota(memberId: $mia, quota: "2") { quota }'
        ' d: renameOrganization(organizationId: $org, name: "Second") { name memberCount } }',
        org=acme,
        mia=mia,
    )
    assert answer["data"] == {
        "a": {"name": "First"},
        "b": {"quota": "1"},
        "c": {"quota": "2"},
        "d": {"name": "Second", "memberCount": 3},
    }
    answer = await window.ask(
        "olga",
        "mutation($org: ID!) {"
        ' a: renameOrganization(organizationId: $org, name: "Third") { name }'
        f' b: removeMember(memberId: "{SOMEONE}")'
        ' c: renameOrganization(organizationId: $org, name: "Fourth") { name } }',
        org=acme,
    )
    # A refused field that cannot be null empties the answer, but what was committed stays.
    assert answer["data"] is None
    assert answer["errors"][0]["path"] == ["b"]
    data = await window.data("olga", '{ organization(slug: "acme") { name } }')
    assert data["organization"]["name"] in {"Third", "Fourth"}
