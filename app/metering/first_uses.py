"""The first call that a standard key has ever made is audited, in the transaction that books it."""

from functools import lru_cache
from typing import Any

from sqlalchemy import Table, exists, select
from sqlmodel import col

from app.bulk import Changes, Way
from app.database import Connection, Session, of_sqlite
from app.dialects import any_of
from app.ids import new_id
from app.metering.books import Books
from app.models import ApiKey, AuditActorKind, AuditEvent, User
from app.models.metering import MonthCounter

_EVENTS: Table = AuditEvent.__table__  # type: ignore[attr-defined]
_ADD = Way(
    _EVENTS,
    (
        *("id", "account_id", "action", "actor_kind", "actor_id", "actor_name"),
        *("target_kind", "target_id", "target_name", "at"),
    ),
)
ACTION = "use_api_key_first"


async def put_first_uses(connection: Session | Connection, changes: Changes, books: Books) -> None:
    """Let an event be written for each key whose first month of use begins with these books.

    Reads only where a key begins a month. Its account's wallet is locked, so nobody else writes one.
    """
    if not books.begun:
        return
    statement = _unused(sqlite=of_sqlite(connection))
    rows = (await connection.execute(statement, {"keys": list(books.begun)})).all()
    changes.put(
        _ADD,
        [
            {
                "id": new_id(),
                "account_id": account_id,
                "action": ACTION,
                # Whoever holds the key acts as the member whose it is.
                "actor_kind": AuditActorKind.USER,
                "actor_id": user_id,
                "actor_name": user_name,
                "target_kind": ApiKey.KIND,
                "target_id": key_id,
                "target_name": name,
                "at": books.at,
            }
            # By place: the direct lanes give rows without names.
            for key_id, account_id, name, user_id, user_name in rows
        ],
    )


@lru_cache
def _unused(*, sqlite: bool) -> Any:
    key: Any = ApiKey
    used = exists().where(
        col(MonthCounter.subject_id) == col(ApiKey.id),
        col(MonthCounter.last_used_at).is_not(None),
    )
    return (
        select(key.id, key.account_id, key.name, key.user_id, col(User.name).label("user_name"))
        .join(User, col(User.id) == col(ApiKey.user_id))
        .where(any_of(col(ApiKey.id), "keys", sqlite=sqlite), ~used)
    )
