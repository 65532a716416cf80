"""Balance alerts: below which balance somebody is written to, and who. The letters are `alert_letters`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select
from sqlmodel import col

from app.access import Actor, Seat, Viewer, reads, writes
from app.database import AnySelect, locked
from app.errors import Invalid
from app.models import Account, BalanceAlert
from app.money import MAX_MICRO, short_credits
from app.permissions import Permission
from app.resolvers._watching import watching
from app.text import clean_email, fold_email


@dataclass(frozen=True, slots=True)
class AlertRow:
    """One threshold; `emails` are those who would get the letter now, `chosen` whether somebody named them."""

    id: UUID
    account_id: UUID
    threshold_micro: int
    emails: tuple[str, ...]
    chosen: bool
    last_sent_at: datetime | None


@reads(Permission.VIEW_BILLING, on=Account)
async def list_alerts(viewer: Viewer, seats: Mapping[UUID, Seat]) -> dict[UUID, list[AlertRow]]:
    """List an account's thresholds, the lowest first."""
    statement = _alerts().where(col(BalanceAlert.account_id).in_(seats))
    rows = await viewer.database.rows(statement)
    people = await watching(viewer, {row.account_id for row in rows if row.emails is None})
    found: dict[UUID, list[AlertRow]] = {one: [] for one in seats}
    for row in rows:
        found[row.account_id].append(_row(row, people))
    return found


@reads(Permission.VIEW_BILLING, on=BalanceAlert)
async def balance_alert(viewer: Viewer, seats: Mapping[UUID, Seat]) -> dict[UUID, AlertRow]:
    """Show one threshold."""
    rows = await viewer.database.rows(_alerts().where(col(BalanceAlert.id).in_(seats)))
    people = await watching(viewer, {row.account_id for row in rows if row.emails is None})
    return {row.id: _row(row, people) for row in rows}


def _alerts() -> AnySelect:
    names = ("id", "account_id", "threshold_micro", "emails", "last_sent_at")
    columns = [col(getattr(BalanceAlert, name)) for name in names]
    return select(*columns).order_by(col(BalanceAlert.threshold_micro))


def _row(row: Any, people: Mapping[UUID, Sequence[str]]) -> AlertRow:
    emails = row.emails if row.emails is not None else people.get(row.account_id, ())
    return AlertRow(
        row.id,
        row.account_id,
        row.threshold_micro,
        tuple(emails),
        row.emails is not None,
        row.last_sent_at,
    )


def _alerts_make_sense(
    viewer: Viewer, thresholds: Sequence[int], emails: Sequence[str] | None = None
) -> None:
    _checked_emails(viewer, emails)
    if len(set(thresholds)) > viewer.settings.alert_cap:
        raise Invalid(thresholds=f"Set at most {viewer.settings.alert_cap} alerts.")
    if any(not 0 <= one <= MAX_MICRO for one in thresholds):
        raise Invalid(thresholds="A threshold is 0 or more credits.")


def _checked_emails(viewer: Viewer, emails: Sequence[str] | None) -> list[str] | None:
    if emails is None:
        return None
    settings = viewer.settings
    if not 1 <= len(emails) <= settings.alert_emails:
        raise Invalid(
            emails=f"Name 1 to {settings.alert_emails} addresses, or none for the Owner and Admins."
        )
    try:
        cleaned = [clean_email(one, test_addresses=settings.sandbox) for one in emails]
    except Invalid:
        raise Invalid(emails="One of these is no e-mail address.") from None
    return list({fold_email(one): one for one in cleaned}.values())


@writes(Permission.MANAGE_BILLING, on=Account, check=_alerts_make_sense)
async def set_balance_alerts(
    actor: Actor, account: Account, thresholds: Sequence[int], emails: Sequence[str] | None = None
) -> UUID:
    """Leave an account with these thresholds (micro-credits) and no others; none at all turns alerts off.

    `emails` None: the Owner and the Admins. A threshold that was there stays as armed as it was.
    Raises `Invalid`.
    """
    own = col(BalanceAlert.account_id) == account.id
    rows = (await actor.session.execute(locked(select(BalanceAlert).where(own)))).scalars().all()
    before = _picture(rows)
    known = {row.threshold_micro: row for row in rows}
    wanted = sorted(set(thresholds))
    chosen = _checked_emails(actor.viewer, emails)
    await actor.session.execute(
        delete(BalanceAlert).where(own, col(BalanceAlert.threshold_micro).not_in(wanted))
    )
    kept = [known[one] for one in wanted if one in known]
    for row in kept:
        row.emails = chosen
    made = [
        BalanceAlert(
            account_id=account.id, threshold_micro=one, emails=chosen, created_at=actor.now
        )
        for one in wanted
        if one not in known
    ]
    actor.session.add_all(made)
    after = _picture([*kept, *made])
    if after != before:
        actor.record(account, name=account.name, before=before, after=after)
    return account.id


def _picture(rows: Sequence[BalanceAlert]) -> dict[str, Any]:
    emails = next((row.emails for row in rows), None)
    return {
        "thresholds": [short_credits(one) for one in sorted(row.threshold_micro for row in rows)],
        "emails": emails,
    }
