"""Reports: every grouping, granularity and zone equals a naive sum over the records."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import Forbidden, Invalid, NotFound
from app.ids import new_id
from app.permissions import Role
from app.resolvers import api_keys, usage
from app.resolvers.usage import Dimension, Granularity, UsageFilter, UsageQuery
from app.zones import zone
from tests.scene import Scene
from tests.test_zones import label
from tests.usage_rows import TALLY, Made, book, tally

# Around the changes of three zones, the turn of a month and of a year.
MIDDLES = (
    datetime(2025, 11, 2, 6, tzinfo=UTC),
    datetime(2026, 3, 8, 7, tzinfo=UTC),
    datetime(2026, 1, 1, tzinfo=UTC),
    datetime(2026, 2, 1, tzinfo=UTC),
)
ZONES = ("UTC", "America/New_York", "Asia/Kolkata", "Pacific/Apia", "Australia/Lord_Howe")
MODELS = ("openai/gpt-4.1", "anthropic/claude", "Zeta", "zeta")
TAGS = (None, "search", "Search", "ä")


class World:
    """Two accounts with calls, of which one is asked about."""

    def __init__(self, owner: Any, member: Any, account_id: UUID) -> None:
        self.owner, self.member, self.account_id = owner, member, account_id
        self.calls: list[Made] = []
        self.members: list[UUID] = []
        self.keys: list[UUID] = []


async def make_world(scene: Scene, count: int = 500) -> World:
    owner, member, stranger = [await scene.person(name) for name in ("olga", "mia", "sam")]
    world = World(owner, member, await scene.organization(owner, "Acme"))
    other = await scene.organization(stranger, "Other")
    await scene.join(world.account_id, member)
    world.members = [await scene.member_id(world.account_id, one) for one in (owner, member)]
    for person in (owner, owner, member):
        made = await api_keys.create_api_key(scene.fresh(person), world.account_id, "key")
        world.keys.append(made.id)
    random = Random(4)  # noqa: S311 - calls, not secrets
    for n in range(count):
        at = random.choice(MIDDLES) + timedelta(seconds=random.randrange(-172_800, 172_800))
        if n % 10 == 0:
            at = at.replace(minute=0, second=0)
        which = random.randrange(3)
        world.calls.append(
            Made(
                at,
                world.members[which // 2],
                world.keys[which],
                random.choice(MODELS),
                random.choice(TAGS),
                tuple(random.randrange(5000) for _ in range(5)),
                random.randrange(1_000_000),
            )
        )
    ids = await book(scene.database, world.account_id, world.calls)
    corrected = world.calls[0]
    correction = Made(
        corrected.occurred_at,
        corrected.member_id,
        corrected.api_key_id,
        corrected.model,
        corrected.tag,
        tuple(-one for one in corrected.tokens),
        -corrected.cost_micro,
        ids[0],
    )
    world.calls.append(correction)
    await book(scene.database, world.account_id, [correction])
    strange = [await scene.member_id(other, stranger), new_id()]
    await book(scene.database, other, [Made(MIDDLES[0], *strange)])
    return world


VALUE_OF = {
    Dimension.MODEL: lambda one: one.model,
    Dimension.MEMBER: lambda one: one.member_id,
    Dimension.API_KEY: lambda one: one.api_key_id,
    Dimension.TAG: lambda one: one.tag,
}


def naive(calls: list[Made], query: UsageQuery) -> dict[Any, dict[str, int]]:
    sums: dict[Any, Counter[str]] = {}
    which = query.which
    for one in calls:
        if not query.start <= one.occurred_at < query.end:
            continue
        if which.models is not None and one.model not in which.models:
            continue
        if which.member_ids is not None and one.member_id not in which.member_ids:
            continue
        if which.tags is not None and one.tag not in which.tags:
            continue
        place = label(one.occurred_at, query.granularity, zone(query.time_zone))
        key = (place, *(VALUE_OF[dimension](one) for dimension in query.group_by))
        sums.setdefault(key, Counter()).update(tally(one))
    return {key: {name: one[name] for name in TALLY} for key, one in sums.items()}


def shown(report: usage.UsageReport, query: UsageQuery) -> dict[Any, dict[str, int]]:
    rows = {}
    for one in report.buckets:
        place = label(one.start, query.granularity, zone(query.time_zone))
        key = (place, *(VALUE_OF[dimension](one) for dimension in query.group_by))
        assert key not in rows, "a bucket twice"
        rows[key] = {name: getattr(one.totals, name) for name in TALLY}
    return rows


@st.composite
def queries(draw: Any, members: list[UUID]) -> UsageQuery:
    granularity, middle = draw(st.sampled_from(Granularity)), draw(st.sampled_from(MIDDLES))
    unit = draw(st.sampled_from([1, 1800, 3600, 86_400]))
    # Twice this is within the 92 days that a report by the hour may have.
    reach = 3_900_000 // unit
    moments = [
        middle.replace(hour=0) + timedelta(seconds=unit * draw(st.integers(-reach, reach)))
        for _ in range(2)
    ]
    maybe = st.booleans()
    which = UsageFilter(
        models=MODELS[:2] if draw(maybe) else None,
        member_ids=(members[0],) if draw(maybe) else None,
        tags=("search", "ä") if draw(maybe) else None,
    )
    group_by = draw(st.lists(st.sampled_from(Dimension), unique=True, max_size=4))
    zone_name = draw(st.sampled_from(ZONES))
    return UsageQuery(min(moments), max(moments), granularity, tuple(group_by), which, zone_name)


async def test_every_report_equals_a_naive_sum_over_the_records(scene: Scene) -> None:
    world = await make_world(scene)
    loop = asyncio.get_running_loop()

    async def check(query: UsageQuery) -> None:
        report = await usage.usage_report(scene.fresh(world.owner), world.account_id, query)
        expected = naive(world.calls, query)
        assert shown(report, query) == expected
        for name in TALLY:
            assert getattr(report.totals, name) == sum(one[name] for one in expected.values())
        starts = [one.start for one in report.buckets]
        assert starts == sorted(starts)

    @settings(max_examples=80, deadline=None, database=None)
    @given(query=queries(world.members))
    def ask(query: UsageQuery) -> None:
        asyncio.run_coroutine_threadsafe(check(query), loop).result(30)

    # Hypothesis draws in a thread; what it drew is asked in the loop that has the database.
    await asyncio.to_thread(ask)


async def test_a_member_reads_their_own_usage_and_nobody_elses(scene: Scene) -> None:
    world = await make_world(scene, 60)
    query = UsageQuery(MIDDLES[0] - timedelta(days=9), MIDDLES[1] + timedelta(days=9))
    report = await usage.own_usage_report(scene.fresh(world.member), world.account_id, query)
    own = [one for one in world.calls if one.member_id == world.members[1]]
    assert shown(report, query) == naive(own, query)
    with pytest.raises(Forbidden):
        await usage.usage_report(scene.fresh(world.member), world.account_id, query)
    stranger = await scene.person("sam")
    for verb in (usage.usage_report, usage.own_usage_report):
        with pytest.raises(NotFound):
            await verb(stranger, world.account_id, query)


async def test_ids_that_are_not_of_the_account_are_refused_and_unknown_models_give_nothing(
    scene: Scene,
) -> None:
    world = await make_world(scene, 20)
    other = await scene.organization(world.owner, "Second")
    foreign = await scene.member_id(other, world.owner)
    span = (MIDDLES[0] - timedelta(days=9), MIDDLES[1] + timedelta(days=9))
    for which in (
        UsageFilter(member_ids=(foreign,)),
        UsageFilter(member_ids=(world.members[0], foreign)),
        UsageFilter(api_key_ids=(new_id(),)),
    ):
        query = UsageQuery(*span, which=which)
        with pytest.raises(NotFound):
            await usage.usage_report(scene.fresh(world.owner), world.account_id, query)
    for which in (UsageFilter(models=("nothing/such",)), UsageFilter(tags=("no-such",))):
        query = UsageQuery(*span, which=which)
        report = await usage.usage_report(scene.fresh(world.owner), world.account_id, query)
        assert report.buckets == []
        assert report.totals == usage.UsageTotals()


async def test_ranges_that_are_too_long_or_turned_round_are_refused(scene: Scene) -> None:
    olga = await scene.person("olga")
    account_id = await scene.organization(olga, "Acme")
    start = MIDDLES[0]
    for days, granularity in (
        (367, Granularity.DAY),
        (93, Granularity.HOUR),
        (-1, Granularity.DAY),
    ):
        query = UsageQuery(start, start + timedelta(days=days), granularity)
        with pytest.raises(Invalid):
            await usage.usage_report(olga, account_id, query)
    for days, granularity in ((366, Granularity.DAY), (92, Granularity.HOUR), (0, Granularity.DAY)):
        query = UsageQuery(start, start + timedelta(days=days), granularity)
        assert (await usage.usage_report(olga, account_id, query)).buckets == []


async def test_a_report_of_more_than_10000_buckets_is_refused(scene: Scene) -> None:
    world = await make_world(scene, 1)
    # After every call that the world has of its own.
    hours = [max(MIDDLES) + timedelta(days=9, hours=n) for n in range(2000)]
    calls = [Made(at, world.members[0], world.keys[0], f"m/{n}") for at in hours for n in range(5)]
    await book(scene.database, world.account_id, calls)
    query = UsageQuery(
        hours[0], hours[0] + timedelta(days=90), Granularity.HOUR, (Dimension.MODEL,)
    )
    report = await usage.usage_report(scene.fresh(world.owner), world.account_id, query)
    assert len(report.buckets) == 10_000
    more = [Made(hours[0], world.members[0], world.keys[0], "m/6")]
    await book(scene.database, world.account_id, more)
    with pytest.raises(Invalid):
        await usage.usage_report(scene.fresh(world.owner), world.account_id, query)


async def test_a_report_is_one_statement_for_the_seat_one_for_holds_and_one_for_all_buckets(
    scene: Scene,
) -> None:
    world = await make_world(scene, 30)
    await scene.join(world.account_id, await scene.person("adam"), role=Role.ADMIN)
    seen: list[str] = []
    scene.database.on_statement(seen.append)
    query = UsageQuery(MIDDLES[0], MIDDLES[1], group_by=tuple(Dimension))
    await usage.usage_report(scene.fresh(world.owner), world.account_id, query)
    assert len(seen) == 3
