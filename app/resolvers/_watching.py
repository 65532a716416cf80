"""Watching: who is written to about an account's credits."""

from collections.abc import Collection, Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlmodel import col

from app.access import Viewer
from app.database import AnySelect
from app.models import Member, User
from app.permissions import Permission, roles_with


def watchers(account_ids: Collection[UUID]) -> AnySelect:
    """Select the verified e-mails of those who see an account's billing: Owner and Admins, or the person themselves."""
    return (
        select(col(Member.account_id), col(User.email))
        .join_from(Member, User, col(User.id) == col(Member.user_id))
        .where(
            col(Member.account_id).in_(account_ids),
            col(Member.ended_at).is_(None),
            col(Member.role).in_(roles_with(Permission.VIEW_BILLING)),
            col(User.email_verified),
        )
        .order_by(col(Member.role).desc(), col(User.email))
    )


async def watching(viewer: Viewer, account_ids: Collection[UUID]) -> dict[UUID, list[str]]:
    """Give the e-mails that `watchers` selects, by account."""
    if not account_ids:
        return {}
    return by_account(await viewer.database.rows(watchers(account_ids)))


def by_account(rows: Iterable[Any]) -> dict[UUID, list[str]]:
    """Gather rows of (account, e-mail)."""
    found: dict[UUID, list[str]] = {}
    for account_id, email in rows:
        found.setdefault(account_id, []).append(email)
    return found
