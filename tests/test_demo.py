"""The demo: made through the real verbs, whole or taken up again, with the calls of a real trace as its usage."""

from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlmodel import col

from app import demo, demo_history
from app.access import Viewer
from app.database import Database
from app.demo_history import FILES, SERVICES
from app.errors import Refusal
from app.models import AuditActorKind, MonthCounter, UsageRecord
from app.money import DISABLED, UNLIMITED
from app.permissions import Role
from app.resolvers import accounts, history, invitations, members
from app.resolvers.members import MemberQuery
from app.settings import Settings
from app.trace import read_traces
from tests.scene import Scene

FEW = 300


async def _jane(database: Database, settings: Settings) -> Viewer:
    return await demo._person(database, settings, demo.PEOPLE[0])


async def test_the_demo_has_its_people_quotas_and_waiting_invitations(
    database: Database, settings: Settings, scene: Scene
) -> None:
    assert await demo.make_demo(database, settings, calls=FEW) is True
    jane = await _jane(database, settings)
    seats = await accounts.list_accounts(jane)
    assert [seat.name for seat in seats] == ["Jane Miller", demo.ACME, demo.OTHER]
    acme = seats[1]
    assert acme.role is Role.OWNER
    page = await members.list_members(jane, acme.account_id, MemberQuery())
    rows = {row.user.name: row for row in page.rows}
    assert rows["Adam Osei"].role is Role.ADMIN
    assert rows["Lena Vogt"].quota == DISABLED
    assert rows["Marta Kowalska"].quota == demo.DEFAULT_QUOTA
    assert await invitations.count_invitations(jane, acme.account_id) == len(demo.WAITING)
    await scene.promises()


async def test_the_demo_made_twice_changes_nothing(
    database: Database, settings: Settings, scene: Scene
) -> None:
    await demo.make_demo(database, settings, calls=FEW)
    before = await scene.snapshot()
    assert await demo.make_demo(database, settings, calls=FEW) is False
    assert await scene.snapshot() == before


async def test_a_demo_that_was_stopped_is_taken_up_again(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = invitations.invite_members
    sent = []

    async def stops(*arguments: Any, **named: Any) -> Any:
        sent.append(1)
        if len(sent) == 4:
            raise Refusal("stopped")
        return await real(*arguments, **named)

    monkeypatch.setattr(invitations, "invite_members", stops)
    with pytest.raises(Refusal):
        await demo.make_demo(database, settings, calls=FEW)
    assert await demo.make_demo(database, settings, calls=FEW) is True
    jane = await _jane(database, settings)
    acme = (await accounts.list_accounts(jane))[1].account_id
    assert await members.count_members(jane, acme, None, None) == len(demo.PEOPLE)


async def test_the_whole_trace_is_the_demo_s_last_month(
    database: Database, settings: Settings, scene: Scene
) -> None:
    heard: list[tuple[int, int]] = []
    await demo.make_demo(database, settings, lambda done, of: heard.append((done, of)))
    calls = list(read_traces(FILES))
    assert heard[0] == (0, len(calls))
    assert heard[-1] == (len(calls), len(calls))
    records: Any = await database.rows(
        select(UsageRecord.__table__).order_by(col(UsageRecord.sequence))
    )
    # Each call once, with its tokens, in the trace's order.
    assert [(one.event_id, one.prompt_tokens, one.completion_tokens) for one in records] == [
        (f"azure-2023-{SERVICES[one.file]}-{one.row}", one.prompt_tokens, one.completion_tokens)
        for one in calls
    ]
    times = [one.occurred_at for one in records]
    assert times == sorted(times)
    assert timedelta(days=28) < times[-1] - times[0] <= timedelta(days=30)
    assert times[-1] <= min(one.recorded_at for one in records)
    for name, least in (("model", 5), ("tag", 6), ("member_id", 9), ("api_key_id", 15)):
        shares = Counter(getattr(one, name) for one in records)
        assert len(shares) >= least, name
        assert min(shares.values()) > 500, name
    await _quotas_were_kept(database, settings)
    await scene.promises()


async def _quotas_were_kept(database: Database, settings: Settings) -> None:
    """Assert that nobody went on after their month was used up, and that somebody's is."""
    jane = await _jane(database, settings)
    acme = (await accounts.list_accounts(jane))[1].account_id
    page = await members.list_members(jane, acme, MemberQuery())
    quotas = {row.id: row.quota for row in page.rows}
    most: Counter[UUID] = Counter()
    for subject_id, used in await database.rows(
        select(col(MonthCounter.subject_id), col(MonthCounter.used_micro))
    ):
        if subject_id in quotas:
            most[subject_id] = max(most[subject_id], used)
    dearest = 1_000_000
    ratios = []
    for member_id, quota in quotas.items():
        assert quota is not None
        if quota == DISABLED:
            assert most[member_id] == 0
        elif quota != UNLIMITED:
            assert most[member_id] < quota + dearest
            ratios.append(most[member_id] / quota)
    assert max(ratios) > 0.9


async def test_usage_is_taken_up_where_it_stopped_and_counts_once(
    database: Database, settings: Settings, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo_history, "BATCH", 100)
    operator = Viewer(database, settings, kind=AuditActorKind.OPERATOR)

    def stops(done: int, _of: int) -> None:
        if done >= 200:
            raise Refusal("stopped")

    with pytest.raises(Refusal):
        await demo.make_demo(database, settings, stops, calls=FEW)
    assert await history.unfinished(operator, demo_history.NAME, FEW)
    assert await demo.is_wanted(database, settings)
    assert await demo.make_demo(database, settings, calls=FEW) is True
    rows = await database.rows(select(col(UsageRecord.event_id)))
    assert len(rows) == len({row[0] for row in rows}) == FEW
    assert not await history.unfinished(operator, demo_history.NAME, FEW)
    await scene.promises()
