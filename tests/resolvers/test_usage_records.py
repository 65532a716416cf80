"""Records of usage: who sees which, pages that neither skip nor repeat, filters, statements."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.errors import BadRequest, Forbidden, Invalid, NotFound
from app.ids import new_id
from app.permissions import Role
from app.resolvers import usage
from app.resolvers.usage import RecordsQuery, UsageFilter
from app.seats import Viewer
from tests.resolvers.test_usage_reports import MIDDLES, World, make_world
from tests.scene import Scene
from tests.usage_rows import Made, book

ALL = RecordsQuery(MIDDLES[0] - timedelta(days=9), MIDDLES[1] + timedelta(days=9))


async def walk(
    scene: Scene, verb: Any, viewer: Viewer, world: World, query: RecordsQuery, first: int = 7
) -> list[usage.UsageRecordRow]:
    """Go through all pages."""
    rows: list[usage.UsageRecordRow] = []
    after = None
    while True:
        page = await verb(scene.fresh(viewer), world.account_id, query, first, after)
        assert page.has_previous is (after is not None)
        rows += page.rows
        if not page.has_next:
            return rows
        assert len(page.rows) == first
        after = page.cursor(first - 1)


async def test_pages_hold_every_record_once_newest_first(scene: Scene) -> None:
    world = await make_world(scene, 40)
    rows = await walk(scene, usage.usage_records, world.owner, world, ALL)
    assert len({row.id for row in rows}) == len(rows) == len(world.calls)
    places = [(row.occurred_at, row.sequence) for row in rows]
    assert places == sorted(places, reverse=True)
    assert {row.account_id for row in rows} == {world.account_id}
    assert sorted(row.cost_micro for row in rows) == sorted(one.cost_micro for one in world.calls)
    count = await usage.count_usage_records(scene.fresh(world.owner), world.account_id, ALL)
    assert count == len(rows)
    correction = next(row for row in rows if row.corrects)
    corrected = next(row for row in rows if row.id == correction.corrects)
    assert (correction.cost_micro, correction.prompt_tokens) == (
        -corrected.cost_micro,
        -corrected.prompt_tokens,
    )


async def test_records_of_one_moment_are_paged_without_loss(scene: Scene) -> None:
    world = await make_world(scene, 1)
    calls = [Made(MIDDLES[3], world.members[0], world.keys[0]) for _ in range(10)]
    await book(scene.database, world.account_id, calls)
    query = RecordsQuery(MIDDLES[3], MIDDLES[3] + timedelta(microseconds=1))
    rows = await walk(scene, usage.usage_records, world.owner, world, query, 3)
    sequences = [row.sequence for row in rows]
    assert sequences == list(range(sequences[0], sequences[0] - 10, -1))


async def test_a_member_pages_through_their_own_records_alone(scene: Scene) -> None:
    world = await make_world(scene, 40)
    rows = await walk(scene, usage.own_usage_records, world.member, world, ALL)
    own = [one for one in world.calls if one.member_id == world.members[1]]
    assert len(rows) == len(own) > 0
    assert {row.member_id for row in rows} == {world.members[1]}
    viewer = scene.fresh(world.member)
    assert await usage.count_own_usage_records(viewer, world.account_id, ALL) == len(own)
    for verb in (usage.usage_records, usage.count_usage_records):
        with pytest.raises(Forbidden):
            await verb(scene.fresh(world.member), world.account_id, ALL)


async def test_ranges_are_half_open_and_an_open_end_is_endless(scene: Scene) -> None:
    world = await make_world(scene, 1)
    at = datetime(2030, 1, 1, tzinfo=UTC)
    calls = [Made(at + timedelta(hours=n), world.members[0], world.keys[0]) for n in range(3)]
    await book(scene.database, world.account_id, calls)

    async def hours(start: datetime, end: datetime | None) -> list[int]:
        query = RecordsQuery(start, end)
        page = await usage.usage_records(scene.fresh(world.owner), world.account_id, query)
        return [row.occurred_at.hour for row in page.rows]

    assert await hours(at, at + timedelta(hours=2)) == [1, 0]
    assert await hours(at, at) == []
    assert await hours(at, None) == [2, 1, 0]
    assert await hours(at + timedelta(microseconds=1), None) == [2, 1]


async def test_filters_choose_by_model_member_key_and_tag_together(scene: Scene) -> None:
    world = await make_world(scene, 80)
    which = UsageFilter(
        models=("zeta", "Zeta"), member_ids=(world.members[0],), tags=("search", "ä")
    )
    query = replace(ALL, which=which)
    rows = await walk(scene, usage.usage_records, world.owner, world, query)
    expected = [
        one
        for one in world.calls
        if one.model in which.models and one.member_id == world.members[0] and one.tag in which.tags
    ]
    assert len(rows) == len(expected) > 0
    viewer = scene.fresh(world.owner)
    assert await usage.count_usage_records(viewer, world.account_id, query) == len(expected)
    by_key = replace(ALL, which=UsageFilter(api_key_ids=(world.keys[2],)))
    rows = await walk(scene, usage.usage_records, world.owner, world, by_key)
    assert {row.api_key_id for row in rows} == {world.keys[2]}
    for foreign in (UsageFilter(member_ids=(new_id(),)), UsageFilter(api_key_ids=(new_id(),))):
        with pytest.raises(NotFound):
            await usage.usage_records(viewer, world.account_id, replace(ALL, which=foreign))


async def test_what_makes_no_sense_is_refused(scene: Scene) -> None:
    world = await make_world(scene, 12)
    viewer = scene.fresh(world.owner)
    turned = RecordsQuery(ALL.end or ALL.start, ALL.start)
    too_long = RecordsQuery(ALL.start, ALL.start + timedelta(days=367))
    unreadable = replace(ALL, which=UsageFilter(models=("",)))
    for query in (turned, too_long, unreadable):
        with pytest.raises(Invalid):
            await usage.usage_records(viewer, world.account_id, query)
    for first in (0, 101):
        with pytest.raises(Invalid):
            await usage.usage_records(viewer, world.account_id, ALL, first)
    page = await usage.usage_records(viewer, world.account_id, ALL, 5)
    cursor = page.cursor(4)
    other = replace(ALL, which=UsageFilter(models=("zeta",)))
    with pytest.raises(BadRequest):
        await usage.usage_records(viewer, world.account_id, other, 5, cursor)
    with pytest.raises(BadRequest):
        await usage.own_usage_records(viewer, world.account_id, ALL, 5, cursor)
    with pytest.raises(BadRequest):
        await usage.usage_records(viewer, world.account_id, ALL, 5, "nonsense")


async def test_a_record_is_shown_to_whoever_made_the_call_and_to_those_who_see_all(
    scene: Scene,
) -> None:
    world = await make_world(scene, 30)
    rows = await walk(scene, usage.usage_records, world.owner, world, ALL)
    mine = next(row for row in rows if row.member_id == world.members[1])
    owners = next(row for row in rows if row.member_id == world.members[0])
    assert await usage.usage_record(scene.fresh(world.member), mine.id) == mine
    assert await usage.usage_record(scene.fresh(world.owner), mine.id) == mine
    adam = await scene.person("adam")
    await scene.join(world.account_id, adam, role=Role.ADMIN)
    assert await usage.usage_record(scene.fresh(adam), owners.id) == owners
    for viewer, record in ((world.member, owners.id), (world.owner, new_id())):
        with pytest.raises(NotFound):
            await usage.usage_record(scene.fresh(viewer), record)
    stranger = await scene.person("sue")
    with pytest.raises(NotFound):
        await usage.usage_record(stranger, mine.id)


@pytest.mark.parametrize("count", [1, 60])
async def test_a_page_is_one_statement_beside_the_seats_however_long_it_is(
    scene: Scene, count: int
) -> None:
    world = await make_world(scene, 80)
    seen: list[str] = []
    scene.database.on_statement(seen.append)
    await usage.usage_records(scene.fresh(world.owner), world.account_id, ALL, count)
    assert len(seen) == 2
    seen.clear()
    query = replace(ALL, which=UsageFilter(member_ids=tuple(world.members)))
    await usage.usage_records(scene.fresh(world.owner), world.account_id, query, count)
    assert len(seen) == 3


async def test_records_of_many_accounts_are_one_statement_each_with_its_own_answer(
    scene: Scene,
) -> None:
    world = await make_world(scene, 20)
    second = await scene.organization(world.owner, "Second")
    seen: list[str] = []
    scene.database.on_statement(seen.append)
    nowhere = new_id()
    asked = [world.account_id, second, nowhere]
    answers = await usage.usage_records.many(scene.fresh(world.owner), asked, ALL)
    assert len(seen) == 2
    assert isinstance(answers[nowhere], NotFound)
    assert [len(answers[one].rows) for one in (world.account_id, second)] == [21, 0]
