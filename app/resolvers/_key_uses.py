"""Uses of management keys: whom a secret stands for, and the trace that every use leaves."""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import LargeBinary, bindparam, literal_column, or_, select
from sqlmodel import col

from app.access import Actor, Seat, Viewer
from app.credentials import KeyKind, key_kind, secret_hash
from app.database import AnySelect, locked, now, upsert
from app.errors import Unauthenticated, WrongKeyType
from app.ids import new_id
from app.models import Account, AuditActorKind, Member
from app.models.keys import KeySecret, ManagementKey, ManagementKeyUse
from app.models.ledger import Wallet
from app.money import DISABLED
from app.pages import Cursors, Page, check_first, page_of
from app.permissions import Permission, roles_with
from app.resolvers._balance_rows import present_columns, present_row
from app.resolvers._lists import after_key, moment_key, plain_key, rows_of_each
from app.seats import KeyFacts

MAKERS = roles_with(Permission.MANAGE_MANAGEMENT_KEYS)
UNIQUE = ("management_key_id", "hour", "ip", "path", "range")


async def viewer_of_secret(viewer: Viewer, secret: str, *, with_balance: bool) -> Viewer:
    """Make the viewer of a management key's secret. Raises `WrongKeyType`, `Unauthenticated`."""
    kind = key_kind(secret)
    if kind is KeyKind.STANDARD:
        raise WrongKeyType
    if kind is not KeyKind.MANAGEMENT:
        raise Unauthenticated
    hashed = secret_hash(viewer.settings.key_pepper.get_secret_value(), secret)
    row = await viewer.database.row(_working(with_balance=with_balance), {"hashed": hashed})
    if row is None or not hmac.compare_digest(row.secret_hash, hashed):
        raise Unauthenticated
    facts = row._mapping  # noqa: SLF001 - a Row's public accessor
    # A key has no place of its own: no membership, no role, no quota to spend.
    place: dict[str, Any] = {"member_id": None, "role": None, "quota": DISABLED}
    seat = Seat(**{name: place[name] if name in place else facts[name] for name in Seat.__slots__})
    return replace(
        viewer,
        user=None,
        signed_in_at=None,
        session_id=None,
        kind=AuditActorKind.MANAGEMENT_KEY,
        key=KeyFacts(row.key_id, row.key_name),
        seats={seat.account_id: seat},
        balances={seat.account_id: present_row(row)} if with_balance else {},
    )


@lru_cache
def _working(*, with_balance: bool) -> AnySelect:
    """Select the key of a secret if it works, with what a seat needs of its account."""
    shown: tuple[Any, ...] = (
        col(KeySecret.secret_hash),
        col(ManagementKey.id).label("key_id"),
        col(ManagementKey.name).label("key_name"),
        col(ManagementKey.created_at).label("joined_at"),
    )
    account: tuple[Any, ...] = (
        col(Account.id).label("account_id"),
        *(col(getattr(Account, name)) for name in ("kind", "name", "slug", "created_at")),
        col(Account.default_quota),
    )
    balance = present_columns() if with_balance else ()
    found = (
        select(*shown, *account, now().label("now"), *balance)
        .join_from(
            KeySecret, ManagementKey, col(ManagementKey.id) == col(KeySecret.management_key_id)
        )
        .join(Account, col(Account.id) == col(ManagementKey.account_id))
        .join(Member, col(Member.id) == col(ManagementKey.member_id))
        .where(
            col(KeySecret.secret_hash) == bindparam("hashed", type_=LargeBinary),
            or_(col(KeySecret.ends_at).is_(None), col(KeySecret.ends_at) > now()),
            col(ManagementKey.revoked_at).is_(None),
            or_(col(ManagementKey.expires_at).is_(None), col(ManagementKey.expires_at) > now()),
            col(Account.dissolved_at).is_(None),
            # A key never has more than its maker has now, whatever became of ending it.
            col(Member.ended_at).is_(None),
            # As numbers: SQLite plans a statement anew at each run, for longer than it runs, where a parameter
            # may be what an index is limited to.
            col(Member.role).in_([literal_column(str(role.value)) for role in sorted(MAKERS)]),
        )
    )
    if with_balance:
        found = found.join(Wallet, col(Wallet.account_id) == col(Account.id))
    return found


@dataclass(frozen=True, slots=True)
class ManagementUse:
    """One request by a management key. `at` is when, by the database's clock: its seat's `now`."""

    account_id: UUID
    management_key_id: UUID
    ip: str
    path: str
    at: datetime
    range: str = ""
    rows: int = 0
    request_id: str | None = None


async def book_uses(actor: Actor, uses: Sequence[ManagementUse]) -> int:
    """Add uses to their hours, keep each key's last use, and audit its first."""
    if not uses:
        return 0
    ids = sorted({use.management_key_id for use in uses})
    # The keys are locked in order: whoever adds to the same hours does so before or after.
    statement = locked(
        select(ManagementKey).where(col(ManagementKey.id).in_(ids)).order_by(col(ManagementKey.id))
    )
    for key in (await actor.session.execute(statement)).scalars().all():
        own = sorted(
            (use for use in uses if use.management_key_id == key.id), key=lambda use: use.at
        )
        if key.last_used_at is None:
            _record_first(actor, key, own[0])
        key.last_used_at = max(own[-1].at, key.last_used_at or own[-1].at)
    await upsert(
        actor.session,
        ManagementKeyUse,
        _summed(uses),
        unique=UNIQUE,
        add=("uses", "rows"),
        replace=("last_at",),
    )
    return len(uses)


def _record_first(actor: Actor, key: ManagementKey, use: ManagementUse) -> None:
    """Write the audit event of a key's first use, with the key itself as who acts."""
    viewer = replace(
        actor.viewer,
        user=None,
        kind=AuditActorKind.MANAGEMENT_KEY,
        key=KeyFacts(key.id, key.name),
        ip=use.ip,
        request_id=use.request_id,
    )
    acting = Actor(viewer, use.at, None, actor.session, "use_management_key_first")
    after = {"path": use.path, "ip": use.ip}
    acting.record(key, name=key.name, account_id=key.account_id, after=after)


def _summed(uses: Sequence[ManagementUse]) -> list[dict[str, Any]]:
    """Sum uses by hour, key, address, path and range."""
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for use in uses:
        hour = use.at.replace(minute=0, second=0, microsecond=0)
        place = (use.management_key_id, hour, use.ip, use.path[:80], use.range[:80])
        row = rows.setdefault(
            place,
            {
                "id": new_id(),
                "account_id": use.account_id,
                **dict(zip(UNIQUE, place, strict=True)),
                "uses": 0,
                "rows": 0,
                "first_at": use.at,
                "last_at": use.at,
            },
        )
        row["uses"] += 1
        row["rows"] += use.rows
        row["first_at"] = min(row["first_at"], use.at)
        row["last_at"] = max(row["last_at"], use.at)
    return list(rows.values())


@dataclass(frozen=True, slots=True)
class ManagementKeyUseRow:
    """What one key read from one address at one path within an hour."""

    id: UUID
    management_key_id: UUID
    hour: datetime
    ip: str
    path: str
    range: str
    uses: int
    rows: int
    first_at: datetime
    last_at: datetime


UsePage = Page[ManagementKeyUseRow]
_COLUMNS = tuple(col(getattr(ManagementKeyUse, name)) for name in ManagementKeyUseRow.__slots__)


async def uses_of_each(
    viewer: Viewer, seats: Mapping[UUID, Seat], first: int, after: str | None
) -> dict[UUID, UsePage]:
    """Read one page of each key's uses, newest hour first, all by one statement."""
    check_first(first, viewer.settings)
    key = (col(ManagementKeyUse.hour), col(ManagementKeyUse.id))
    cursors = {one: Cursors(viewer.settings, ("management_key_uses", one.hex)) for one in seats}
    last = {one: moment_key(cursors[one].read(after)) for one in seats}

    def select_for(key_id: UUID) -> AnySelect:
        statement = select(*_COLUMNS).where(col(ManagementKeyUse.management_key_id) == key_id)
        key_after = last[key_id]
        if key_after is not None:
            statement = statement.where(after_key(key, key_after, descending=True))
        return statement.order_by(*(part.desc() for part in key)).limit(first + 1)

    found = await rows_of_each(viewer, seats, select_for, by="management_key_id")
    return {
        one: page_of(
            [ManagementKeyUseRow(*row) for row in rows], first, last[one], cursors[one], _key
        )
        for one, rows in found.items()
    }


def _key(row: ManagementKeyUseRow) -> list[Any]:
    return plain_key([row.hour, row.id])
