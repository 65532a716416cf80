"""A call that cannot be done harms no other: numbers beyond a database, texts that it does not take, ids that collide."""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from app.database import Database
from app.errors import Invalid, Refusal
from app.metering.calls import Event, Report
from app.metering.decision import MOST_USED_MICRO, must_be_countable
from app.metering.gate import Gate
from app.metering.pricing import PriceList, Tokens
from app.money import MAX_MICRO
from app.months import month_of, month_range
from tests.metering.desk import MODEL, TOKENS, Desk, code_of


async def moment(desk: Desk, secret: str) -> datetime:
    """Tell the time by a call that costs nothing."""
    hold = await desk.authorize(secret, 0)
    await desk.release(hold.hold_id)
    return hold.expires_at - timedelta(seconds=600)


async def test_what_the_database_cannot_hold_fails_alone(desk: Desk) -> None:
    secret = await desk.key()
    holds = [await desk.authorize(secret, 1) for _n in range(20)]
    before = await desk.authorize(secret, 1)
    # No window lets these through: whatever does one day, its neighbours must not pay for it.
    poison = [desk.gate.settle(desk.settling(before.hold_id, 1, tokens=Tokens(2**70)))]
    if not desk.scene.database.is_sqlite:  # which takes these
        texts = ({"request_id": "a\x00b"}, {"tag": "t" * 65}, {"request_id": "r" * 256})
        poison += [desk.gate.authorize(desk.asking(secret, 1, **more)) for more in texts]
    good = [desk.settle(one.hold_id) for one in holds]
    done = await asyncio.gather(*good[:10], *poison, *good[10:], return_exceptions=True)
    failed = [one for one in done if isinstance(one, BaseException)]
    assert len(failed) == len(poison)
    assert not any(isinstance(one, Refusal) for one in failed), failed
    await desk.settle(before.hold_id)
    await desk.scene.promises()


async def test_sums_beyond_64_bits_are_refused_before_they_are_reached(desk: Desk) -> None:
    secret = await desk.key()
    at, hashed = await moment(desk, secret), desk.gate.hash_of(secret)
    hold = await desk.authorize(secret, 1)
    events = [
        Event(f"event {n}", at, MODEL, TOKENS, secret_hash=hashed, cost_micro=MAX_MICRO)
        for n in range(12)
    ]
    results = await desk.report(*events)
    codes = Counter(getattr(one, "code", "recorded") for one in results)
    assert codes == {"recorded": 4, "invalid": 8}
    assert await code_of(desk.settle(hold.hold_id, 1)) == "invalid"
    await desk.release(hold.hold_id)
    await desk.scene.promises()


def test_what_nobody_has_is_no_cost() -> None:
    must_be_countable(1, MOST_USED_MICRO - 1)
    with pytest.raises(Invalid):
        must_be_countable(2, MOST_USED_MICRO - 1)
    at = datetime.fromisoformat("2026-11-23T00:00:00Z")
    with pytest.raises(Invalid):
        PriceList().cost(MODEL, Tokens(10**18), at)


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
async def test_processes_that_take_the_same_ids_in_opposite_orders_both_go_on(
    desk: Desk, database_url: str
) -> None:
    other_owner = await desk.scene.person("bob")
    other_id = await desk.scene.organization(other_owner, "Other")
    from app.resolvers import api_keys  # noqa: PLC0415

    made = await api_keys.create_api_key(desk.scene.fresh(other_owner), other_id, "a key")
    secrets = [await desk.key(), made.secret]
    at = await moment(desk, secrets[0])
    second = Database(database_url)
    gates = [desk.gate, Gate(second, desk.scene.settings)]
    gates[1].start()
    for turn in range(3):
        names = [f"turn {turn} event {n}" for n in range(400)]

        def report(which: int, names: list[str] = names) -> Any:
            hashed = desk.gate.hash_of(secrets[which])
            events = tuple(
                Event(name, at, MODEL, TOKENS, secret_hash=hashed, cost_micro=1)
                for name in (names if which else names[::-1])
            )
            return gates[which].report(Report(desk.caller, events))

        reported = await asyncio.gather(report(0), report(1))
        codes = Counter(getattr(r, "code", "recorded") for one in reported for r in one.results)
        assert codes == {"recorded": 400, "event_mismatch": 400}
    await gates[1].stop()
    await second.dispose()
    await desk.scene.promises()


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
async def test_what_changes_between_reading_and_writing_is_seen(
    desk: Desk, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.metering import group  # noqa: PLC0415
    from app.resolvers import api_keys  # noqa: PLC0415

    secret = await desk.key()
    second = Database(database_url)
    other = Gate(second, desk.scene.settings)
    other.start()
    between: list[Any] = []
    write = group.write_group

    async def interrupted(connection: Any, decided: Any) -> None:
        while between and not connection.locking:
            await between.pop()
        await write(connection, decided)

    monkeypatch.setattr(group, "write_group", interrupted)
    hold = await desk.authorize(secret, 1)

    async def outrun_by(change: Any, mine: Any) -> str:
        desk.gate._database._direct._lock_until = 0.0
        between.append(change)
        return await code_of(mine)

    # The other process takes what this one has seen, settles the same hold, ends the key.
    spends = other.authorize(desk.asking(secret, 600))
    assert await outrun_by(spends, desk.authorize(secret, 600)) == "insufficient_credits"
    settles = other.settle(desk.settling(hold.hold_id))
    assert await outrun_by(settles, desk.settle(hold.hold_id)) == "hold_not_open"
    ends = api_keys.revoke_api_key(desk.scene.fresh(desk.owner), hold.api_key_id)
    assert await outrun_by(ends, desk.authorize(secret, 1)) == "invalid_api_key"
    await other.stop()
    await second.dispose()
    await desk.scene.promises()


async def test_late_usage_counts_in_its_own_month_whatever_became_of_the_account(
    desk: Desk, shift_clock: Callable[[timedelta], None]
) -> None:
    from app.resolvers import members, operations, organizations  # noqa: PLC0415

    bob = await desk.scene.person("bob")
    member_id = await desk.scene.join(desk.account_id, bob)
    secret, hashed = await desk.key(bob), desk.gate.hash_of(await desk.key())
    gone = desk.gate.hash_of(secret)
    at = await moment(desk, secret)
    _start, end = month_range(month_of(at))
    shift_clock(end - at + timedelta(hours=1))
    closed, opened = end - timedelta(hours=1), end + timedelta(minutes=30)

    def events(name: str) -> list[Event]:
        return [
            Event(
                f"{name} {key.hex()[:4]} {when}", when, MODEL, TOKENS, secret_hash=key, cost_micro=7
            )
            for key in (hashed, gone)
            for when in (closed, opened)
        ]

    assert not any(isinstance(one, Refusal) for one in await desk.report(*events("live")))
    await members.set_member_quota(desk.scene.fresh(desk.owner), member_id, 0)
    await members.remove_member(desk.scene.fresh(desk.owner), member_id)
    await operations.freeze(desk.operator(), await desk.slug(), "for a test")
    assert not any(isinstance(one, Refusal) for one in await desk.report(*events("frozen")))
    await desk.scene.promises()
    await operations.unfreeze(desk.operator(), await desk.slug(), "for a test")
    await organizations.dissolve_organization(
        await desk.scene.person("ann"), desk.account_id, "Acme", 1000 - 8 * 7
    )
    assert not any(isinstance(one, Refusal) for one in await desk.report(*events("dissolved")))
    counters = (await desk.scene.snapshot())["month_counters"]
    # Two months of two members and two keys, with three calls of 7 each.
    assert len(counters) == 8
    assert all(21 in row for row in counters)
    await desk.scene.promises()
