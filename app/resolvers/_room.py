"""Room: the caps of PRODUCT.md on how many there may be, counted under the lock that keeps them."""

from uuid import UUID

from sqlalchemy import Select, func, select
from sqlmodel import col

from app.access import Actor
from app.database import locked
from app.errors import CapReached
from app.models import Account, Invitation, InvitationStatus, Member, User
from app.permissions import AccountKind


async def lock_person(actor: Actor) -> User:
    """Lock the viewer's own row, so that their memberships are counted one after the other."""
    statement = select(User).where(col(User.id) == actor.user.id)
    user: User = (await actor.session.execute(locked(statement))).scalar_one()
    return user


async def must_have_room_for_organization(actor: Actor) -> None:
    """Refuse one more organization than a user may have; their row is locked. Raises `CapReached`."""
    cap = actor.settings.organization_cap
    statement = (
        select(func.count())
        .select_from(Member)
        .join(Account, col(Account.id) == col(Member.account_id))
        .where(
            col(Member.user_id) == actor.user.id,
            col(Member.ended_at).is_(None),
            col(Account.kind) == AccountKind.ORGANIZATION,
        )
    )
    if (await actor.session.execute(statement)).scalar_one() >= cap:
        raise CapReached(f"You are in {cap} organizations, which is the most.", cap="organizations")


def count_members(account_id: UUID) -> Select[int]:
    """Select the number of present members."""
    return (
        select(func.count())
        .select_from(Member)
        .where(col(Member.account_id) == account_id, col(Member.ended_at).is_(None))
    )


def count_waiting(account_id: UUID) -> Select[int]:
    """Select the number of waiting invitations."""
    return (
        select(func.count())
        .select_from(Invitation)
        .where(
            col(Invitation.account_id) == account_id,
            col(Invitation.status) == InvitationStatus.PENDING,
        )
    )


async def members_of(actor: Actor, account_id: UUID) -> int:
    """Count present members; the account's row is locked."""
    count: int = (await actor.session.execute(count_members(account_id))).scalar_one()
    return count


async def waiting_of(actor: Actor, account_id: UUID) -> int:
    """Count waiting invitations; the account's row is locked."""
    count: int = (await actor.session.execute(count_waiting(account_id))).scalar_one()
    return count
