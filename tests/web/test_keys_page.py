"""Keys in the portal: made, shown once, changed, rotated and ended, by whom it may be, and refused to others."""

import html
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import UUID

import pytest
from sqlmodel import select

from app.credentials import KeyKind, key_kind
from app.database import now
from app.models.keys import ApiKey
from app.permissions import Role
from app.resolvers import api_keys, management_keys
from tests.scene import Scene
from tests.web.portal import Tab

Open = Callable[..., Awaitable[Tab]]
PATH = "/a/acme/keys"
MANAGED = "/a/acme/management/keys"
PATH_OF_ONE = re.compile(rf'{MANAGED}/(?!new)[\w-]+(?=")')
SECRET = re.compile(r"sk_(?:mg_)?[0-9A-Za-z]{46}")


@pytest.fixture
async def acme(scene: Scene) -> UUID:
    """Found Acme: ann is its Owner, eva an Admin, bob a Member."""
    account = await scene.organization(await scene.person("ann"), "Acme")
    await scene.join(account, await scene.person("eva"), role=Role.ADMIN)
    await scene.join(account, await scene.person("bob"))
    return account


async def _keys(scene: Scene) -> list[ApiKey]:
    async with scene.database.write() as session:
        return list((await session.execute(select(ApiKey))).scalars().all())


async def test_a_key_is_made_shown_once_and_masked_after(
    acme: UUID, scene: Scene, tab: Open
) -> None:
    bob = await tab("bob")
    page = await bob.get(PATH)
    assert "No keys yet" in page.text
    form = await bob.get(f"{PATH}/new")
    made = await bob.submit(
        form, PATH, name="Nightly", limit_choice="amount", limit="12.5", expiresAt="2031-05-01"
    )
    assert made.status_code == 200
    secret = SECRET.search(made.text)
    assert secret is not None
    assert key_kind(secret[0]) is KeyKind.STANDARD
    assert made.headers["cache-control"] == "no-store"
    assert (
        f"curl -H &#34;Authorization: Bearer {secret[0]}&#34; https://GATEWAY/v1/models"
        in made.text
    )
    assert "I have saved it" in made.text
    (key,) = await _keys(scene)
    assert (key.name, key.monthly_limit, key.account_id) == ("Nightly", 12_500_000, acme)
    assert key.expires_at is not None
    assert key.expires_at.isoformat() == "2031-05-02T00:00:00+00:00", "the last day counts whole"
    page = await bob.get(PATH)
    assert "Nightly" in page.text
    assert "Standard keys, sk_…, call models." in page.text
    assert re.search(r"made <time[^>]+>just now", page.text)
    assert '<span class="badge">never</span>' in page.text, "not used yet"
    assert "ends soon" not in page.text
    assert f"…{key.last_four}" in page.text
    assert secret[0] not in page.text
    saved = await bob.submit(made, "/env")
    assert saved.text == f"R9S_API_KEY={secret[0]}\n"
    assert "attachment" in saved.headers["content-disposition"]


@pytest.mark.usefixtures("acme")
async def test_what_makes_no_sense_is_said_at_its_field_and_makes_no_key(
    scene: Scene, tab: Open
) -> None:
    bob = await tab("bob")
    form = await bob.get(f"{PATH}/new")
    before = await scene.snapshot()
    for given, sentence in (
        ({"name": " "}, "Write a name."),
        (
            {"name": "a", "limit_choice": "amount", "limit": "1.2345678"},
            "Write a number of credits",
        ),
        ({"name": "a", "limit_choice": "no-limit", "limit": "5"}, "chose something else"),
        ({"name": "a", "expiresAt": "2001-01-01"}, "in the future"),
        ({"name": "a", "expiresAt": "9999-12-31"}, "Write a day"),
        ({"name": "a", "tag": "x" * 65}, "at most 64"),
    ):
        for quick in (False, True):
            answer = await bob.submit(form, PATH, quick=quick, **given)
            assert answer.status_code == 422
            assert sentence in answer.text
            assert ("<html" in answer.text) is not quick
    assert await scene.snapshot() == before


async def test_a_key_is_changed_rotated_and_revoked_by_its_owner(
    acme: UUID, scene: Scene, tab: Open
) -> None:
    viewer = await scene.person("bob")
    made = await api_keys.create_api_key(viewer, acme, "Old", None, 7_000_000, "lab")
    bob = await tab("bob")
    page = await bob.get(PATH)
    paths = dict.fromkeys(re.findall(rf"{PATH}/[\w-]+/(?:edit|rotate|revoke)", page.text))
    edit, rotate, revoke = paths
    form = await bob.get(edit)
    assert 'value="7"' in form.text
    answer = await bob.submit(form, edit.removesuffix("/edit"), name="New", limit_choice="no-limit")
    assert "The key is changed." in answer.text
    (key,) = await _keys(scene)
    assert (key.name, key.monthly_limit, key.tag) == ("New", -1, "lab")
    answer = await bob.submit(await bob.get(rotate), rotate, overlap="60")
    secret = SECRET.search(answer.text)
    assert secret is not None
    assert secret[0] != made.secret
    refused = await bob.submit(await bob.get(rotate), rotate, overlap="999999")
    assert refused.status_code == 422
    answer = await bob.submit(await bob.get(revoke), revoke)
    assert "New is revoked" in answer.text
    assert (await _keys(scene))[0].revoked_at is not None
    assert "No keys yet" in answer.text
    assert "Revoked" in (await bob.get(f"{PATH}?ended=1")).text
    await scene.promises()


async def test_others_keys_are_seen_and_ended_by_rank_alone(
    acme: UUID, scene: Scene, tab: Open
) -> None:
    ends = (await scene.database.row(select(now())))[0] + timedelta(days=5)
    for name in ("ann", "eva", "bob"):
        last = ends if name == "bob" else None
        await api_keys.create_api_key(await scene.person(name), acme, f"Key of {name}", last)
    ann, eva, bob = await tab("ann"), await tab("eva"), await tab("bob")
    assert (await bob.get(f"{PATH}?all=1")).status_code == 403
    assert "Everybody" not in (await bob.get(PATH)).text
    seen = await eva.get(f"{PATH}?all=1")
    assert all(f"Key of {name}" in seen.text for name in ("ann", "eva", "bob"))
    assert "Only Ann or somebody of a higher role ends this key." in seen.text
    revoking = dict.fromkeys(re.findall(rf"{PATH}/[\w-]+/revoke", seen.text))
    assert len(revoking) == 2, "her own, and a Member's"
    assert seen.text.count("ends soon") == 1
    asked = html.unescape((await eva.get(next(iter(revoking)))).text)
    assert re.search(r"Revoke Key of \w+", asked)
    assert "It was never used." in asked
    of_ann = next(path for path in re.findall(rf"{PATH}/[\w-]+/revoke", (await ann.get(PATH)).text))
    before = await scene.snapshot()
    form = await eva.get(of_ann)
    assert (await eva.submit(form, "/revoke")).status_code == 403
    token = await bob.token(PATH)
    for path in (of_ann, of_ann.replace("/revoke", "/rotate"), of_ann.removesuffix("/revoke")):
        assert (await bob.send(path, form_token=token, name="x", overlap="0")).status_code == 404
    assert (await bob.send(of_ann, form_token="x")).status_code in (403, 404)
    assert await scene.snapshot() == before


async def test_management_keys_are_shown_once_and_their_maker_alone_changes_them(
    acme: UUID, scene: Scene, tab: Open
) -> None:
    ann, eva, bob = await tab("ann"), await tab("eva"), await tab("bob")
    assert (await bob.get(MANAGED)).status_code == 403
    assert "Management keys" not in (await bob.get(PATH)).text
    made = await eva.submit(await eva.get(f"{MANAGED}/new"), MANAGED, name="Close")
    secret = SECRET.search(made.text)
    assert secret is not None
    assert key_kind(secret[0]) is KeyKind.MANAGEMENT
    assert "/balance" in made.text
    seen = await ann.get(MANAGED)
    assert "Close" in seen.text
    assert secret[0] not in seen.text
    path = PATH_OF_ONE.search(seen.text)
    assert path is not None
    assert "Not used yet" in (await ann.get(path[0])).text
    assert f"{path[0]}/edit" not in seen.text
    token = await ann.token(MANAGED)
    before = await scene.snapshot()
    for deed in ("", "/rotate"):
        refused = await ann.send(path[0] + deed, form_token=token, name="Mine", overlap="0")
        assert refused.status_code == 403
    assert await scene.snapshot() == before
    answer = await ann.submit(await ann.get(f"{path[0]}/revoke"), "/revoke")
    assert "Close is revoked" in answer.text
    listed = await management_keys.list_management_keys(await scene.person("ann"), acme)
    assert listed.rows[0].revoked_at is not None


@pytest.mark.usefixtures("acme")
async def test_a_management_key_takes_a_fresh_sign_in(
    scene: Scene, tab: Open, shift_clock: Callable[[timedelta], None]
) -> None:
    eva = await tab("eva")
    token = await eva.token(PATH)
    before = await scene.snapshot()
    shift_clock(timedelta(minutes=11))
    stale = await eva.get(f"{MANAGED}/new")
    assert "Sign in again" in stale.text
    assert "fresh=1" in stale.text
    forced = await eva.send(MANAGED, form_token=token, name="Sly")
    assert "Sign in again" in forced.text
    assert SECRET.search(forced.text) is None
    assert await scene.snapshot() == before


async def test_a_page_of_keys_costs_the_same_for_one_and_for_many(
    acme: UUID, scene: Scene, tab: Open
) -> None:
    viewer = await scene.person("ann")
    await api_keys.create_api_key(viewer, acme, "first")
    ann = await tab("ann")
    few = len(await ann.statements(f"{PATH}?all=1"))
    for number in range(12):
        await api_keys.create_api_key(viewer, acme, f"key {number}")
    many = len(await ann.statements(f"{PATH}?all=1"))
    assert few == many <= 12


async def test_everybodys_keys_come_by_pages_and_keep_what_is_asked(
    acme: UUID, scene: Scene, tab: Open
) -> None:
    for name in ("ann", "bob"):
        viewer = await scene.person(name)
        for number in range(26):
            await api_keys.create_api_key(viewer, acme, f"Key {number} of {name}")
    ann = await tab("ann")
    first = (await ann.get(f"{PATH}?all=1&ended=1")).text
    assert "52 keys" in first
    following = re.search(rf'href="({PATH}\?all=1&amp;ended=1&amp;after=[^"]+)"', first)
    assert following is not None
    second = (await ann.get(html.unescape(following[1]))).text
    rest = [f"Key {number} of ann" for number in (0, 1)]
    assert all(name in second and name not in first for name in rest)
    assert "First page" in second
    assert "after=" not in second.partition("First page")[0].rpartition("href=")[2]
    assert (await ann.get(f"{PATH}?all=1&after=x")).status_code == 400
