"""Corrections: records of their own with figures that are added, down to nothing and not below it."""

from collections.abc import AsyncIterator
from datetime import UTC, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlmodel import col

from app.errors import Conflict, Invalid, NotFound, Refusal
from app.ids import wire_id
from app.metering.calls import Caller
from app.metering.pricing import Tokens
from app.models import AuditEvent, MonthCounter, UsageDay, UsageRecord, Wallet
from app.money import MICRO
from app.months import month_of
from app.resolvers import gateways, operations, organizations
from app.resolvers.operations import Figures
from tests.metering.desk import TOKENS, Desk, desk_of
from tests.scene import Scene

LESS = Figures(Tokens(-400, 0, 0, -100, -50), -300_000)


@pytest.fixture
async def desk(scene: Scene) -> AsyncIterator[Desk]:
    """Open a desk with ten credits and one call booked: event-1, a credit."""
    async with desk_of(scene, 10 * MICRO) as one:
        hold = await one.authorize(await one.key(tag="red"), 2 * MICRO)
        await one.settle(hold.hold_id, MICRO, event_id="event-1")
        yield one


async def records(desk: Desk) -> list[Any]:
    """Read all records in their order."""
    return await desk.scene.database.rows(
        select(UsageRecord.__table__).order_by(col(UsageRecord.sequence))
    )


async def figures(desk: Desk) -> tuple[int, list[int], tuple[int, ...]]:
    """Read what the wallet has, what the months used, and the day's requests, prompt tokens and cost."""
    database = desk.scene.database
    wallet = await database.row(
        select(col(Wallet.balance_micro)).where(col(Wallet.account_id) == desk.account_id)
    )
    months = await database.rows(select(col(MonthCounter.used_micro)))
    day = await database.row(
        select(col(UsageDay.requests), col(UsageDay.prompt_tokens), col(UsageDay.cost_micro))
    )
    assert wallet is not None
    assert day is not None
    return wallet[0], [row[0] for row in months], tuple(day)


async def test_figures_are_added_and_everything_that_sums_them_follows(desk: Desk) -> None:
    operator = desk.operator()
    done = await operations.correct(operator, "event-1", LESS, "The answer was cut off")
    assert done.left == Figures(Tokens(600, 100, 0, 150, 0), 700_000)
    assert await figures(desk) == (9_300_000, [700_000] * 2, (1, 600, 700_000))
    call, correction = await records(desk)
    assert (correction.id, correction.corrects) == (done.usage_record_id, call.id)
    same = ("account_id", "member_id", "api_key_id", "event_id", "model", "tag", "occurred_at")
    assert all(getattr(correction, name) == getattr(call, name) for name in same)
    assert (correction.gateway_id, correction.hold_id, correction.price) == (
        None,
        None,
        "correction",
    )
    more = await operations.correct(
        operator, wire_id("usage_record", call.id), LESS.negative(), "It was not"
    )
    assert more.left == Figures(TOKENS, MICRO)
    assert await figures(desk) == (9 * MICRO, [MICRO] * 2, (1, 1000, MICRO))
    await desk.scene.promises()


async def test_all_takes_back_what_is_left_and_only_once(desk: Desk) -> None:
    await operations.correct(desk.operator(), "event-1", LESS, "The answer was cut off")
    done = await operations.correct(desk.operator(), "event-1", None, "It was never made")
    assert done.left == Figures(Tokens(0), 0)
    assert await figures(desk) == (10 * MICRO, [0] * 2, (1, 0, 0))
    before = await desk.scene.snapshot()
    with pytest.raises(Invalid):
        await operations.correct(desk.operator(), "event-1", None, "Once more")
    assert await desk.scene.snapshot() == before
    await desk.scene.promises()


async def test_it_is_audited_with_its_reason(desk: Desk) -> None:
    await operations.correct(desk.operator(), "event-1", LESS, "The answer was cut off")
    event = await desk.scene.database.row(
        select(AuditEvent.__table__).where(col(AuditEvent.action) == "correct")
    )
    assert event is not None
    assert (event.account_id, event.target_kind, event.target_name) == (
        desk.account_id,
        "usage_record",
        "event-1",
    )
    assert event.before["cost"] == "1.000000"
    assert event.after["cost"] == "0.700000"
    assert event.after["reason"] == "The answer was cut off"
    assert "cached_tokens" not in event.after


async def test_it_counts_in_the_month_of_the_call_also_after_dissolving(
    desk: Desk, shift_clock: Any
) -> None:
    owner = desk.scene.fresh(desk.owner)
    await organizations.dissolve_organization(owner, desk.account_id, "Acme", waive=9 * MICRO)
    shift_clock(timedelta(days=62))
    await operations.correct(desk.operator(), "event-1", LESS, "The answer was cut off")
    call, correction = await records(desk)
    assert month_of(correction.recorded_at) > month_of(call.recorded_at)
    assert correction.occurred_at.astimezone(UTC) == call.occurred_at.astimezone(UTC)
    # What it gives back is no longer the account's.
    assert await figures(desk) == (0, [700_000] * 2, (1, 600, 700_000))
    await desk.scene.promises()


@pytest.mark.parametrize(
    ("event_id", "change", "reason", "refusal"),
    [
        ("event-1", Figures(Tokens(0), 0), "Why", Invalid),
        ("event-1", Figures(Tokens(0), -MICRO - 1), "Why", Invalid),
        ("event-1", Figures(Tokens(-1001), 0), "Why", Invalid),
        ("event-1", Figures(Tokens(-950), 0), "Less than is cached", Invalid),
        ("event-1", Figures(Tokens(0, reasoning=201), 0), "More than completed", Invalid),
        ("event-1", Figures(Tokens(10**16), 0), "Why", Invalid),
        ("event-1", LESS, " ", Invalid),
        ("event-2", LESS, "Why", NotFound),
        ("use_" + "0" * 32, LESS, "Why", NotFound),
    ],
)
async def test_what_makes_no_sense_is_refused_and_nothing_moves(
    desk: Desk, event_id: str, change: Figures, reason: str, refusal: type[Refusal]
) -> None:
    before = await desk.scene.snapshot()
    with pytest.raises(refusal):
        await operations.correct(desk.operator(), event_id, change, reason)
    assert await desk.scene.snapshot() == before


async def test_a_correction_is_never_corrected(desk: Desk) -> None:
    done = await operations.correct(desk.operator(), "event-1", LESS, "The answer was cut off")
    before = await desk.scene.snapshot()
    with pytest.raises(Conflict):
        await operations.correct(
            desk.operator(), wire_id("usage_record", done.usage_record_id), None, "Why"
        )
    assert await desk.scene.snapshot() == before


async def test_an_event_id_of_two_gateways_wants_one_named(desk: Desk) -> None:
    token = await gateways.create_gateway(desk.operator(), "other")
    other: Caller = await desk.gate.caller(token)
    secret = await desk.key()
    hold = await desk.gate.authorize(desk.asking(secret, 5)._replace(caller=other))
    booked = await desk.gate.settle(
        desk.settling(hold.hold_id, 5, event_id="event-1")._replace(caller=other)
    )
    with pytest.raises(Conflict):
        await operations.correct(desk.operator(), "event-1", None, "Why")
    done = await operations.correct(desk.operator(), "event-1", None, "Why", "other")
    assert done.corrects == booked.usage_record_id
    with pytest.raises(NotFound):
        await operations.correct(desk.operator(), "event-1", None, "Why", "nobody")
    await desk.scene.promises()
