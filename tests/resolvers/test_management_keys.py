"""Management keys: making and changing them, whom a secret stands for, and the trace of every use."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select
from sqlmodel import col

from app.credentials import BASE62, KeyKind, key_kind, new_key_secret, secret_hash
from app.database import Database
from app.errors import (
    CapReached,
    Forbidden,
    Invalid,
    KeyEnded,
    NotFound,
    ReauthenticationRequired,
    Unauthenticated,
    WrongKeyType,
)
from app.models import AuditActorKind, AuditEvent, KeySecret
from app.permissions import MANAGEMENT_KEY_PERMISSIONS, Role
from app.resolvers import accounts, api_keys, audit, management_keys, members, sessions
from app.resolvers.management_keys import ManagementUse
from app.seats import Viewer
from app.settings import Settings
from tests.resolvers.test_api_keys import actions_on
from tests.resolvers.test_races import outcomes
from tests.scene import Scene

Shift = Callable[[timedelta], None]


async def viewer_of(scene: Scene, secret: str) -> Viewer:
    return await management_keys.management_key_viewer(scene.signed_out(), secret)


def use(viewer: Viewer, **facts: Any) -> ManagementUse:
    (seat,) = viewer.seats.values()
    assert viewer.key is not None
    given = {"ip": "192.0.2.7", "path": "/usage", "at": seat.now, **facts}
    return ManagementUse(seat.account_id, viewer.key.id, **given)


async def test_a_new_key_tells_its_secret_once_and_stores_only_its_hash(scene: Scene) -> None:
    ann = await scene.person("ann")
    org = await scene.organization(ann, "Acme")
    secret, key_id = await management_keys.create_management_key(ann, org, "BI")
    assert key_kind(secret) is KeyKind.MANAGEMENT
    row = await management_keys.management_key(ann, key_id)
    assert (row.name, row.prefix, row.last_four) == ("BI", secret[:10], secret[-4:])
    assert (row.created_by.name, row.last_used_at) == ("Ann", None)
    pepper = scene.settings.key_pepper.get_secret_value()
    statement = select(KeySecret).where(col(KeySecret.management_key_id) == key_id)
    (stored,) = await scene.database.rows(statement)
    assert stored.secret_hash == secret_hash(pepper, secret)
    assert secret[10:-4] not in repr(await scene.snapshot())
    assert [one.action for one in await actions_on(scene, key_id)] == ["create_management_key"]


async def test_making_and_rotating_need_a_fresh_sign_in_and_change_nothing_without(
    scene: Scene, shift_clock: Shift
) -> None:
    ann = await scene.person("ann")
    org = await scene.organization(ann, "Acme")
    key_id = (await management_keys.create_management_key(ann, org, "BI")).id
    shift_clock(timedelta(minutes=11))
    before = await scene.snapshot()
    with pytest.raises(ReauthenticationRequired):
        await management_keys.create_management_key(ann, org, "More")
    with pytest.raises(ReauthenticationRequired):
        await management_keys.rotate_management_key(ann, key_id)
    assert await scene.snapshot() == before
    await management_keys.update_management_key(ann, key_id, name="Finance")
    await management_keys.revoke_management_key(ann, key_id)


async def test_a_personal_account_has_none(scene: Scene) -> None:
    ann = await scene.person("ann")
    personal = await scene.personal_account(ann)
    before = await scene.snapshot()
    with pytest.raises(Forbidden):
        await management_keys.create_management_key(ann, personal, "BI")
    with pytest.raises(Forbidden):
        await management_keys.list_management_keys(ann, personal)
    assert await scene.snapshot() == before


async def test_the_cap_counts_live_keys_of_the_organization_however_many_ask_at_once(
    database: Database, settings: Settings
) -> None:
    scene = Scene(database, settings.model_copy(update={"management_key_cap": 3}))
    ann, bob = await scene.person("ann"), await scene.person("bob")
    org = await scene.organization(ann, "Acme")
    await scene.join(org, bob, role=Role.ADMIN)
    got = await outcomes(
        *(
            management_keys.create_management_key(scene.fresh(who), org, "Key")
            for who in (ann, bob) * 4
        )
    )
    assert sorted(got) == ["cap_reached"] * 5 + ["ok"] * 3
    with pytest.raises(CapReached) as refused:
        await management_keys.create_management_key(ann, org, "Key")
    assert refused.value.extra == {"cap": "management_keys"}


async def test_names_and_ends_make_sense_and_the_ended_stays_as_it_is(scene: Scene) -> None:
    ann = await scene.person("ann")
    org = await scene.organization(ann, "Acme")
    key_id = (await management_keys.create_management_key(ann, org, "BI")).id
    past = await sessions.clock(ann) - timedelta(seconds=1)
    end = await sessions.clock(ann) + timedelta(days=1)
    before = await scene.snapshot()
    for fields in ({"name": " "}, {"name": None}, {"expires_at": past}):
        with pytest.raises(Invalid):
            await management_keys.update_management_key(ann, key_id, **fields)
    with pytest.raises(Invalid):
        await management_keys.create_management_key(ann, org, "BI", past)
    assert await scene.snapshot() == before
    await management_keys.update_management_key(ann, key_id, expires_at=end)
    assert (await management_keys.management_key(ann, key_id)).expires_at == end
    await management_keys.update_management_key(ann, key_id, expires_at=None)
    assert (await management_keys.management_key(ann, key_id)).expires_at is None
    for _time in range(2):
        await management_keys.revoke_management_key(ann, key_id)
    with pytest.raises(KeyEnded):
        await management_keys.update_management_key(ann, key_id, name="New")
    actions = [one.action for one in await actions_on(scene, key_id)]
    assert actions.count("revoke_management_key") == 1


async def test_a_secret_stands_for_one_seat_that_reads_and_nothing_else(scene: Scene) -> None:
    ann = await scene.person("ann")
    org, other = await scene.organization(ann, "Acme"), await scene.organization(ann, "Other")
    secret, key_id = await management_keys.create_management_key(ann, org, "BI")
    signed_out = replace(scene.signed_out(), request_id="r-1", ip="192.0.2.7")
    statements: list[str] = []
    scene.database.on_statement(statements.append)
    viewer = await management_keys.management_key_viewer(signed_out, secret)
    assert len(statements) == 1
    assert viewer.kind is AuditActorKind.MANAGEMENT_KEY
    assert viewer.key is not None
    assert (viewer.key.id, viewer.key.name) == (key_id, "BI")
    assert (viewer.user, viewer.request_id, viewer.ip) == (None, "r-1", "192.0.2.7")
    (seat,) = viewer.seats.values()
    assert (seat.account_id, seat.name, seat.role, seat.member_id) == (org, "Acme", None, None)
    assert seat.permissions == MANAGEMENT_KEY_PERMISSIONS
    assert await members.count_members(viewer, org) == 1
    with pytest.raises(NotFound):
        await accounts.account(viewer, other)
    with pytest.raises(Forbidden):
        await audit.audit_log(viewer, org, audit.AuditFilter())
    with pytest.raises(Forbidden):
        await api_keys.list_api_keys(viewer, org)
    with pytest.raises(Unauthenticated):
        await management_keys.create_management_key(viewer, org, "More")
    with pytest.raises(Unauthenticated):
        await api_keys.revoke_api_key(viewer, uuid4())


async def test_wrong_secrets_are_refused_before_any_look_up(scene: Scene) -> None:
    ann = await scene.person("ann")
    org = await scene.organization(ann, "Acme")
    secret, _id = await management_keys.create_management_key(ann, org, "BI")
    standard = (await api_keys.create_api_key(ann, org, "Key")).secret
    statements: list[str] = []
    scene.database.on_statement(statements.append)
    with pytest.raises(WrongKeyType):
        await viewer_of(scene, standard)
    for place, was in enumerate(secret):
        other = next(one for one in BASE62 if one != was)
        with pytest.raises(Unauthenticated):
            await viewer_of(scene, secret[:place] + other + secret[place + 1 :])
    for text in ("", "sk_mg_", "Bearer", new_key_secret("gw_"), secret + " ", "é" * 52):
        with pytest.raises(Unauthenticated):
            await viewer_of(scene, text)
    assert statements == []
    with pytest.raises(Unauthenticated):
        await viewer_of(scene, new_key_secret("sk_mg_"))
    assert len(statements) == 1


async def test_a_secret_ends_with_its_key_its_time_its_maker_and_its_organization(
    scene: Scene, shift_clock: Shift
) -> None:
    ann, bob, eve = [await scene.person(name) for name in ("ann", "bob", "eve")]
    org = await scene.organization(ann, "Acme")
    for who in (bob, eve):
        await scene.join(org, who, role=Role.ADMIN)
    make = management_keys.create_management_key
    revoked, id_revoked = await make(ann, org, "Revoked")
    rotated, id_rotated = await make(ann, org, "Rotated")
    short, _id = await make(ann, org, "Short", await sessions.clock(ann) + timedelta(hours=1))
    demoted, removed = (await make(bob, org, "Bob's")).secret, (await make(eve, org, "E")).secret
    for secret in (revoked, rotated, short, demoted, removed):
        await viewer_of(scene, secret)
    await management_keys.revoke_management_key(eve, id_revoked)
    newest = (await management_keys.rotate_management_key(ann, id_rotated, 30)).secret
    await viewer_of(scene, rotated)
    await viewer_of(scene, newest)
    bobs, eves = await scene.member_id(org, bob), await scene.member_id(org, eve)
    await members.set_member_role(ann, bobs, Role.MEMBER)
    await members.remove_member(ann, eves)
    shift_clock(timedelta(minutes=59))
    await viewer_of(scene, short)
    for secret in (revoked, rotated, demoted, removed):
        with pytest.raises(Unauthenticated):
            await viewer_of(scene, secret)
    shift_clock(timedelta(minutes=1))
    with pytest.raises(Unauthenticated):
        await viewer_of(scene, short)
    await viewer_of(scene, newest)


async def test_uses_are_summed_by_hour_address_path_and_range(
    scene: Scene, shift_clock: Shift
) -> None:
    ann = await scene.person("ann")
    org = await scene.organization(ann, "Acme")
    secret, key_id = await management_keys.create_management_key(ann, org, "BI")
    viewer = await viewer_of(scene, secret)
    (seat,) = viewer.seats.values()
    hour = seat.now.replace(minute=0, second=0, microsecond=0)
    system = replace(scene.signed_out(), kind=AuditActorKind.SYSTEM)
    uses = [use(viewer, rows=10), use(viewer, rows=5), use(viewer, ip="192.0.2.8", range="2026-11")]
    assert await management_keys.record_management_uses(system, uses) == 3
    assert await management_keys.record_management_uses(system, [use(viewer, rows=1)]) == 1
    assert await management_keys.record_management_uses(system, []) == 0
    page = await management_keys.list_management_key_uses(ann, key_id)
    told = sorted((row.ip, row.range, row.uses, row.rows) for row in page.rows)
    assert told == [("192.0.2.7", "", 3, 16), ("192.0.2.8", "2026-11", 1, 0)]
    assert {row.hour for row in page.rows} == {hour}
    row = await management_keys.management_key(ann, key_id)
    assert row.last_used_at == seat.now
    shift_clock(timedelta(hours=1))
    later = await viewer_of(scene, secret)
    await management_keys.record_management_uses(system, [use(later)])
    page = await management_keys.list_management_key_uses(ann, key_id, first=2)
    assert [row.hour for row in page.rows] == [hour + timedelta(hours=1), hour]
    rest = await management_keys.list_management_key_uses(ann, key_id, 2, page.cursor(1))
    assert [row.hour for row in rest.rows] == [hour]


async def test_only_the_first_use_is_audited_as_the_keys_own_act(scene: Scene) -> None:
    ann = await scene.person("ann")
    org = await scene.organization(ann, "Acme")
    secret, key_id = await management_keys.create_management_key(ann, org, "BI")
    viewer = await viewer_of(scene, secret)
    uses = [use(viewer, request_id="r-1"), use(viewer, request_id="r-2")]
    got = await outcomes(
        *(management_keys.record_management_uses(scene.signed_out(), uses) for _ in range(5))
    )
    assert set(got) == {"ok"}
    statement = select(AuditEvent).where(col(AuditEvent.action) == "use_management_key_first")
    (event,) = await scene.database.rows(statement)
    assert (event.actor_kind, event.actor_id) == (AuditActorKind.MANAGEMENT_KEY, key_id)
    assert (event.actor_name, event.target_id, event.account_id) == ("BI", key_id, org)
    assert (event.ip, event.request_id) == ("192.0.2.7", "r-1")
    (row,) = (await management_keys.list_management_key_uses(ann, key_id)).rows
    assert row.uses == 10


@pytest.mark.parametrize("count", [1, 20])
async def test_a_list_is_one_statement_however_long_it_is(scene: Scene, count: int) -> None:
    ann = await scene.person("ann")
    org = await scene.organization(ann, "Acme")
    for n in range(count):
        await management_keys.create_management_key(ann, org, f"Key {n}")
    viewer = scene.fresh(ann)
    statements: list[str] = []
    scene.database.on_statement(statements.append)
    page = await management_keys.list_management_keys(viewer, org)
    assert len(page.rows) == await management_keys.count_management_keys(viewer, org) == count
    assert len(statements) == 3, "the seat, the list, the count"
