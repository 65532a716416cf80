"""Settings and the Organization Profile: renaming, leaving, handing over, dissolving, and their refusals."""

import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import UUID

import pytest

from app.permissions import Role
from app.resolvers import accounts, api_keys, members, operations
from tests.scene import Scene
from tests.web.portal import Tab

Open = Callable[..., Awaitable[Tab]]
PATH = "/a/acme/profile"
SETTINGS = "/a/acme/management/settings"


@pytest.fixture
async def acme(scene: Scene) -> UUID:
    """Found Acme: ann is its Owner, eva an Admin, bob a Member."""
    account = await scene.organization(await scene.person("ann"), "Acme")
    await scene.join(account, await scene.person("eva"), role=Role.ADMIN)
    await scene.join(account, await scene.person("bob"))
    return account


async def test_the_default_quota_is_chosen_in_words_and_moves_nobody(
    acme: UUID, scene: Scene, tab: Open
) -> None:
    eva = await tab("eva")
    page = await eva.get(SETTINGS)
    assert "no limit" in page.text
    for choice, amount, quota, words in (
        ("amount", "25", 25_000_000, "25 credits a month"),
        ("no-calls", "25", 0, "may not call models"),
        ("amount", "\N{MINUS SIGN}1", -1, "no limit"),
        ("amount", "0", 0, "may not call models"),
    ):
        answer = await eva.submit(
            await eva.get(SETTINGS), "/default-quota", quota_choice=choice, quota=amount
        )
        assert f"Whoever joins from now on: {words}." in answer.text
        assert await accounts.default_quota(await scene.person("eva"), acme) == quota
    bob = await tab("bob")
    own = await members.own_membership(await scene.person("bob"), acme)
    assert own.quota == -1, "who is here already stays as they are"
    before = await scene.snapshot()
    form = await eva.get(SETTINGS)
    for amount in ("-2", "many", "1e3", "12345678901234567890"):
        answer = await eva.submit(form, "/default-quota", quota_choice="amount", quota=amount)
        assert answer.status_code == 422
        assert "number of credits" in answer.text or "A quota is" in answer.text
    assert (await bob.get(SETTINGS)).status_code == 403
    token = await bob.token(PATH)
    forced = await bob.send(f"{SETTINGS}/default-quota", form_token=token, quota="5")
    assert forced.status_code == 403
    assert await scene.snapshot() == before


async def test_everybody_sees_their_own_profile(acme: UUID, scene: Scene, tab: Open) -> None:
    ann, eva, bob = await tab("ann"), await tab("eva"), await tab("bob")
    owner, admin, member = [(await one.get(PATH)).text for one in (ann, eva, bob)]
    assert "Transfer ownership" in owner
    assert "Dissolve" in owner
    assert f"{PATH}/leave" not in owner
    for other in (admin, member):
        assert f"{PATH}/leave" in other
        assert "Dissolve" not in other
        assert "Edit name" not in other
    assert "bob@example.com" in admin
    assert "ann@example.com" not in member, "a Member sees who the Owner is, not the address"
    assert "Ann" in member
    personal = await accounts.list_accounts(await scene.person("bob"))
    assert (await bob.get(f"/a/{personal[0].slug}/profile")).status_code == 404
    before = await scene.snapshot()
    for tab_ in (eva, bob):
        token = await tab_.token(PATH)
        for deed in ("name", "transfer", "dissolve"):
            assert (await tab_.get(f"{PATH}/{deed}")).status_code == 403
            fields = {"name": "x", "confirmName": "Acme", "member": _id_of(acme)}
            sent = await tab_.send(f"{PATH}/{deed}", form_token=token, **fields)
            assert sent.status_code in (403, 404)
    assert await scene.snapshot() == before


def _id_of(account: UUID) -> str:
    from app.ids import wire_id  # noqa: PLC0415

    return wire_id("member", account)


@pytest.mark.usefixtures("acme")
async def test_the_owner_renames_and_the_address_stays(tab: Open) -> None:
    ann = await tab("ann")
    answer = await ann.submit(await ann.get(f"{PATH}/name"), "/name", name="Acme & <Sons>")
    assert answer.url.path == PATH
    assert "Acme &amp; &lt;Sons&gt;" in answer.text
    assert (await ann.submit(await ann.get(f"{PATH}/name"), "/name", name="")).status_code == 422


async def test_a_member_leaves_for_their_personal_account(
    acme: UUID, scene: Scene, tab: Open
) -> None:
    await api_keys.create_api_key(await scene.person("bob"), acme, "mine")
    bob = await tab("bob")
    form = await bob.get(f"{PATH}/leave")
    assert "Your 1 key here stops at once" in form.text
    answer = await bob.submit(form, "/leave")
    assert answer.url.path.startswith("/a/u-")
    assert "You have left Acme." in answer.text
    assert (await bob.get(PATH)).status_code == 404
    ann = await tab("ann")
    token = await ann.token(PATH)
    refused = await ann.send(f"{PATH}/leave", form_token=token)
    assert refused.status_code == 409
    assert "Transfer the organization" in refused.text
    await scene.promises()


async def test_ownership_is_handed_over_to_somebody_who_is_found_by_name(
    acme: UUID, scene: Scene, tab: Open, shift_clock: Callable[[timedelta], None]
) -> None:
    ann = await tab("ann")
    found = await ann.part(f"{PATH}/transfer?search=bo")
    assert "Bob" in found.text
    assert "Eva" not in found.text
    chosen = re.search(r'name="member" value="([^"]+)"', found.text)
    assert chosen is not None
    token = await ann.token(PATH)
    missing = await ann.send(f"{PATH}/transfer", form_token=token)
    assert missing.status_code == 422
    assert "Choose who becomes the Owner." in missing.text
    shift_clock(timedelta(minutes=11))
    stale = await ann.send(f"{PATH}/transfer", form_token=token, member=chosen[1])
    assert "Sign in again" in stale.text
    assert (await scene.owner(acme)).person.name == "Ann"
    ann = await tab("ann")
    token = await ann.token(PATH)
    answer = await ann.send(f"{PATH}/transfer", form_token=token, member=chosen[1])
    assert "You are an Admin now." in answer.text
    assert (await scene.owner(acme)).person.name == "Bob"
    await scene.promises()


async def test_dissolving_says_what_ends_and_asks_for_name_and_credits(
    acme: UUID, scene: Scene, tab: Open
) -> None:
    from app.models import AuditActorKind  # noqa: PLC0415
    from app.seats import Viewer  # noqa: PLC0415

    operator = Viewer(scene.database, scene.settings, kind=AuditActorKind.OPERATOR)
    await operations.grant(operator, "acme", 2_500_000, "a gift")
    await api_keys.create_api_key(await scene.person("bob"), acme, "mine")
    ann = await tab("ann")
    form = await ann.get(f"{PATH}/dissolve")
    assert "3 memberships end" in form.text
    assert "1 key and 0 management keys stop" in form.text
    assert "credits are lost." in form.text
    before = await scene.snapshot()
    for given, sentence in (
        ({"confirmName": "acme", "waive": "2.500000"}, "Type the organization"),
        ({"confirmName": "Acme", "waive": "2.4"}, "Waive exactly"),
        ({"confirmName": "Acme", "waive": ""}, "Waive exactly"),
    ):
        refused = await ann.submit(form, "/dissolve", **given)
        assert refused.status_code == 422
        assert sentence in refused.text
    assert await scene.snapshot() == before
    done = await ann.submit(form, "/dissolve", confirmName="Acme", waive="2.500000")
    assert "Acme is dissolved." in done.text
    bob = await tab("bob")
    assert (await bob.get(PATH)).status_code == 410
    await scene.promises()
