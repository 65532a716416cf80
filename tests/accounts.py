"""Accounts as plain rows, for tests of what lies below the verbs."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlmodel import col

from app.database import Database
from app.models import Account
from app.permissions import AccountKind

AT = datetime(2026, 11, 24, 12, 30, 15, 123456, tzinfo=UTC)


def account(slug: str = "acme", **given: Any) -> Account:
    return Account(
        **{"kind": AccountKind.ORGANIZATION, "name": "Acme", "slug": slug, "created_at": AT} | given
    )


async def names(database: Database) -> list[str]:
    return [row.name for row in await database.rows(select(col(Account.name)))]
