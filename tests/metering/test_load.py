"""Exactness under load: however many ask at once, in however many processes, what is granted is what there is."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from app.errors import Refusal
from app.metering.calls import Authorized, Release
from tests.metering.desk import Desk


async def outcomes(*awaitables: Any) -> tuple[list[Any], Counter[str]]:
    """Wait for all at once: what was answered, and how often each code refused."""
    done = await asyncio.gather(*awaitables, return_exceptions=True)
    refused = Counter(one.code for one in done if isinstance(one, Refusal))
    answers = [one for one in done if not isinstance(one, Refusal)]
    broken = [one for one in answers if isinstance(one, BaseException)]
    assert not broken, broken[0]
    return answers, refused


def granted(answers: list[Authorized]) -> int:
    """Sum what was granted."""
    return sum(one.amount_micro for one in answers)


async def test_ten_thousand_ask_for_one_each_of_a_thousand_credits(desk: Desk) -> None:
    secret = await desk.key()
    answers, refused = await outcomes(*(desk.authorize(secret, 1) for _n in range(10_000)))
    assert granted(answers) == len(answers) == 1000
    assert refused == {"insufficient_credits": 9000}
    await desk.scene.promises()


@pytest.mark.parametrize("least", [None, 1])
async def test_a_quota_over_five_keys_is_granted_to_its_last_credit(
    desk: Desk, least: int | None
) -> None:
    await desk.quota(desk.owner, 300)
    keys = [await desk.key() for _n in range(5)]
    amount = 1 if least is None else 7
    asking = (desk.authorize(keys[n % 5], amount, least_micro=least) for n in range(1000))
    answers, refused = await outcomes(*asking)
    assert granted(answers) == 300
    assert set(refused) == {"quota_exceeded"}
    await desk.scene.promises()


async def test_fifty_members_with_a_quota_each_share_the_credits(desk: Desk) -> None:
    people = [await desk.scene.person(f"person {n}") for n in range(49)]
    keys = [await desk.key()]
    await desk.quota(desk.owner, 40)
    for one in people:
        await desk.scene.join(desk.account_id, one)
        await desk.quota(one, 40)
        keys.append(await desk.key(one))
    answers, _refused = await outcomes(
        *(desk.authorize(secret, 1) for _round in range(60) for secret in keys)
    )
    by_member: Counter[UUID] = Counter()
    for one in answers:
        by_member[one.member_id] += one.amount_micro
    assert granted(answers) == 1000
    assert max(by_member.values()) <= 40
    await desk.scene.promises()


async def test_each_hold_ends_once_whoever_comes_first(desk: Desk, shift_clock: Any) -> None:
    secret = await desk.key()
    holds = [(await desk.authorize(secret, 1, ttl_seconds=5)).hold_id for _n in range(100)]
    shift_clock(timedelta(seconds=5))
    work = [desk.gate.end_expired_holds(), desk.gate.end_expired_holds()]
    for one in holds:
        work += [desk.settle(one), desk.gate.release(Release(desk.caller, one))]
    work += [desk.authorize(secret, 900) for _n in range(3)]
    _answers, refused = await outcomes(*work)
    # Settled late, or released after it settled: a release of an expired one changes nothing.
    assert set(refused) <= {"hold_not_open", "insufficient_credits"}
    await desk.scene.promises()
    _answers, again = await outcomes(*(desk.settle(one) for one in holds))
    assert again == {"hold_not_open": 100}
    await desk.scene.promises()


async def test_the_month_turns_under_load(desk: Desk, shift_clock: Any) -> None:
    from app.months import month_of, month_range  # noqa: PLC0415
    from app.resolvers import sessions  # noqa: PLC0415

    await desk.quota(desk.owner, 100)
    secret = await desk.key()
    at = await sessions.clock(desk.scene.signed_out())
    _start, end = month_range(month_of(at))
    shift_clock(end - at - timedelta(milliseconds=300))
    months: Counter[int] = Counter()
    holds = []
    while months[end.month] < 100:
        answers, refused = await outcomes(*(desk.authorize(secret, 1) for _n in range(60)))
        assert set(refused) <= {"quota_exceeded"}
        for one in answers:
            months[(one.expires_at - timedelta(seconds=600)).month] += one.amount_micro
            holds.append(one.hold_id)
    # 100 in a month, and not one more, whenever exactly it turned.
    assert max(months.values()) == 100
    await outcomes(*(desk.settle(one) for one in holds))
    await desk.scene.promises()
