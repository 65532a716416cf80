"""Which account a call is about: facts that never change, so that they may be remembered.

Whether a key, token or hold still counts is no such fact: that is read anew, under the wallet's lock.
"""

from collections.abc import Collection
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from sqlalchemy import select
from sqlmodel import col

from app.database import Connection, of_sqlite
from app.dialects import any_of
from app.models.keys import ApiKey, KeySecret
from app.models.metering import Hold

MOST = 200_000
K = TypeVar("K")
V = TypeVar("V")


class KeyRoute(NamedTuple):
    """Whose key it is."""

    api_key_id: UUID
    member_id: UUID
    account_id: UUID


class Routes:
    """Remembers, in bounded memory, which key a secret stands for, and which account a hold or key is of."""

    def __init__(self) -> None:
        self.of_secret: dict[bytes, KeyRoute] = {}
        self.of_key: dict[UUID, KeyRoute] = {}
        self.of_hold: dict[UUID, UUID] = {}

    async def learn(
        self,
        connection: Connection,
        secrets: Collection[bytes],
        keys: Collection[UUID],
        holds: Collection[UUID],
    ) -> None:
        """Look up those that are not known; what does not exist stays unknown."""
        sqlite = of_sqlite(connection)
        if new_secrets := [one for one in secrets if one not in self.of_secret]:
            rows = await connection.execute(_secrets(sqlite=sqlite), {"wanted": new_secrets})
            for row in rows.all():
                _remember(self.of_secret, row[0], KeyRoute(*row[1:]))
        if new_keys := [one for one in keys if one not in self.of_key]:
            rows = await connection.execute(_keys(sqlite=sqlite), {"wanted": new_keys})
            for row in rows.all():
                _remember(self.of_key, row[0], KeyRoute(*row))
        if new_holds := [one for one in holds if one not in self.of_hold]:
            rows = await connection.execute(_holds(sqlite=sqlite), {"wanted": new_holds})
            for row in rows.all():
                _remember(self.of_hold, row[0], row[1])

    def remember_hold(self, hold_id: UUID, account_id: UUID) -> None:
        """Remember a hold that has been committed."""
        _remember(self.of_hold, hold_id, account_id)


def _remember(known: dict[K, V], key: K, value: V) -> None:
    if len(known) >= MOST:
        # The oldest go first: a dict keeps the order of coming.
        for old in list(known)[: MOST // 10]:
            del known[old]
    known[key] = value


@lru_cache
def _secrets(*, sqlite: bool) -> Any:
    return (
        select(
            col(KeySecret.secret_hash),
            col(ApiKey.id),
            col(ApiKey.member_id),
            col(ApiKey.account_id),
        )
        .join_from(KeySecret, ApiKey, col(ApiKey.id) == col(KeySecret.api_key_id))
        .where(any_of(col(KeySecret.secret_hash), "wanted", sqlite=sqlite))
    )


@lru_cache
def _keys(*, sqlite: bool) -> Any:
    return select(col(ApiKey.id), col(ApiKey.member_id), col(ApiKey.account_id)).where(
        any_of(col(ApiKey.id), "wanted", sqlite=sqlite)
    )


@lru_cache
def _holds(*, sqlite: bool) -> Any:
    return select(col(Hold.id), col(Hold.account_id)).where(
        any_of(col(Hold.id), "wanted", sqlite=sqlite)
    )
