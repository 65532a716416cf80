"""The audit log: what was done in words, filtered by the address; for those who may see it."""

import re
from collections.abc import Awaitable, Callable
from html import unescape
from uuid import UUID

import pytest

from app.access import VERBS
from app.ids import wire_id
from app.permissions import Role
from app.resolvers import members, organizations
from app.web.portal.audit_words import DONE, changes, choice
from tests.scene import Scene
from tests.web.portal import Tab

Open = Callable[..., Awaitable[Tab]]
PATH = "/a/acme/management/audit"


@pytest.fixture
async def acme(scene: Scene) -> UUID:
    ann = await scene.person("ann")
    account = await scene.organization(ann, "Acme")
    await scene.join(account, await scene.person("adam"), role=Role.ADMIN)
    bob = await scene.join(account, await scene.person("<b>bob</b>", email="bob@example.com"))
    owner = await scene.owner(account)
    await members.set_member_quota(owner, bob, 12_500_000)
    await members.set_member_quota(owner, bob, 0)
    await organizations.set_default_quota(owner, account, 5_000_000)
    return account


def events(page: str) -> list[str]:
    return re.findall(r'<tr id="(aud_[0-9a-f]+)">', page)


async def test_every_change_is_told_in_words_with_before_and_after(acme: UUID, tab: Open) -> None:
    adam = await tab("adam")
    page = (await adam.get(PATH)).text
    assert len(events(page)) == int(re.search(r"(\d+) events", page)[1])  # type: ignore[index]
    assert "set the quota of" in page
    assert "<del>12.5 credits a month</del>" in page
    assert "<ins>may not call models</ins>" in page
    assert "set the default quota of" in page
    assert "&lt;b&gt;bob&lt;/b&gt;" in page
    assert "<b>bob</b>" not in page
    assert len(await adam.statements(PATH)) <= 12
    assert acme


async def test_filters_in_the_address_choose_events(acme: UUID, scene: Scene, tab: Open) -> None:
    ann = await tab("ann")
    whole = (await ann.get(PATH)).text
    quota = (await ann.get(f"{PATH}?action=set_member_quota")).text
    assert len(events(quota)) == 2
    adam = wire_id("user", (await scene.person("adam")).person.id)
    own = (await ann.get(f"{PATH}?actor={adam}")).text
    assert 0 < len(events(own)) < len(events(whole))
    assert "Without the filter actor Adam" in own
    bob = await scene.person("<b>bob</b>", email="bob@example.com")
    target = wire_id("member", await scene.member_id(acme, bob))
    assert target in whole, "a target leads to what was done to it"
    of_bob = (await ann.get(f"{PATH}?target={target}&range=7d")).text
    assert len(events(of_bob)) == 3
    assert "Take all filters away" in (await ann.get(f"{PATH}?to=2020-01-02&from=2020-01-01")).text
    assert (await ann.get(f"{PATH}?from=nonsense")).status_code == 422
    after = re.search(r'href="([^"]*after=[^"]*)"', whole)
    assert after is None or (await ann.get(unescape(after[1]))).status_code == 200


async def test_the_log_is_for_those_who_may_see_it(acme: UUID, scene: Scene, tab: Open) -> None:
    bob = await tab("<b>bob</b>", email="bob@example.com")
    before = await scene.snapshot()
    forced = await bob.get(PATH)
    assert forced.status_code == 403
    assert "set the quota of" not in forced.text
    assert PATH not in (await bob.get("/a/acme")).text, "what one may not see is absent"
    assert await scene.snapshot() == before
    sam = await scene.person("sam")
    await scene.organization(sam, "Other")
    tab_of_sam = await tab("sam")
    assert (await tab_of_sam.get(PATH)).status_code == 404
    other = "/a/other/management/audit"
    ann = wire_id("user", (await scene.owner(acme)).person.id)
    for foreign in (f"actor={ann}", f"target={wire_id('account', acme)}", "actor=nonsense"):
        assert (await tab_of_sam.get(f"{other}?{foreign}")).status_code == 404


def test_every_action_has_words() -> None:
    recording = {
        verb.name
        for verb in VERBS.values()
        if verb.kind in {"writes", "signed_in_writes"} and verb.module.startswith("app.")
    }
    silent = {"sign_out"}
    assert recording - silent <= DONE.keys()
    assert choice("set_member_quota") == "Set the quota"
    shown = changes({"role": "MEMBER", "ended_at": None}, {"role": "ADMIN", "ended_at": None})
    assert [(one.name, one.before, one.after) for one in shown] == [
        ("role", "Member", "Admin"),
        ("ended", "nothing", "nothing"),
    ]
