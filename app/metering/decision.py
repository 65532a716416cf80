"""Decisions about calls: pure, without I/O or clock. Each refuses in a fixed order, or says what to do.

Order for an authorization: key (401), account frozen (403), quota disabled (403), quota used up
(403), key's limit used up (403), credits (402). PRODUCT.md, "Decisions on the edges", has the rules.
"""

from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import NamedTuple

from app.errors import (
    AccountFrozen,
    HoldNotOpen,
    InsufficientCredits,
    Invalid,
    InvalidApiKey,
    KeyLimitExceeded,
    OverrunTooLarge,
    QuotaDisabled,
    QuotaExceeded,
)
from app.models.metering import HoldStatus
from app.money import DISABLED, MAX_MICRO, MICRO, UNLIMITED
from app.months import month_of, month_range

SETTLEABLE = timedelta(hours=72)
"""How long after its expiry a hold may still be settled, as late usage."""
OVERRUN_FACTOR = 10
OVERRUN_MICRO = 10 * MICRO
MOST_USED_MICRO = 4 * MAX_MICRO
"""What an account may have used in all: every sum of it stays within 64 bits."""


class Standing(NamedTuple):
    """What decides about a call: the states of key, member, account and month, read under the wallet's lock.

    Ends are moments or None; `quota` and `key_limit` in micro-credits, -1 for none, 0 for nothing at all.
    """

    available_micro: int
    quota: int = UNLIMITED
    member_spent_micro: int = 0
    """Used and held in the month."""
    key_limit: int = UNLIMITED
    key_spent_micro: int = 0
    secret_ends_at: datetime | None = None
    key_expires_at: datetime | None = None
    key_revoked_at: datetime | None = None
    member_ended_at: datetime | None = None
    dissolved_at: datetime | None = None
    frozen_at: datetime | None = None


def authorized_amount(standing: Standing, amount: int, least: int | None, at: datetime) -> int:
    """Tell how many micro-credits to hold: `amount`, or with `least` what there is, at least that.

    Raises `InvalidApiKey`, `AccountFrozen`, `QuotaDisabled`, `QuotaExceeded`, `KeyLimitExceeded`,
    `InsufficientCredits`. A call of amount 0 needs no credits, only a quota and a key limit other than 0.
    """
    _must_work(standing, at)
    if standing.frozen_at is not None:
        raise AccountFrozen
    if standing.quota == DISABLED:
        raise QuotaDisabled
    # Nothing at all never serves a call that may cost something.
    needed = amount if least is None else max(least, min(amount, 1))
    quota_left = _left(standing.quota, standing.member_spent_micro, amount)
    key_left = _left(standing.key_limit, standing.key_spent_micro, amount)
    if needed > 0 and quota_left < needed:
        raise QuotaExceeded(resets_at=_resets_at(at))
    if standing.key_limit == DISABLED or (needed > 0 and key_left < needed):
        raise KeyLimitExceeded(resets_at=_resets_at(at))
    if needed > 0 and standing.available_micro < needed:
        raise InsufficientCredits
    return min(amount, quota_left, key_left, standing.available_micro) if needed > 0 else 0


def _must_work(standing: Standing, at: datetime) -> None:
    """Refuse a key that has ended, by itself or with what it belongs to; all with the same answer."""
    if standing.key_revoked_at is not None or standing.member_ended_at is not None:
        raise InvalidApiKey
    if standing.dissolved_at is not None:
        raise InvalidApiKey
    for ends_at in (standing.secret_ends_at, standing.key_expires_at):
        if ends_at is not None and ends_at <= at:
            raise InvalidApiKey


def _left(limit: int, spent: int, amount: int) -> int:
    return amount if limit == UNLIMITED else limit - spent


def _resets_at(at: datetime) -> str:
    _start, end = month_range(month_of(at))
    return end.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Settling(Enum):
    """How a settlement is booked."""

    IN_TIME = "in time"
    LATE = "late"


def must_be_settleable(status: HoldStatus, expires_at: datetime, at: datetime) -> Settling:
    """Tell how a hold settles now: in time, or late for 72 hours after its expiry. Raises `HoldNotOpen`."""
    if status not in (HoldStatus.OPEN, HoldStatus.EXPIRED):
        raise HoldNotOpen
    if status is HoldStatus.OPEN and at < expires_at:
        return Settling.IN_TIME
    if at >= expires_at + SETTLEABLE:
        raise HoldNotOpen
    return Settling.LATE


def must_be_bookable(cost_micro: int, asked_micro: int) -> None:
    """Refuse a cost far above what was asked for: 10 times it, or 10 credits where that is more.

    Raises `OverrunTooLarge`; the hold stays settleable.
    """
    if cost_micro > max(OVERRUN_FACTOR * asked_micro, OVERRUN_MICRO):
        raise OverrunTooLarge


def must_be_countable(cost_micro: int, used_micro: int) -> None:
    """Refuse a cost by which an account's sums would no longer be numbers that a database holds. Raises `Invalid`."""
    if used_micro + cost_micro > MOST_USED_MICRO:
        raise Invalid(cost="This is more than an account can ever use.")


def may_release(status: HoldStatus) -> bool:
    """Tell whether a hold is still to be ended by a release. Raises `HoldNotOpen` for a settled one."""
    if status is HoldStatus.SETTLED:
        raise HoldNotOpen
    return status is HoldStatus.OPEN
