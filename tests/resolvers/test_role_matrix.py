"""The role matrix: every operation by every caller, in one's own and in a foreign organization."""

from uuid import uuid4

import pytest

from app.access import VERBS
from app.errors import Refusal
from app.models import Account
from app.permissions import PERSONAL_PERMISSIONS, Role
from app.resolvers import api_keys, exports, invitations, management_keys
from app.seats import Viewer
from tests.resolvers.matrix import ROWS
from tests.resolvers.matrix_billing import buy
from tests.resolvers.matrix_exports import ASKED
from tests.resolvers.matrix_money import move_to_and_fro
from tests.resolvers.matrix_usage import START
from tests.resolvers.world import Row, World
from tests.scene import Scene
from tests.usage_rows import Made, book

# Verbs that stand outside the matrix: they ask for no seat, or are not a person's at all.
SEATED = {"reads", "writes"}
VERBS_OF_ROWS = sorted({row.verb for row in ROWS})


async def world_of(scene: Scene, people: dict[str, Viewer]) -> World:
    account_id = await scene.organization(people["owner"], "Acme")
    ids = {"owner": await scene.member_id(account_id, people["owner"])}
    for name in ("admin", "admin2"):
        ids[name] = await scene.join(account_id, people[name], role=Role.ADMIN)
    for name in ("member", "member2"):
        ids[name] = await scene.join(account_id, people[name])
    owner = scene.fresh(people["owner"])
    sent = (await invitations.invite_members(owner, account_id, ["waits@example.com"]))[0]
    assert sent.invitation_id is not None
    world = World(scene, account_id, people, ids, sent.invitation_id)
    for name in ids:
        made = await api_keys.create_api_key(world.caller(name), account_id, "Key")
        world.api_keys[name] = made.id
        asked = await exports.ask_own_export(world.caller(name), account_id, ASKED)
        world.exports[name] = asked
    for name in ("owner", "admin", "admin2"):
        viewer = world.caller(name)
        made = await management_keys.create_management_key(viewer, account_id, "Key")
        world.management_keys[name] = made.id
    world.ledger_entry_id = await move_to_and_fro(scene.database, account_id)
    await buy(world)
    calls = [Made(START, ids[name], world.api_keys[name], cost_micro=0) for name in ids]
    records = await book(scene.database, account_id, calls)
    world.usage_records = dict(zip(ids, records, strict=True))
    return world


async def people_of(scene: Scene) -> dict[str, Viewer]:
    names = ("owner", "admin", "admin2", "member", "member2", "outsider")
    people = {name: await scene.person(name) for name in names}
    # The outsider is an Owner elsewhere, so that no right of theirs comes along.
    await scene.organization(people["outsider"], "Elsewhere")
    return people


async def outcome(row: Row, world: World, viewer: Viewer) -> str:
    try:
        await row.act(world, viewer)
    except Refusal as refusal:
        return str(refusal.status)
    return "ok"


async def _assert_nowhere_is_foreign(row: Row, world: World) -> None:
    nowhere = World(
        world.scene,
        uuid4() if row.what != "see one" else world.account_id,
        world.people,
        {name: uuid4() for name in world.member_ids},
        uuid4(),
        {name: uuid4() for name in world.api_keys},
        {name: uuid4() for name in world.management_keys},
        usage_records={name: uuid4() for name in world.usage_records},
        billing={name: uuid4() for name in world.billing},
        exports={name: uuid4() for name in world.exports},
    )
    if row.verb == "audit.audit_event":
        nowhere.account_id = world.account_id
        assert await outcome(row, nowhere, world.caller("outsider")) == "404"
        return
    foreign = row.outcomes()["outsider"]
    assert await outcome(row, nowhere, world.caller("owner")) == foreign, row.what


@pytest.mark.parametrize("verb", VERBS_OF_ROWS)
async def test_each_role_gets_what_the_matrix_says_and_refusals_change_nothing(
    scene: Scene, verb: str
) -> None:
    """One world serves all that changes nothing: refusals, reading, and what does not exist."""
    people = await people_of(scene)
    world = await world_of(scene, people)
    changes = VERBS[f"app.resolvers.{verb}"].kind == "writes"
    before = await scene.snapshot()
    allowed = []
    for row in (one for one in ROWS if one.verb == verb):
        await _assert_nowhere_is_foreign(row, world)
        for name, expected in row.outcomes().items():
            if changes and expected == "ok":
                allowed.append((row, name))
            else:
                assert await outcome(row, world, world.caller(name)) == expected, (row.what, name)
    assert await scene.snapshot() == before
    for row, name in allowed:
        fresh = await world_of(scene, people)
        assert await outcome(row, fresh, fresh.caller(name)) == "ok", (row.what, name)
    await scene.promises()


def test_the_matrix_speaks_of_every_verb_that_needs_a_seat() -> None:
    declared = {
        name.removeprefix("app.resolvers.")
        for name, verb in VERBS.items()
        if verb.kind in SEATED and name.startswith("app.resolvers.")
    }
    assert declared == {row.verb for row in ROWS}


async def test_a_personal_account_allows_nothing_that_concerns_other_people(scene: Scene) -> None:
    ann = await scene.person("ann")
    personal = await scene.personal_account(ann)
    member_id = await scene.member_id(personal, ann)
    world = World(
        scene,
        personal,
        {"owner": ann},
        dict.fromkeys(("owner", "member2", "admin2"), member_id),
        uuid4(),
    )
    before = await scene.snapshot()
    refused = [
        row
        for row in ROWS
        if VERBS[f"app.resolvers.{row.verb}"].on is Account
        and VERBS[f"app.resolvers.{row.verb}"].permission not in {None, *PERSONAL_PERMISSIONS}
    ]
    assert refused
    for row in refused:
        assert await outcome(row, world, scene.fresh(ann)) == "403", row.what
    assert await scene.snapshot() == before
