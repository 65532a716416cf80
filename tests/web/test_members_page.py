"""Members: list, quota, role, removal and invitations, by plain forms and by htmx's requests; each role, allowed and forced."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from html import unescape
from uuid import UUID

import pytest

from app.ids import wire_id
from app.permissions import Role
from app.resolvers import api_keys, invitations, management_keys, members
from app.web.pages import ENVIRONMENT
from app.web.portal.addresses import addresses, unfinished, without
from app.web.portal.quotas import read_quota
from tests.scene import Scene
from tests.web.portal import Tab

Open = Callable[..., Awaitable[Tab]]
PATH = "/a/acme/management/members"
HOSTILE = '"><img src=x onerror=alert(1)>{{7*7}}'


@dataclass
class Acme:
    """An organization with one person of each role: ann owns, adam is Admin, mia is Member."""

    scene: Scene
    id: UUID
    members: dict[str, UUID]

    def path(self, name: str, *more: str) -> str:
        """The address of a member."""
        return "/".join([PATH, wire_id("member", self.members[name]), *more])

    async def quota(self, name: str) -> int | None:
        """Read a member's quota."""
        return (await members.member(await self.scene.owner(self.id), self.members[name])).quota


@pytest.fixture
async def acme(scene: Scene) -> Acme:
    """Found Acme."""
    ann = await scene.person("ann")
    account = await scene.organization(ann, "Acme")
    found = {"ann": await scene.member_id(account, ann)}
    for name, role in (("adam", Role.ADMIN), ("mia", Role.MEMBER), ("max", Role.MEMBER)):
        found[name] = await scene.join(account, await scene.person(name), role=role)
    return Acme(scene, account, found)


def names(html: str) -> list[str]:
    """Read the listed names."""
    return re.findall(r'<div class="person">.*?<b>(\w+)', html, re.DOTALL)


async def test_the_list_is_searched_ordered_and_shared_by_its_address(
    acme: Acme, tab: Open
) -> None:
    adam = await tab("adam")
    page = await adam.get(PATH)
    assert names(page.text) == ["Adam", "Ann", "Max", "Mia"]
    assert "4 people" in page.text
    assert 'aria-sort="ascending"' in page.text
    assert names((await adam.get(f"{PATH}?sort=-name")).text) == ["Mia", "Max", "Ann", "Adam"]
    assert names((await adam.get(f"{PATH}?search=MI&role=MEMBER")).text) == ["Mia"]
    own = page.text.partition(f'id="{wire_id("member", acme.members["adam"])}"')[2]
    assert re.match(r'.*?<span class="badge ">you</span>', own.partition("</tr>")[0], re.DOTALL)
    assert "You may change only people whose role is below yours." in page.text
    part = await adam.part(f"{PATH}?role=ADMIN&sort=-joined")
    assert names(part.text) == ["Adam"]
    assert "1 person of 4" in part.text
    assert "<html" not in part.text
    assert "sort=joined" in part.text, "the head turns the order round"
    assert "Nobody found" in (await adam.get(f"{PATH}?search=%25")).text
    for wrong in ("sort=money", "role=BOSS", "after=x", "search=a&search=b"):
        assert (await adam.get(f"{PATH}?{wrong}")).status_code == 400, wrong
    assert len(await adam.statements(f"{PATH}?search=a")) <= 12
    assert acme.members


async def test_a_quota_is_set_where_it_stands(acme: Acme, tab: Open) -> None:
    adam = await tab("adam")
    page = await adam.get(acme.path("mia", "quota"))
    assert "Quota of Mia" in page.text
    before = await acme.scene.snapshot()
    wrong = await adam.submit(page, "/quota", quota="-7")
    assert wrong.status_code == 422
    assert "positive" in wrong.text
    assert 'value="-7"' in wrong.text
    assert await acme.scene.snapshot() == before
    saved = await adam.submit(wrong, "/quota", quota="12.5")
    assert saved.url.path == PATH
    assert "Quota of Mia: 12.50 credits a month." in saved.text
    assert await acme.quota("mia") == 12_500_000
    part = await adam.part(acme.path("mia", "quota"))
    quick = await adam.submit(part, "/quota", quick=True, named="may not call models")
    assert quick.status_code == 200
    assert "may not call models" in quick.text
    assert 'hx-target="#toasts"' in quick.text
    assert await acme.quota("mia") == 0
    quick = await adam.submit(part, "/quota", quick=True, quota="abc")
    assert quick.status_code == 422
    assert 'role="alert"' in quick.text


def test_a_bar_says_in_words_too_how_full_it_is() -> None:
    def said(used: int, quota: int) -> str:
        bar = ENVIRONMENT.globals["ui"].bar(used, quota)
        return " ".join(re.sub(r"<[^>]+>", " ", bar).split())

    assert said(106_000_000, 100_000_000) == "106.00 of 100 106 % over limit"
    assert 'class="over" width="100"' in ENVIRONMENT.globals["ui"].bar(106_000_000, 100_000_000)
    assert said(100_000_000, 100_000_000).endswith("used up")
    assert said(85_000_000, 100_000_000).endswith("85 %")
    assert said(0, 100_000_000).endswith("not used yet")
    assert said(5_000_000, -1) == "5.00 no limit"
    assert said(0, 0) == "0.00 may not call models"


def test_quotas_are_read_in_words_too() -> None:
    said = {
        "250": 250_000_000,
        " No  limit ": -1,
        "\N{MINUS SIGN}1": -1,
        "0": 0,
        "May not call models": 0,
    }
    assert {text: read_quota(text) for text in said} == said


async def test_a_role_change_says_what_is_gained_and_lost(acme: Acme, tab: Open) -> None:
    ann = await tab("ann")
    asked = await ann.get(acme.path("mia", "role"))
    assert "Make Mia an Admin" in asked.text
    assert "see every member" in asked.text
    done = await ann.submit(asked, "/role")
    assert "Mia is an Admin now." in done.text
    mia = await acme.scene.person("mia")
    await management_keys.create_management_key(mia, acme.id, "BI")
    await invitations.invite_members(mia, acme.id, ["new@example.com"])
    asked = await ann.part(acme.path("mia", "role"))
    assert "1 management key stops at once" in asked.text
    assert "1 invitation they sent" in asked.text
    quick = await ann.submit(asked, "/role", quick=True, at=f"{PATH}?sort=-name")
    assert quick.status_code == 204
    assert '"target": "#main"' in quick.headers["hx-location"]
    assert f'"path": "{PATH}?sort=-name"' in quick.headers["hx-location"]
    assert "Mia is a Member now." in (await ann.get(PATH)).text
    assert (await ann.send(acme.path("mia", "role"), role="OWNER")).status_code == 403, "no token"
    forced = await ann.submit(await ann.get(acme.path("mia", "role")), "/role", role="OWNER")
    assert forced.status_code == 422
    await acme.scene.promises()


async def test_a_removal_names_the_person_and_what_ends(acme: Acme, tab: Open) -> None:
    ann = await tab("ann")
    mia = await acme.scene.person("mia")
    for name in ("laptop", "server"):
        await api_keys.create_api_key(mia, acme.id, name)
    asked = await ann.get(acme.path("mia", "remove"))
    assert "Their 2 keys stop at once." in asked.text
    gone = await ann.submit(asked, "/remove")
    assert "Mia is no longer a member." in gone.text
    assert names(gone.text) == ["Adam", "Ann", "Max"]
    assert (await ann.get(acme.path("mia", "remove"))).status_code == 404
    assert (await (await tab("mia")).get("/a/acme")).status_code == 404
    await acme.scene.promises()


# What each may do to whom, by the form that the page shows or does not show.
FORCED = [
    ("mia", "max", "quota", {"quota": "5"}, 403),
    ("mia", "max", "role", {"role": "ADMIN"}, 403),
    ("mia", "max", "remove", {}, 403),
    ("adam", "adam", "quota", {"quota": "5"}, 403),
    ("adam", "ann", "quota", {"quota": "5"}, 403),
    ("adam", "ann", "remove", {}, 403),
    ("adam", "mia", "role", {"role": "OWNER"}, 422),
    ("ann", "ann", "role", {"role": "MEMBER"}, 409),
    ("ann", "ann", "remove", {}, 409),
    ("eve", "mia", "quota", {"quota": "5"}, 404),
    ("eve", "mia", "remove", {}, 404),
]


async def test_what_a_role_may_not_do_is_absent_and_refused_when_forced(
    acme: Acme, tab: Open
) -> None:
    tabs = {name: await tab(name) for name in ("ann", "adam", "mia", "eve")}
    for name, status in {"ann": 200, "adam": 200, "mia": 403, "eve": 404}.items():
        for page in (PATH, f"{PATH}/invite", f"{PATH}/invitations", acme.path("max", "remove")):
            assert (await tabs[name].get(page)).status_code == status, (name, page)
    assert "In Acme, Members is for the Owner and Admins." in (await tabs["mia"].get(PATH)).text
    assert "Management" not in (await tabs["mia"].get("/a/acme")).text
    shown = (await tabs["adam"].get(PATH)).text
    for name, sees in {"mia": True, "max": True, "adam": False, "ann": False}.items():
        assert (f"{acme.path(name, 'quota')}" in shown) is sees, name
    assert acme.path("ann", "quota") in (await tabs["ann"].get(PATH)).text, "the Owner's own quota"
    assert (await tabs["ann"].get("/a/acme/management/nothing")).status_code == 404
    personal = (await tabs["ann"].get("/")).url.path
    assert (await tabs["ann"].get("/a/" + personal.split("/")[2])).status_code == 200
    before = await acme.scene.snapshot()
    for who, whom, what, fields, status in FORCED:
        token = await tabs[who].token("/organizations/new")
        answer = await tabs[who].send(acme.path(whom, what), form_token=token, **fields)
        assert answer.status_code == status, (who, whom, what)
    token = await tabs["ann"].token(PATH)
    said = await tabs["ann"].send(acme.path("ann", "remove"), quick=True, form_token=token)
    assert said.status_code == 409
    assert "Transfer the organization" in said.text
    assert 'hx-target="#toasts"' in said.text
    assert await acme.scene.snapshot() == before


async def test_a_personal_account_has_no_members_page(tab: Open) -> None:
    ann = await tab("ann")
    slug = (await ann.get("/")).url.path
    for page in ("", "/invite", "/invitations"):
        assert (await ann.get(f"{slug}/management/members{page}")).status_code == 404


def test_addresses_are_taken_out_of_what_was_pasted() -> None:
    pasted = 'Jane Doe <jane@x.example>; "Bo" <bo@x.example>,\n jane@x.example\tmax@x.example'
    assert addresses(pasted) == ["jane@x.example", "bo@x.example", "max@x.example"]
    assert addresses("a@x.example, nonsense b@x.example") == [
        "a@x.example",
        "nonsense",
        "b@x.example",
    ]
    assert addresses(" ,;\n") == []
    sheet = 'Jane Doe\tjane@x.example\tSales\n"Roe, Max" <max@x.example> Bo <bo@x.example> JANE@x.example'
    assert addresses(sheet) == ["jane@x.example", "max@x.example", "bo@x.example"]
    assert without(sheet, "Max@x.example") == "jane@x.example\nbo@x.example\n"


def test_what_is_being_typed_is_no_mistake_yet() -> None:
    typed = {"a@x.example, ma": "ma", "Max Ro": "Max Ro", "Max <max@": "Max <max@", "a@x b@": "b@"}
    assert {text: unfinished(text) for text in typed} == typed
    for ended in ("a@x.example,", "nonsense\n", "a@x ", ""):
        assert unfinished(ended) == "", ended


@pytest.mark.usefixtures("acme")
async def test_many_are_invited_in_one_go_each_with_a_result(tab: Open) -> None:
    adam = await tab("adam")
    form = await adam.get(f"{PATH}/invite")
    assert "default quota: no limit" in form.text
    empty = await adam.submit(form, "/invite", emails=" , ")
    assert empty.status_code == 422
    wrong = await adam.submit(form, "/invite", emails="a@example.com", quota="much")
    assert (wrong.status_code, "about-quota" in wrong.text) == (422, True)
    assert "0 invitations" in (await adam.get(f"{PATH}/invitations")).text
    sent = await adam.submit(form, "/invite", emails="a@example.com, b@example.com", quota="5")
    assert "2 invitations sent." in sent.text
    mixed = await adam.submit(
        form, "/invite", quick=True, emails=f"c@example.com a@example.com mia@example.com {HOSTILE}"
    )
    said = unescape(re.sub(r"<[^>]+>", "", mixed.text))
    assert re.search(r"c@example.com\s+is invited", said)
    assert re.search(r"a@example.com\s+was invited before", said)
    assert re.search(r"mia@example.com\s+is a member already", said)
    assert "is no e-mail address" in said
    assert "<img src=x" not in mixed.text
    assert "mia@example.com" in mixed.text.partition("<textarea")[2]
    assert "c@example.com" not in mixed.text.partition("<textarea")[2]


async def test_each_address_is_judged_while_one_types_by_the_rule_of_sending(
    acme: Acme, tab: Open
) -> None:
    adam, mia = await tab("adam"), await tab("mia")
    token = await adam.token(f"{PATH}/invite")
    await invitations.invite_members(await acme.scene.owner(acme.id), acme.id, ["a@example.com"])
    before = await acme.scene.snapshot()
    typed = "C@example.com, A <a@example.com>\nmia@example.com adam@example.com; none, c@example.com, d@"
    check = f"{PATH}/invite/check"
    part = await adam.send(check, quick=True, form_token=token, emails=typed)
    said = re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", "", part.text)))
    assert "6 addresses. 3 of them cannot be invited." in said
    assert "C@example.com a@example.com was invited before: gets a new letter" in said
    assert "mia@example.com is a member already" in said
    assert "adam@example.com is your own address none is no e-mail address" in said
    assert "d@ is no e-mail address yet" in said
    assert "<textarea" not in part.text, "what is being typed is left alone"
    less = await adam.send(check, quick=True, form_token=token, emails=typed, without="none")
    assert "a@example.com\nmia@example.com\nadam@example.com\nd@\n</textarea>" in less.text
    many = " ".join(f"{n}@example.com" for n in range(501))
    many_said = await adam.send(check, quick=True, form_token=token, emails=many)
    assert "Give 1 to 500 addresses." in many_said.text
    assert (await adam.send(check, quick=True, form_token=token, emails="")).status_code == 200
    assert (
        await mia.send(check, form_token=await mia.token("/organizations/new"))
    ).status_code == 403
    assert await acme.scene.snapshot() == before, "nothing is sent before it is sent"
    checked = await invitations.check_addresses(
        await acme.scene.owner(acme.id), acme.id, addresses(typed)
    )
    sent = await invitations.invite_members(
        await acme.scene.owner(acme.id), acme.id, addresses(typed)
    )
    assert [(one.email, one.code, one.again) for one in checked] == [
        (one.email, one.code, one.again) for one in sent
    ]


async def test_waiting_invitations_are_sent_again_or_revoked(acme: Acme, tab: Open) -> None:
    adam = await tab("adam")
    await invitations.invite_members(await acme.scene.owner(acme.id), acme.id, ["a@example.com"])
    page = await adam.get(f"{PATH}/invitations")
    assert "in 7 days" in page.text
    assert "<td>Ann</td>" in page.text, "who invited"
    assert '"/invitations/' not in page.text, "the letter's link is in the letter alone"
    assert (
        "A new letter is on its way to a@example.com." in (await adam.submit(page, "/resend")).text
    )
    revoked = await adam.submit(page, "/revoke")
    assert "is revoked" in revoked.text
    assert "No invitation waits" in revoked.text
    assert (await adam.submit(page, "/resend")).status_code == 409
    mia = await tab("mia")
    token = await mia.token("/organizations/new")
    for form in re.findall(r'action="([^"]+/revoke)"', page.text):
        assert (await mia.send(form, form_token=token)).status_code == 403


async def test_hostile_names_are_shown_as_text(scene: Scene, tab: Open) -> None:
    account = await scene.organization(await scene.person("ann"), HOSTILE)
    await scene.join(account, await scene.person(HOSTILE, email="h@example.com"))
    ann = await tab("ann")
    slug = next(
        seat for seat in re.findall(r"/a/([\w-]+)", (await ann.get("/")).text) if "img" in seat
    )
    for path in ("", "/management/members", "/management/members/invite"):
        page = await ann.get(f"/a/{slug}{path}")
        assert page.status_code == 200
        assert "<img src=x" not in page.text
        assert "{{7*7}}" in unescape(page.text)
