"""Decisions: every combination of what can refuse, against the order in which it has to."""

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import HoldNotOpen, OverrunTooLarge, Refusal
from app.metering.decision import (
    SETTLEABLE,
    Settling,
    Standing,
    authorized_amount,
    may_release,
    must_be_bookable,
    must_be_settleable,
)
from app.models.metering import HoldStatus
from app.money import MICRO

AT = datetime(2026, 11, 23, 13, 5, tzinfo=UTC)
BEFORE, AFTER = AT - timedelta(seconds=1), AT + timedelta(seconds=1)

# Each way of being refused, in the order in which it has to be told.
WAYS: list[tuple[str, list[dict[str, Any]]]] = [
    (
        "invalid_api_key",
        [
            {"key_revoked_at": BEFORE},
            {"key_revoked_at": AFTER},
            {"member_ended_at": BEFORE},
            {"dissolved_at": BEFORE},
            {"secret_ends_at": BEFORE},
            {"secret_ends_at": AT},
            {"key_expires_at": BEFORE},
            {"key_expires_at": AT},
        ],
    ),
    ("account_frozen", [{"frozen_at": BEFORE}]),
    ("quota_disabled", [{"quota": 0}]),
    (
        "quota_exceeded",
        [
            {"quota": 100, "member_spent_micro": 91},
            {"quota": 100, "member_spent_micro": 100},
            {"quota": 100, "member_spent_micro": 250},
            {"quota": 9},
        ],
    ),
    (
        "key_limit_exceeded",
        [
            {"key_limit": 0},
            {"key_limit": 100, "key_spent_micro": 91},
            {"key_limit": 100, "key_spent_micro": 101},
        ],
    ),
    (
        "insufficient_credits",
        [{"available_micro": 9}, {"available_micro": 0}, {"available_micro": -5}],
    ),
]
FINE: dict[str, Any] = {
    "available_micro": 10,
    "quota": 100,
    "member_spent_micro": 90,
    "key_limit": 50,
    "key_spent_micro": 40,
    "secret_ends_at": AFTER,
    "key_expires_at": AFTER,
}


def code(standing: Standing, amount: int, least: int | None = None) -> str:
    """Tell by which code an authorization is refused, or that it is not."""
    try:
        authorized_amount(standing, amount, least, AT)
    except Refusal as refusal:
        return refusal.code
    return "granted"


@pytest.mark.parametrize("least", [None, 10])
def test_what_refuses_first_is_told_whatever_else_would_refuse(least: int | None) -> None:
    assert code(Standing(**FINE), 10, least) == "granted"
    # None is fine in a way; each of the others is one of the ways in which it is not.
    choices = [[None, *ways] for _code, ways in WAYS]
    tried = 0
    for chosen in product(*choices):
        facts = dict(FINE)
        for part in reversed(chosen):
            facts |= part or {}
        first = next(
            (name for (name, _ways), part in zip(WAYS, chosen, strict=True) if part), "granted"
        )
        assert code(Standing(**facts), 10, least) == first, facts
        tried += 1
    assert tried == 9 * 2 * 2 * 5 * 4 * 4


def test_a_quota_and_a_limit_of_none_leave_the_balance_alone_to_decide() -> None:
    assert authorized_amount(Standing(10), 10, None, AT) == 10
    assert code(Standing(9), 10) == "insufficient_credits"


@pytest.mark.parametrize("available", [0, -5, 7])
def test_a_call_that_costs_nothing_needs_no_credits_but_a_quota_and_limit(available: int) -> None:
    spent = {"quota": 100, "member_spent_micro": 200, "key_limit": 5, "key_spent_micro": 9}
    assert authorized_amount(Standing(available, **spent), 0, None, AT) == 0
    assert authorized_amount(Standing(available), 0, 0, AT) == 0
    assert code(Standing(available, quota=0), 0) == "quota_disabled"
    assert code(Standing(available, key_limit=0), 0) == "key_limit_exceeded"
    assert code(Standing(available, frozen_at=BEFORE), 0) == "account_frozen"


def test_a_month_that_is_used_up_says_when_the_next_one_starts() -> None:
    for facts in ({"quota": 1}, {"key_limit": 1}):
        with pytest.raises(Refusal) as refused:
            authorized_amount(Standing(100, **facts), 10, None, AT)
        assert refused.value.extra == {"resets_at": "2026-12-01T00:00:00Z"}


def test_no_refusal_for_want_of_credits_says_a_figure() -> None:
    with pytest.raises(Refusal) as refused:
        authorized_amount(Standing(7), 10, None, AT)
    assert refused.value.extra == {}
    assert not any(letter.isdigit() for letter in refused.value.detail)


SMALL = st.integers(0, 40)


@given(
    available=st.integers(-10, 40),
    quota=st.integers(-1, 40),
    spent=SMALL,
    limit=st.integers(-1, 40),
    key_spent=SMALL,
    amount=SMALL,
    least=st.none() | SMALL,
)
def test_what_is_granted_fits_into_everything_and_as_much_as_fits(  # noqa: PLR0917
    available: int,
    quota: int,
    spent: int,
    limit: int,
    key_spent: int,
    amount: int,
    least: int | None,
) -> None:
    least = None if least is None else min(least, amount)
    standing = Standing(available, quota, spent, limit, key_spent)
    rooms = [available]
    rooms += [quota - spent] if quota != -1 else []
    rooms += [limit - key_spent] if limit != -1 else []
    needed = amount if least is None else max(least, min(1, amount))
    try:
        granted = authorized_amount(standing, amount, least, AT)
    except Refusal:
        assert 0 in (quota, limit) or min(rooms) < needed
        return
    assert 0 not in (quota, limit)
    assert granted == min([amount, *rooms]) if needed else granted == 0
    assert amount == 0 or granted > 0


def test_a_hold_settles_in_time_or_late_or_not_at_all() -> None:
    moments = {
        "in time": (AFTER, Settling.IN_TIME),
        "just expired": (AT, Settling.LATE),
        "last moment": (AT - SETTLEABLE + timedelta(microseconds=1), Settling.LATE),
        "too late": (AT - SETTLEABLE, None),
    }
    for (expires_at, expected), status in product(moments.values(), HoldStatus):
        how = expected
        if status in (HoldStatus.SETTLED, HoldStatus.RELEASED):
            how = None
        elif status is HoldStatus.EXPIRED and expected is Settling.IN_TIME:
            how = Settling.LATE
        if how is None:
            with pytest.raises(HoldNotOpen):
                must_be_settleable(status, expires_at, AT)
        else:
            assert must_be_settleable(status, expires_at, AT) is how


def test_an_overrun_is_booked_up_to_ten_times_or_ten_credits() -> None:
    for asked, most in ((0, 10 * MICRO), (MICRO, 10 * MICRO), (2 * MICRO, 20 * MICRO)):
        must_be_bookable(most, asked)
        with pytest.raises(OverrunTooLarge):
            must_be_bookable(most + 1, asked)


def test_only_a_settled_hold_refuses_its_release() -> None:
    assert may_release(HoldStatus.OPEN)
    assert not may_release(HoldStatus.RELEASED)
    assert not may_release(HoldStatus.EXPIRED)
    with pytest.raises(HoldNotOpen):
        may_release(HoldStatus.SETTLED)
