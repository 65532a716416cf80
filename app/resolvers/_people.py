"""People as the identity provider names them: taken in at sign-in, kept in step afterwards."""

import secrets
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlmodel import col

from app.actors import Actor, changes, picture
from app.database import Session, insert_or_ignore, locked
from app.integrations.identity import Identity
from app.ledger.wallets import open_wallet
from app.models import Account, Member, User
from app.money import UNLIMITED
from app.permissions import AccountKind, Role
from app.seats import person_from
from app.text import fold, fold_email

SLUG_BYTES = 8


def folded_name(name: str) -> str:
    """Fold a name to what a membership keeps for search and order."""
    return fold(name)[:200]


async def personal_account_of(session: Session, user_id: UUID) -> Account:
    """Find a person's own account."""
    statement = (
        select(Account)
        .join(Member, col(Member.account_id) == col(Account.id))
        .where(col(Member.user_id) == user_id, col(Account.kind) == AccountKind.PERSONAL)
    )
    account: Account = (await session.execute(statement)).scalar_one()
    return account


async def take_in(actor: Actor, identity: Identity) -> User:
    """Find or make the person that an identity names, with name and e-mail as the provider has them now."""
    facts: dict[str, Any] = {
        "email": identity.email,
        "email_folded": fold_email(identity.email),
        "email_verified": identity.email_verified,
        "name": identity.name,
        "picture_url": identity.picture_url,
    }
    fresh = User(issuer=identity.issuer, subject=identity.subject, created_at=actor.now, **facts)
    made = await insert_or_ignore(actor.session, fresh, ("issuer", "subject"))
    statement = select(User).where(
        col(User.issuer) == identity.issuer, col(User.subject) == identity.subject
    )
    user: User = (await actor.session.execute(locked(statement))).scalar_one()
    if made:
        await _open_personal_account(actor, user)
    else:
        await _keep_in_step(actor, user, facts)
    actor.viewer.user = person_from(user)
    return user


async def _open_personal_account(actor: Actor, user: User) -> None:
    account = Account(
        kind=AccountKind.PERSONAL,
        name=user.name,
        slug=f"u-{secrets.token_hex(SLUG_BYTES)}",
        created_at=actor.now,
    )
    actor.session.add(account)
    await actor.session.flush()
    await open_wallet(actor.session, account.id)
    actor.session.add(new_member(account.id, user, Role.OWNER, UNLIMITED, actor))
    actor.viewer.user = person_from(user)
    actor.record(
        account,
        name=user.name,
        account_id=account.id,
        action="create_personal_account",
        after={"name": user.name, "email": user.email},
    )


async def _keep_in_step(actor: Actor, user: User, facts: dict[str, object]) -> None:
    before = picture(user)
    for name, value in facts.items():
        setattr(user, name, value)
    old, new = changes(before, picture(user))
    if not new:
        return
    await actor.session.execute(
        update(Member)
        .where(col(Member.user_id) == user.id)
        .values(name_folded=folded_name(user.name), email_folded=user.email_folded)
    )
    account = await personal_account_of(actor.session, user.id)
    account.name = user.name
    actor.viewer.user = person_from(user)
    actor.record(
        user, name=user.name, account_id=account.id, action="update_profile", before=old, after=new
    )


def new_member(account_id: UUID, user: User, role: Role, quota: int, actor: Actor) -> Member:
    """Make a membership row."""
    return Member(
        account_id=account_id,
        user_id=user.id,
        role=role,
        quota=quota,
        joined_at=actor.now,
        name_folded=folded_name(user.name),
        email_folded=user.email_folded,
    )
