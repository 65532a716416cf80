"""Standard keys: making, changing, rotating, ending and listing them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlmodel import col

from app.credentials import KeyKind, key_kind, secret_hash
from app.database import Database
from app.errors import BadRequest, CapReached, Invalid, KeyEnded, NotFound
from app.models import ApiKey, AuditEvent, CounterKind, KeySecret, MonthCounter
from app.money import MICRO, UNLIMITED
from app.permissions import Role
from app.resolvers import api_keys, sessions
from app.settings import Settings
from tests.resolvers.test_races import outcomes
from tests.scene import Scene

Shift = Callable[[timedelta], None]


async def secrets_of(scene: Scene, key_id: Any) -> list[Any]:
    statement = select(KeySecret).where(col(KeySecret.api_key_id) == key_id)
    return await scene.database.rows(statement.order_by(col(KeySecret.id)))


async def actions_on(scene: Scene, target_id: Any) -> list[Any]:
    statement = select(col(AuditEvent.action), col(AuditEvent.before), col(AuditEvent.after))
    on_it = statement.where(col(AuditEvent.target_id) == target_id).order_by(col(AuditEvent.id))
    return await scene.database.rows(on_it)


async def test_a_new_key_tells_its_secret_once_and_stores_only_its_hash(scene: Scene) -> None:
    ann = await scene.person("ann")
    personal = await scene.personal_account(ann)
    secret, key_id = made = await api_keys.create_api_key(
        ann, personal, "  My   key ", monthly_limit=5 * MICRO, tag="cost centre 7"
    )
    assert key_kind(secret) is KeyKind.STANDARD
    assert secret not in repr(made)
    row = await api_keys.api_key(ann, key_id)
    assert (row.name, row.tag, row.monthly_limit) == ("My key", "cost centre 7", 5 * MICRO)
    assert (row.prefix, row.last_four) == (secret[:7], secret[-4:])
    assert (row.monthly_usage, row.last_used_at, row.revoked_at) == (0, None, None)
    assert (row.owner.id, row.owner.email) == (ann.person.id, "ann@example.com")
    pepper = scene.settings.key_pepper.get_secret_value()
    (stored,) = await secrets_of(scene, key_id)
    assert stored.secret_hash == secret_hash(pepper, secret)
    everything = repr(await scene.snapshot())
    assert secret not in everything
    assert secret[7:-4] not in everything
    assert secret not in repr(await api_keys.list_api_keys(ann, personal))


async def test_making_changing_rotating_and_ending_each_write_one_audit_event(
    scene: Scene,
) -> None:
    ann = await scene.person("ann")
    org = await scene.organization(ann, "Acme")
    secret, key_id = await api_keys.create_api_key(ann, org, "Key")
    await api_keys.update_api_key(ann, key_id, monthly_limit=MICRO, tag="blue")
    rotated = await api_keys.rotate_api_key(ann, key_id)
    for _time in range(2):
        await api_keys.revoke_api_key(ann, key_id)
    made, changed, turned, ended = await actions_on(scene, key_id)
    assert made.action == "create_api_key"
    assert made.after["name"] == "Key"
    assert (changed.before, changed.after) == (
        {"tag": None, "monthly_limit": "-1"},
        {"tag": "blue", "monthly_limit": "1"},
    )
    assert (turned.action, turned.before, turned.after) == (
        "rotate_api_key",
        {"last_four": secret[-4:]},
        {"last_four": rotated.secret[-4:]},
    )
    assert ended.action == "revoke_api_key"
    assert ended.after["revoked_at"]


async def test_an_update_keeps_what_is_left_out_and_clears_what_is_none(scene: Scene) -> None:
    ann = await scene.person("ann")
    personal = await scene.personal_account(ann)
    end = await sessions.clock(ann) + timedelta(days=30)
    key_id = (await api_keys.create_api_key(ann, personal, "Key", end, MICRO, "blue")).id
    await api_keys.update_api_key(ann, key_id)
    row = await api_keys.api_key(ann, key_id)
    assert (row.name, row.expires_at, row.monthly_limit, row.tag) == ("Key", end, MICRO, "blue")
    await api_keys.update_api_key(ann, key_id, name="New")
    row = await api_keys.api_key(ann, key_id)
    assert (row.name, row.expires_at, row.monthly_limit, row.tag) == ("New", end, MICRO, "blue")
    await api_keys.update_api_key(ann, key_id, expires_at=None, monthly_limit=None, tag=None)
    row = await api_keys.api_key(ann, key_id)
    assert (row.name, row.expires_at, row.monthly_limit, row.tag) == ("New", None, UNLIMITED, None)


@pytest.mark.parametrize(
    "fields",
    [
        {"name": ""},
        {"name": None},
        {"name": "x" * 81},
        {"name": "a\u202eb"},
        {"tag": ""},
        {"tag": "x" * 65},
        {"tag": "\u200b"},
        {"expires_at": datetime(2020, 1, 1, tzinfo=UTC)},
        {"expires_at": datetime(9999, 1, 1, tzinfo=UTC)},
    ],
    ids=repr,
)
async def test_what_makes_no_sense_is_refused_and_changes_nothing(
    scene: Scene, fields: dict[str, Any]
) -> None:
    ann = await scene.person("ann")
    personal = await scene.personal_account(ann)
    key_id = (await api_keys.create_api_key(ann, personal, "Key", tag="blue")).id
    before = await scene.snapshot()
    with pytest.raises(Invalid):
        await api_keys.update_api_key(ann, key_id, **fields)
    if fields.get("name", "") is not None:
        with pytest.raises(Invalid):
            await api_keys.create_api_key(ann, personal, **{"name": "Key", **fields})
    for minutes in (-1, 1441):
        with pytest.raises(Invalid):
            await api_keys.rotate_api_key(ann, key_id, minutes)
    assert await scene.snapshot() == before


async def test_a_key_ends_in_the_future_by_the_databases_clock(
    scene: Scene, shift_clock: Shift
) -> None:
    ann = await scene.person("ann")
    personal = await scene.personal_account(ann)
    in_an_hour = await sessions.clock(ann) + timedelta(hours=1)
    shift_clock(timedelta(hours=2))
    with pytest.raises(Invalid):
        await api_keys.create_api_key(ann, personal, "Key", in_an_hour)


async def test_a_rotated_secret_goes_on_for_the_overlap_and_no_longer(scene: Scene) -> None:
    ann = await scene.person("ann")
    personal = await scene.personal_account(ann)
    key_id = (await api_keys.create_api_key(ann, personal, "Key")).id
    at = await sessions.clock(ann)
    await api_keys.rotate_api_key(ann, key_id, 60)
    first, second = await secrets_of(scene, key_id)
    assert second.ends_at is None
    assert timedelta(0) <= first.ends_at - at - timedelta(minutes=60) < timedelta(minutes=1)
    await api_keys.rotate_api_key(ann, key_id, 1440)
    again, second, third = await secrets_of(scene, key_id)
    assert again.ends_at == first.ends_at, "a later rotation lengthens nothing"
    assert second.ends_at > first.ends_at
    await api_keys.rotate_api_key(ann, key_id)
    now = await sessions.clock(ann)
    *old, newest = await secrets_of(scene, key_id)
    assert all(secret.ends_at <= now for secret in old), (
        "without an overlap, all others end at once"
    )
    assert newest.ends_at is None
    assert third.ends_at is None


async def test_only_so_many_secrets_of_a_key_work_at_a_time(scene: Scene) -> None:
    ann = await scene.person("ann")
    key_id = (await api_keys.create_api_key(ann, await scene.personal_account(ann), "Key")).id
    for _more in range(scene.settings.key_secret_cap - 1):
        await api_keys.rotate_api_key(ann, key_id, 60)
    before = await scene.snapshot()
    with pytest.raises(CapReached) as refused:
        await api_keys.rotate_api_key(ann, key_id, 60)
    assert refused.value.extra == {"cap": "key_secrets"}
    assert await scene.snapshot() == before
    await api_keys.rotate_api_key(ann, key_id)


async def test_what_has_ended_is_not_changed_any_more(scene: Scene, shift_clock: Shift) -> None:
    ann = await scene.person("ann")
    personal = await scene.personal_account(ann)
    revoked = (await api_keys.create_api_key(ann, personal, "Revoked")).id
    await api_keys.revoke_api_key(ann, revoked)
    end = await sessions.clock(ann) + timedelta(hours=1)
    run_out = (await api_keys.create_api_key(ann, personal, "Run out", end)).id
    shift_clock(timedelta(hours=2))
    before = await scene.snapshot()
    for key_id in (revoked, run_out):
        with pytest.raises(KeyEnded):
            await api_keys.update_api_key(ann, key_id, expires_at=None)
        with pytest.raises(KeyEnded):
            await api_keys.rotate_api_key(ann, key_id, 60)
    assert await scene.snapshot() == before


async def test_the_cap_counts_live_keys_of_one_member_in_one_account_however_many_ask_at_once(
    database: Database, settings: Settings, shift_clock: Shift
) -> None:
    scene = Scene(database, settings.model_copy(update={"api_key_cap": 3}))
    ann, bob = await scene.person("ann"), await scene.person("bob")
    org = await scene.organization(ann, "Acme")
    await scene.join(org, bob)
    end = await sessions.clock(ann) + timedelta(hours=1)
    short = await api_keys.create_api_key(ann, org, "Short", end)
    got = await outcomes(
        *(api_keys.create_api_key(scene.fresh(ann), org, f"Key {n}") for n in range(10))
    )
    assert sorted(got) == ["cap_reached"] * 8 + ["ok"] * 2
    with pytest.raises(CapReached) as refused:
        await api_keys.create_api_key(ann, org, "More")
    assert refused.value.extra == {"cap": "api_keys"}
    await api_keys.create_api_key(bob, org, "Bob's own")
    await api_keys.create_api_key(ann, await scene.personal_account(ann), "Elsewhere")
    await api_keys.revoke_api_key(ann, short.id)
    run_out = await api_keys.create_api_key(ann, org, "In place of the revoked", end)
    shift_clock(timedelta(hours=2))
    await api_keys.create_api_key(ann, org, "In place of the run-out")
    assert (await api_keys.api_key(ann, run_out.id)).revoked_at is None


async def test_lists_show_ones_own_or_all_newest_first_by_pages(scene: Scene) -> None:
    ann, bob = await scene.person("ann"), await scene.person("bob")
    org = await scene.organization(ann, "Acme")
    await scene.join(org, bob)
    made = [(await api_keys.create_api_key(ann, org, f"Key {n}")).id for n in range(5)]
    bobs = (await api_keys.create_api_key(bob, org, "Bob's")).id
    await api_keys.create_api_key(ann, await scene.personal_account(ann), "Elsewhere")
    await api_keys.revoke_api_key(ann, made[0])
    page = await api_keys.list_api_keys(ann, org, first=3)
    assert [row.id for row in page.rows] == made[:1:-1]
    assert (page.has_next, page.has_previous) == (True, False)
    rest = await api_keys.list_api_keys(ann, org, first=3, after=page.cursor(2))
    assert [row.id for row in rest.rows] == made[1::-1]
    assert rest.rows[-1].revoked_at is not None
    everybodys = await api_keys.list_api_keys(ann, org, all=True)
    assert [row.id for row in everybodys.rows] == [bobs, *made[::-1]]
    assert [row.id for row in (await api_keys.list_api_keys(bob, org)).rows] == [bobs]
    assert await api_keys.count_api_keys(ann, org) == 5
    assert await api_keys.count_api_keys(ann, org, all=True) == 6
    assert await api_keys.count_api_keys(bob, org) == 1
    with pytest.raises(BadRequest):
        await api_keys.list_api_keys(ann, org, all=True, after=page.cursor(2))
    for first in (0, 101):
        with pytest.raises(Invalid):
            await api_keys.list_api_keys(ann, org, first=first)


async def test_asked_about_many_accounts_each_has_its_own_answer(scene: Scene) -> None:
    ann, bob, eve = [await scene.person(name) for name in ("ann", "bob", "eve")]
    org, other = await scene.organization(ann, "Acme"), await scene.organization(eve, "Other")
    await scene.join(org, bob)
    personal = await scene.personal_account(bob)
    answers = await api_keys.list_api_keys.many(bob, [org, other, personal], all=True)
    assert answers[org].code == "forbidden"
    assert answers[other].code == "not_found"
    assert answers[personal].rows == []


async def test_usage_is_this_utc_months_and_last_use_that_of_any_month(
    scene: Scene, shift_clock: Shift
) -> None:
    ann = await scene.person("ann")
    org = await scene.organization(ann, "Acme")
    used, unused = [(await api_keys.create_api_key(ann, org, name)).id for name in ("a", "b")]
    at = await sessions.clock(ann)
    month = at.date().replace(day=1)
    async with scene.database.write() as session:
        session.add(
            MonthCounter(
                subject_id=used,
                month=month,
                account_id=org,
                kind=CounterKind.API_KEY,
                used_micro=7,
                held_micro=2,
                last_used_at=at,
            )
        )
    by_id = {row.id: row for row in (await api_keys.list_api_keys(ann, org)).rows}
    assert (by_id[used].monthly_usage, by_id[used].last_used_at) == (7, at)
    assert (by_id[unused].monthly_usage, by_id[unused].last_used_at) == (0, None)
    shift_clock(timedelta(days=32))
    row = await api_keys.api_key(scene.fresh(ann), used)
    assert (row.monthly_usage, row.last_used_at) == (0, at)


@pytest.mark.parametrize("count", [1, 100])
async def test_a_list_is_one_statement_however_long_it_is(scene: Scene, count: int) -> None:
    settings = scene.settings.model_copy(update={"api_key_cap": 200})
    scene = Scene(scene.database, settings)
    ann = await scene.person("ann")
    org = await scene.organization(ann, "Acme")
    for n in range(count):
        await api_keys.create_api_key(ann, org, f"Key {n}")
    viewer = scene.fresh(ann)
    statements: list[str] = []
    scene.database.on_statement(statements.append)
    for everybodys in (False, True):
        page = await api_keys.list_api_keys(viewer, org, all=everybodys, first=100)
        assert len(page.rows) == count
    assert len(statements) == 3, "the seat, and each list"


async def test_a_key_that_is_taken_away_while_it_is_changed_has_one_story(scene: Scene) -> None:
    ann, bob = await scene.person("ann"), await scene.person("bob")
    org = await scene.organization(ann, "Acme")
    await scene.join(org, bob, role=Role.ADMIN)
    key_id = (await api_keys.create_api_key(bob, org, "Key")).id
    got = await outcomes(
        *(api_keys.revoke_api_key(scene.fresh(ann), key_id) for _ in range(5)),
        *(api_keys.rotate_api_key(scene.fresh(bob), key_id, 60) for _ in range(5)),
    )
    assert set(got[:5]) == {"ok"}
    assert set(got[5:]) <= {"ok", "key_ended", "cap_reached"}
    ended = [one for one in await actions_on(scene, key_id) if one.action == "revoke_api_key"]
    assert len(ended) == 1


async def test_ids_of_nothing_are_not_found(scene: Scene) -> None:
    ann = await scene.person("ann")
    personal = await scene.personal_account(ann)
    before = await scene.snapshot()
    for verb in (api_keys.api_key, api_keys.revoke_api_key, api_keys.rotate_api_key):
        with pytest.raises(NotFound):
            await verb(ann, personal)
    assert await scene.snapshot() == before
    assert await scene.database.rows(select(ApiKey)) == []
