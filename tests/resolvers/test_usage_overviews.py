"""Overviews, lists of records and choices equal naive sums, and name nothing of anybody else."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from app.errors import Forbidden, Invalid, NotFound
from app.ids import new_id
from app.resolvers import usage_overviews
from app.resolvers.usage import Dimension, Granularity, RecordsQuery, UsageFilter
from app.resolvers.usage_overviews import Figure, OverviewQuery
from tests.resolvers.test_usage_reports import World, make_world
from tests.scene import Scene
from tests.usage_rows import Made

START, END = datetime(2025, 12, 31, tzinfo=UTC), datetime(2026, 1, 3, tzinfo=UTC)
BEFORE = (START - timedelta(days=60), START - timedelta(days=58, hours=11, minutes=7))
VALUE = {
    Dimension.MODEL: lambda one: one.model,
    Dimension.MEMBER: lambda one: one.member_id,
    Dimension.API_KEY: lambda one: one.api_key_id,
    Dimension.TAG: lambda one: one.tag or "",
}


def asked(split: Dimension, **given: object) -> OverviewQuery:
    shape = {"most": 2, "beside": (Dimension.MEMBER,), **given}
    return OverviewQuery(START, END, BEFORE, Granularity.DAY, split, **shape)  # type: ignore[arg-type]


def within(calls: list[Made], start: datetime, end: datetime) -> list[Made]:
    return [one for one in calls if start <= one.occurred_at < end]


@pytest.fixture
async def world(scene: Scene) -> World:
    return await make_world(scene)


async def test_an_overview_equals_naive_sums_whatever_it_is_split_by(
    scene: Scene, world: World
) -> None:
    viewer, calls = scene.fresh(world.owner), within(world.calls, START, END)
    assert calls
    for split in (*VALUE, Dimension.MODEL):
        query = asked(
            split, which=UsageFilter(tags=("search", "ä")) if split is split.TAG else UsageFilter()
        )
        shown = [one for one in calls if split is not split.TAG or one.tag in {"search", "ä"}]
        found = await usage_overviews.usage_overview(viewer, world.account_id, query)
        sums: Counter[object] = Counter()
        for one in shown:
            sums[VALUE[split](one)] += one.cost_micro
        ranking = found.rankings[split]
        assert [one.totals.cost_micro for one in ranking.series] == sorted(
            sums.values(), reverse=True
        )[:2]
        assert all(sums[one.value] == one.totals.cost_micro for one in ranking.series)
        assert ranking.count == len(sums)
        assert found.totals.cost_micro == sum(sums.values())
        assert found.totals.requests == sum(one.corrects is None for one in shown)
        places = {one.value: n for n, one in enumerate(ranking.series)}
        stacks: Counter[tuple[int, int]] = Counter()
        for one in shown:
            place = places.get(VALUE[split](one), len(places))
            stacks[(one.occurred_at - START).days, place] += one.cost_micro
        assert {
            (bucket, place): total.cost_micro
            for bucket, stack in enumerate(found.stacks)
            for place, total in enumerate(stack)
            if total.cost_micro
        } == {place: cost for place, cost in stacks.items() if cost}
        earlier = [
            one
            for one in within(world.calls, *BEFORE)
            if one in shown or split is not split.TAG or one.tag in {"search", "ä"}
        ]
        assert earlier
        assert found.before.cost_micro == sum(one.cost_micro for one in earlier)


async def test_ones_own_overview_holds_ones_own_calls_alone(scene: Scene, world: World) -> None:
    member_id, own_key, foreign_key = world.members[1], world.keys[2], world.keys[0]
    viewer = scene.fresh(world.member)
    query = asked(Dimension.API_KEY, figure=Figure.REQUESTS)
    found = await usage_overviews.own_usage_overview(viewer, world.account_id, query)
    own = [one for one in within(world.calls, START, END) if one.member_id == member_id]
    assert found.totals.cost_micro == sum(one.cost_micro for one in own)
    assert [one.value for one in found.rankings[Dimension.API_KEY].series] == [own_key]
    narrowed = asked(Dimension.MODEL, which=UsageFilter(api_key_ids=(own_key,)))
    found = await usage_overviews.own_usage_overview(viewer, world.account_id, narrowed)
    assert found.labels[own_key].name == "key"
    for which in (
        UsageFilter(api_key_ids=(foreign_key,)),
        UsageFilter(member_ids=(world.members[0],)),
    ):
        refused = asked(Dimension.MODEL, which=which)
        with pytest.raises(NotFound):
            await usage_overviews.own_usage_overview(viewer, world.account_id, refused)
    with pytest.raises(Forbidden):
        await usage_overviews.usage_overview(viewer, world.account_id, query)


async def test_foreign_ids_and_ranges_that_are_none_are_refused(scene: Scene, world: World) -> None:
    viewer = scene.fresh(world.owner)
    for which in (UsageFilter(member_ids=(new_id(),)), UsageFilter(api_key_ids=(new_id(),))):
        with pytest.raises(NotFound):
            await usage_overviews.usage_overview(
                viewer, world.account_id, asked(Dimension.MODEL, which=which)
            )
        with pytest.raises(NotFound):
            await usage_overviews.record_list(
                viewer, world.account_id, RecordsQuery(START, END, which)
            )
    backwards = OverviewQuery(END, START, BEFORE, Granularity.DAY, Dimension.MODEL)
    with pytest.raises(Invalid):
        await usage_overviews.usage_overview(viewer, world.account_id, backwards)


async def test_a_list_of_records_names_its_people_and_sums_all_its_pages(
    scene: Scene, world: World
) -> None:
    viewer = scene.fresh(world.owner)
    query = RecordsQuery(START, END, UsageFilter(models=("Zeta", "zeta")))
    expected = [one for one in within(world.calls, START, END) if one.model in {"Zeta", "zeta"}]
    rows, after = [], None
    while True:
        found = await usage_overviews.record_list(viewer, world.account_id, query, 7, after)
        assert found.totals.cost_micro == sum(one.cost_micro for one in expected)
        assert {found.labels[row.member_id].name for row in found.page.rows} <= {"Olga", "Mia"}
        assert all(found.labels[row.api_key_id].name == "key" for row in found.page.rows)
        rows += found.page.rows
        if not found.page.has_next:
            break
        after = found.page.cursor(len(found.page.rows) - 1)
    assert sorted(row.cost_micro for row in rows) == sorted(one.cost_micro for one in expected)
    assert rows == sorted(rows, key=lambda row: (row.occurred_at, row.sequence), reverse=True)
    mine = scene.fresh(world.member)
    own = await usage_overviews.own_record_list(mine, world.account_id, RecordsQuery(START, END))
    assert {row.member_id for row in own.page.rows} == {world.members[1]}
    choices = await usage_overviews.usage_choices(viewer, world.account_id, query)
    calls = within(world.calls, START, END)
    for dimension, value in VALUE.items():
        assert set(choices.values[dimension]) == {value(one) for one in calls}
    own_choices = await usage_overviews.own_usage_choices(mine, world.account_id, query)
    assert own_choices.values[Dimension.API_KEY] == [world.keys[2]]
    assert Dimension.MEMBER not in own_choices.values
