"""Alert letters: written when credits run low, and when a member's month comes to its quota.

Metering knows nothing of them: a sweeper looks at what it has left behind, every few seconds.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import and_, case, exists, literal, or_, select
from sqlmodel import col

from app.access import Actor, Viewer, in_steps, system
from app.database import AnySelect, insert_or_ignore, locked, this_month
from app.models import (
    Account,
    BalanceAlert,
    CounterKind,
    Member,
    MonthCounter,
    QuotaAlert,
    User,
    Wallet,
)
from app.money import short_credits
from app.months import next_month
from app.resolvers._watching import by_account, watchers

AT_ONCE = 100
NEARLY, FULL = 80, 100
"""The percents of a quota that a member is written to at."""

_AVAILABLE = col(Wallet.balance_micro) - col(Wallet.held_micro)
_PAID_IN = col(Wallet.balance_micro) + col(Wallet.used_micro)
"""What an account has ever got, less refunds: usage leaves it alone, a top-up raises it."""
_LOW = and_(col(BalanceAlert.armed), col(BalanceAlert.threshold_micro) > _AVAILABLE)
_RISEN = and_(
    ~col(BalanceAlert.armed),
    col(BalanceAlert.threshold_micro) <= _AVAILABLE,
    col(BalanceAlert.paid_in_micro) < _PAID_IN,
)


@in_steps
async def send_balance_alerts(viewer: Viewer) -> int:
    """Write the letters of thresholds that were crossed, and arm those again that were paid past; how many alerts.

    Running calls that end give back what they held: that alone arms nothing, so nobody is written to twice.
    """
    due = (
        select(col(BalanceAlert.id))
        .join(Wallet, col(Wallet.account_id) == col(BalanceAlert.account_id))
        .where(or_(_LOW, _RISEN), col(Wallet.dissolved_at).is_(None))
        .limit(AT_ONCE)
    )
    ids = [row[0] for row in await viewer.database.rows(due)]
    return await _turn_alerts(viewer, ids) if ids else 0


@system
async def _turn_alerts(actor: Actor, ids: Sequence[UUID]) -> int:
    """Look once more at each of these alerts, now locked, and do what is due."""
    statement = (
        select(BalanceAlert, _LOW, _AVAILABLE, _PAID_IN, col(Account.name), col(Account.slug))
        .join(Wallet, col(Wallet.account_id) == col(BalanceAlert.account_id))
        .join(Account, col(Account.id) == col(BalanceAlert.account_id))
        .where(col(BalanceAlert.id).in_(ids), or_(_LOW, _RISEN))
        .order_by(col(BalanceAlert.id))
    )
    rows = (await actor.session.execute(locked(statement, BalanceAlert))).all()
    accounts = {row[0].account_id for row in rows}
    watching = by_account((await actor.session.execute(watchers(accounts))).all())
    lowest: dict[UUID, Any] = {}
    for row in rows:
        alert, low, _available, paid_in = row[:4]
        alert.armed = not low
        if not low:
            continue
        alert.paid_in_micro, alert.last_sent_at = int(paid_in), actor.now
        # Who falls through several at once gets the letter of the lowest.
        known = lowest.get(alert.account_id)
        if known is None or alert.threshold_micro < known[0].threshold_micro:
            lowest[alert.account_id] = row
    for alert, _low, available, _paid_in, name, slug in lowest.values():
        fields = {
            "account_name": name,
            "threshold": short_credits(alert.threshold_micro),
            "available": short_credits(max(0, int(available))),
            "path": f"/a/{slug}/credits",
        }
        for email in alert.emails or watching.get(alert.account_id, ()):
            actor.send("balance_alert", email, alert.account_id, fields)
    return len(rows)


# 80 % without a product that is too large for the column.
_NEAR = col(Member.quota) - col(Member.quota) // 5
_PERCENT = case(
    (col(MonthCounter.used_micro) >= col(Member.quota), literal(FULL)), else_=literal(NEARLY)
)


def _members_due() -> AnySelect:
    """Select members whose month has come to a part of their quota that they were not written to about."""
    told = exists().where(
        col(QuotaAlert.member_id) == col(Member.id),
        col(QuotaAlert.month) == this_month(),
        col(QuotaAlert.percent) >= _PERCENT,
    )
    return (
        select(
            col(Member.id),
            col(Member.account_id),
            col(Member.quota),
            col(MonthCounter.used_micro),
            col(MonthCounter.month),
            _PERCENT.label("percent"),
            col(User.email),
            col(Account.name),
            col(Account.slug),
        )
        .join_from(Member, MonthCounter, col(MonthCounter.subject_id) == col(Member.id))
        .join(User, col(User.id) == col(Member.user_id))
        .join(Account, col(Account.id) == col(Member.account_id))
        .where(
            col(Member.quota) > 0,
            col(Member.ended_at).is_(None),
            col(MonthCounter.month) == this_month(),
            col(MonthCounter.kind) == CounterKind.MEMBER,
            col(MonthCounter.used_micro) >= _NEAR,
            ~told,
        )
        .limit(AT_ONCE)
    )


@in_steps
async def send_quota_alerts(viewer: Viewer) -> int:
    """Write to members whose month has come to 80 or 100 % of their quota: once a month for each; how many."""
    rows = await viewer.database.rows(_members_due())
    return await _write_to_members(viewer, rows) if rows else 0


@system
async def _write_to_members(actor: Actor, rows: Sequence[Any]) -> int:
    """Write each letter together with the row that says that it was written."""
    sent = 0
    for row in rows:
        alert = QuotaAlert(
            member_id=row.id,
            month=row.month,
            percent=row.percent,
            account_id=row.account_id,
            created_at=actor.now,
        )
        if not await insert_or_ignore(actor.session, alert, ("member_id", "month", "percent")):
            continue
        fields = {
            "account_name": row.name,
            "percent": row.percent,
            "used": short_credits(row.used_micro),
            "quota": short_credits(row.quota),
            "resets": f"{next_month(row.month):%-d %B %Y}",
            "path": f"/a/{row.slug}",
        }
        actor.send("quota_alert", row.email, row.account_id, fields)
        sent += 1
    return sent
