"""Ledger, holds and counters do what a plain model does, whatever breaks: connections, groups of calls, the service."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from pydantic import SecretStr
from sqlalchemy import select
from sqlmodel import col

from app.columns import _ClockShift
from app.database import Database
from app.errors import Refusal, Unavailable
from app.metering.calls import Authorize, Event, Release, Report, Settle
from app.metering.gate import Gate
from app.models import MonthCounter, UsageRecord
from app.models.keys import ApiKey
from app.months import month_of, month_range
from app.resolvers import api_keys, balances, operations, sessions
from app.settings import Settings
from tests.metering.desk import MODEL, TOKENS, desk_of
from tests.metering.faults import FAULTS, Crash, FaultyDatabase
from tests.metering.model import UNLIMITED, Hold, Model
from tests.scene import Scene

KEYS = {
    "free": ("ann", UNLIMITED),
    "capped": ("ann", 6),
    "bob's": ("bob", UNLIMITED),
}
CREDITS = 12
MONTHS = 5
FORTNIGHT = 14 * 86_400
# Small, so that sums often meet their bounds.
amounts = st.sampled_from([0, 1, 2, 3, 5])
faults = st.none() | st.sampled_from(FAULTS)
keys = st.sampled_from(sorted(KEYS))
# Multiples of 300 seconds pass at a time, so that no test is so slow that a hold runs out by itself.
ttls = st.sampled_from([450, 1050])


class Metering(RuleBasedStateMachine):
    """One account, two members, three keys, one gateway."""

    open_database: Callable[[], tuple[str, Callable[[], object]]]
    holds = Bundle("holds")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.stack = AsyncExitStack()
        self.model = Model({"ann": UNLIMITED, "bob": 8}, dict(KEYS))
        self.ids: dict[int, UUID] = {}
        self.in_month = 0
        self.said: list[tuple[Any, Any]] = []
        self.run(self.open())

    def run(self, action: Awaitable[Any]) -> Any:
        async def act() -> Any:
            return await action

        return self.loop.run_until_complete(act())

    async def open(self) -> None:
        url, self.drop = type(self).open_database()
        self.database = Database(url, pool_size=3)
        self.settings = Settings(
            _env_file=None,
            database_url=url,
            secret_key=SecretStr("a secret key for tests alone, long"),
        )
        scene = Scene(self.database, self.settings)
        # A month is far from its end, until it is turned.
        now = await sessions.clock(scene.signed_out())
        _start, end = month_range(month_of(now))
        _ClockShift.by += end + timedelta(days=9) - now
        self.desk = await self.stack.enter_async_context(desk_of(scene, CREDITS))
        self.model.balance = CREDITS
        bob = await scene.person("bob")
        bob_id = await scene.join(self.desk.account_id, bob)
        self.members = {
            "ann": (self.desk.owner, await scene.member_id(self.desk.account_id, self.desk.owner)),
            "bob": (bob, bob_id),
        }
        await self.desk.quota(bob, 8)
        self.secrets = {
            name: await self.desk.key(self.members[member][0], limit)
            for name, (member, limit) in KEYS.items()
        }
        rows = await self.database.rows(
            select(col(ApiKey.id), col(ApiKey.member_id), col(ApiKey.monthly_limit))
        )
        of = {(row.member_id, row.monthly_limit): row.id for row in rows}
        self.key_ids = {
            name: of[self.members[member][1], limit] for name, (member, limit) in KEYS.items()
        }
        self.broken = FaultyDatabase(self.database)
        await self.restart_gate()

    async def restart_gate(self) -> None:
        await self.desk.gate.stop()
        self.desk.gate = Gate(self.broken, self.settings)  # type: ignore[arg-type]
        self.desk.gate.start()

    async def ask(self, call: Any) -> Any:
        """Ask once: the answer, the code of a refusal, or None where something broke."""
        gate = self.desk.gate
        ways: dict[type, Callable[[Any], Awaitable[Any]]] = {
            Authorize: gate.authorize,
            Settle: gate.settle,
            Release: gate.release,
            Report: gate.report,
        }
        try:
            return await ways[type(call)](call)
        except (Unavailable, Crash):
            return None
        except Refusal as refusal:
            return refusal.code

    def told(self, call: Any, fault: str | None) -> Any:
        """Ask, and again where the answer did not come, as a gateway does."""
        if fault is not None:
            self.broken.break_next(fault)
        answer = self.run(self.ask(call))
        if answer is None:
            assert fault is not None
            assert not self.broken.next_faults
            answer = self.run(self.ask(call))
        assert answer is not None
        if not isinstance(answer, str):
            self.said.append((call, answer))
            self.is_remembered(call, answer)
        return answer

    def pass_time(self, seconds: int) -> None:
        if self.in_month + seconds > FORTNIGHT:
            return
        self.in_month += seconds
        _ClockShift.by += timedelta(seconds=seconds)
        self.model.pass_time(seconds)

    def is_granted(self, answer: Any, hold: Hold) -> None:
        assert not isinstance(answer, str), answer
        assert answer.amount_micro == hold.amount
        self.ids[id(hold)] = answer.hold_id

    @rule(target=holds, key=keys, amount=amounts, least=st.none() | amounts, ttl=ttls, fault=faults)
    def authorize(
        self, key: str, amount: int, least: int | None, ttl: int, fault: str | None
    ) -> Any:
        least = None if least is None else min(least, amount)
        call = self.desk.asking(self.secrets[key], amount, least_micro=least, ttl_seconds=ttl)
        expected = self.model.authorize(key, amount, least, ttl)
        answer = self.told(call, fault)
        if isinstance(expected, str):
            assert answer == expected
            return multiple()
        self.is_granted(answer, expected)
        return expected

    @rule(
        target=holds,
        asked=st.lists(st.tuples(keys, amounts), min_size=2, max_size=6),
        fault=faults,
    )
    def authorize_at_once(self, asked: list[tuple[str, int]], fault: str | None) -> Any:
        calls = [self.desk.asking(self.secrets[key], amount) for key, amount in asked]
        expected = [self.model.authorize(key, amount, None, 600) for key, amount in asked]
        if fault is not None:
            self.broken.break_next(fault)

        async def all_at_once() -> list[Any]:
            first = await asyncio.gather(*(self.ask(call) for call in calls))
            return [
                (await self.ask(call), True) if answer is None else (answer, False)
                for call, answer in zip(calls, first, strict=True)
            ]

        answers = self.run(all_at_once())
        for hold, (answer, repeated) in zip(expected, answers, strict=True):
            if isinstance(hold, Hold):
                self.is_granted(answer, hold)
            else:
                # What is asked again finds more taken, and may be refused for another reason.
                assert answer == hold or (repeated and isinstance(answer, str))
        return multiple(*(hold for hold in expected if isinstance(hold, Hold)))

    @rule(
        hold=holds,
        cost=st.sampled_from([0, 1, 2, 4, 20_000_000]),
        later=st.sampled_from([0, 0, 900, 73 * 3600]),
        fault=faults,
    )
    def settle(self, hold: Hold, cost: int, later: int, fault: str | None) -> None:
        self.pass_time(later)
        call = self.desk.settling(self.ids[id(hold)], cost)
        expected = self.model.settle(hold, cost)
        answer = self.told(call, fault)
        if expected == "ok":
            assert (answer.cost_micro, answer.late) == (cost, hold.until <= self.model.seconds)
        else:
            assert answer == expected

    @rule(hold=holds, fault=faults)
    def release(self, hold: Hold, fault: str | None) -> None:
        expected = self.model.release(hold)
        answer = self.told(Release(self.desk.caller, self.ids[id(hold)]), fault)
        assert (answer if isinstance(answer, str) else "ok") == expected

    @rule(costs=st.lists(st.tuples(keys, amounts), min_size=1, max_size=4), fault=faults)
    def report(self, costs: list[tuple[str, int]], fault: str | None) -> None:
        at = self.run(sessions.clock(self.desk.scene.signed_out()))
        events = tuple(
            Event(
                f"event-{next(self.desk.numbers)}",
                at,
                MODEL,
                TOKENS,
                api_key_id=self.key_ids[key],
                cost_micro=cost,
            )
            for key, cost in costs
        )
        answer = self.told(Report(self.desk.caller, events), fault)
        assert [one.cost_micro for one in answer.results] == [cost for _key, cost in costs]
        for key, cost in costs:
            self.model.report(key, cost)

    @rule(data=st.data())
    def repeat_what_was_said_long_ago(self, data: st.DataObject) -> None:
        if self.said:
            self.is_remembered(*data.draw(st.sampled_from(self.said)))

    def is_remembered(self, call: Any, answer: Any) -> None:
        """Say it again: the same answer, and nothing happens; with other content it is refused."""
        again = self.run(self.ask(call))
        if isinstance(call, Report):
            ids = [one.usage_record_id for one in answer.results]
            assert [one.usage_record_id for one in again.results] == ids
        elif isinstance(call, Settle):
            assert again._replace(duplicate=False) == answer._replace(duplicate=False)
            other = call._replace(cost_micro=(call.cost_micro or 0) + 1)
            assert self.run(self.ask(other)) == "event_mismatch"
        elif isinstance(call, Authorize):
            assert again == answer
            other = call._replace(amount_micro=(call.amount_micro or 0) + 1)
            assert self.run(self.ask(other)) == "idempotency_mismatch"

    @rule(more=st.sampled_from([-3, 4, 9]))
    def move_credits(self, more: int) -> None:
        slug = self.run(self.desk.slug())
        self.run(operations.adjust(self.desk.operator(), slug, more, "for a test"))
        self.model.balance += more

    @rule(member=st.sampled_from(["ann", "bob"]), quota=st.sampled_from([UNLIMITED, 0, 4, 9]))
    def set_quota(self, member: str, quota: int) -> None:
        self.run(self.desk.quota(self.members[member][0], quota))
        self.model.members[member] = quota

    @rule()
    def freeze_or_thaw(self) -> None:
        slug = self.run(self.desk.slug())
        change = operations.unfreeze if self.model.frozen else operations.freeze
        self.run(change(self.desk.operator(), slug, "for a test"))
        self.model.frozen = not self.model.frozen

    @rule(key=keys, sure=st.integers(0, 3))
    def revoke(self, key: str, sure: int) -> None:
        if sure:
            return  # Seldom, so that stories go on.
        viewer = self.members[KEYS[key][0]][0]
        scene = self.desk.scene
        self.run(api_keys.revoke_api_key(scene.fresh(viewer), self.key_ids[key]))
        self.model.revoked.add(key)

    @rule(swept=st.booleans())
    def five_minutes_pass(self, swept: bool) -> None:  # noqa: FBT001 - drawn by its name
        self.pass_time(300)
        if swept:
            self.run(self.desk.gate.end_expired_holds())

    @rule()
    def the_month_turns(self) -> None:
        if self.model.month < MONTHS:
            now = self.run(sessions.clock(self.desk.scene.signed_out()))
            _start, end = month_range(month_of(now))
            _ClockShift.by += end + timedelta(days=9) - now
            self.in_month = 0
            self.model.turn_month()

    @rule()
    def the_service_starts_anew(self) -> None:
        self.run(self.restart_gate())

    @invariant()
    def everything_is_as_the_model_says(self) -> None:
        self.run(self._compare())

    async def _compare(self) -> None:
        scene = self.desk.scene
        await scene.promises()
        owner = scene.fresh(self.desk.owner)
        balance = await balances.balance(owner, self.desk.account_id)
        assert (balance.credits, balance.held) == (self.model.balance, self.model.held)
        counters = await self.database.rows(
            select(col(MonthCounter.subject_id), col(MonthCounter.month), MonthCounter.used_micro)
        )
        names = {self.key_ids[name]: name for name in KEYS}
        names |= {member_id: name for name, (_viewer, member_id) in self.members.items()}
        months = sorted({row.month for row in counters})
        used = {(names[row.subject_id], row.month): row.used_micro for row in counters}
        expected: dict[str, list[int]] = {}
        for (subject, _month), cost in sorted(self.model.used.items()):
            expected.setdefault(subject, []).append(cost)
        for subject, costs in expected.items():
            told = [used[subject, month] for month in months if (subject, month) in used]
            assert [one for one in told if one] == [one for one in costs if one]
        records = await self.database.rows(select(UsageRecord.id))
        assert len(records) == self.model.calls

    def teardown(self) -> None:
        try:
            self.run(self.desk.gate.stop())
            self.run(self.stack.aclose())
            self.run(self.database.dispose())
        finally:
            _ClockShift.by = timedelta()
            self.loop.close()
            self.drop()


def test_random_calls_and_faults_end_as_a_plain_model_says(
    lend_database: Callable[[], tuple[str, Callable[[], object]]],
) -> None:
    class Here(Metering):
        open_database = staticmethod(lend_database)

    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=12,
            stateful_step_count=40,
            # To make a failing story short takes longer than to read it.
            phases=(Phase.generate,),
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
