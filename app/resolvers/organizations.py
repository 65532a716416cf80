"""Organizations: founding, naming, handing over, leaving, dissolving."""

import secrets
from uuid import UUID

from slugify import slugify
from sqlalchemy import select, update
from sqlmodel import col

from app.access import Actor, Viewer, signed_in, signed_in_writes, writes
from app.actors import picture
from app.database import insert_or_ignore, locked, now
from app.errors import Invalid, NegativeBalance, NotFound, OwnerMustTransfer
from app.ledger.posting import movement, plan, write
from app.ledger.wallets import WalletState, load_wallets, open_wallet
from app.models import Account, Invitation, LedgerKind, Member
from app.money import UNLIMITED, credits_text
from app.permissions import AccountKind, Permission, Role
from app.resolvers._endings import end_keys_of_account, end_membership, revoke_invitations
from app.resolvers._people import new_member
from app.resolvers._room import lock_person, must_have_room_for_organization
from app.text import clean_name

SLUG_LENGTH = 48
SLUG_SUFFIX_BYTES = 3
SLUG_TRIES = 20


@signed_in_writes
async def create_organization(actor: Actor, name: str) -> UUID:
    """Found an organization with the viewer as its Owner; tells the account's id.

    Raises `Invalid`, `EmailNotVerified`, `CapReached`.
    """
    name = clean_name(name)
    actor.must_be_verified()
    user = await lock_person(actor)
    await must_have_room_for_organization(actor)
    account = await _insert_account(actor, name)
    await open_wallet(actor.session, account.id)
    actor.session.add(new_member(account.id, user, Role.OWNER, UNLIMITED, actor))
    actor.record(account, name=name, account_id=account.id, after=picture(account))
    return account.id


async def _insert_account(actor: Actor, name: str) -> Account:
    """Insert under the first free slug: that of the name, else with a random ending."""
    base = slug = _slug(name)
    for _try in range(SLUG_TRIES):
        account = Account(kind=AccountKind.ORGANIZATION, name=name, slug=slug, created_at=actor.now)
        if await insert_or_ignore(actor.session, account, ("slug",)):
            statement = select(Account).where(col(Account.id) == account.id)
            stored: Account = (await actor.session.execute(statement)).scalar_one()
            return stored
        slug = f"{base}-{secrets.token_hex(SLUG_SUFFIX_BYTES)}"
    raise RuntimeError("no free slug was found")


def _slug(name: str) -> str:
    return slugify(name, max_length=SLUG_LENGTH, word_boundary=True) or "organization"


@signed_in
async def slug_for(viewer: Viewer, name: str) -> tuple[str, bool]:
    """Tell the slug of an organization of this name, and whether it is free; else an ending is added. Raises `Invalid`."""
    slug = _slug(clean_name(name))
    statement = select(col(Account.id)).where(col(Account.slug) == slug)
    return slug, await viewer.database.row(statement) is None


def _name_makes_sense(_viewer: Viewer, name: str) -> None:
    clean_name(name)


@writes(Permission.MANAGE_SETTINGS, on=Account, check=_name_makes_sense)
async def rename_organization(actor: Actor, account: Account, name: str) -> UUID:
    """Change the name; the slug stays, so that links go on working. Raises `Invalid`."""
    del actor
    account.name = clean_name(name)
    return account.id


@writes(Permission.MANAGE_QUOTAS, on=Account)
async def set_default_quota(actor: Actor, account: Account, quota: int) -> UUID:
    """Set the quota that people get when they join from now on; nobody's present quota moves."""
    del actor
    account.default_quota = quota
    return account.id


@writes(Permission.TRANSFER_OWNERSHIP, on=Account, fresh=True)
async def transfer_ownership(actor: Actor, account: Account, member_id: UUID) -> UUID:
    """Make a member the Owner and the Owner an Admin, in one step. Raises `NotFound`, `Invalid`."""
    if member_id == actor.place.member_id:
        raise Invalid(memberId="You are the Owner already.")
    old = await _present(actor, account, actor.place.member_id)
    new = await _present(actor, account, member_id)
    before = picture(old), picture(new)
    # The old Owner first: the unique index knows no moment with two.
    for member, role in ((old, Role.ADMIN), (new, Role.OWNER)):
        member.role = role
        await actor.session.flush()
    for member, was in zip((old, new), before, strict=True):
        await actor.record_change(member, was)
    return account.id


async def _present(actor: Actor, account: Account, member_id: UUID | None) -> Member:
    statement = select(Member).where(
        col(Member.id) == member_id,
        col(Member.account_id) == account.id,
        col(Member.ended_at).is_(None),
    )
    member: Member | None = (await actor.session.execute(locked(statement))).scalar_one_or_none()
    if member is None:
        raise NotFound
    return member


@writes(Permission.LEAVE_ORGANIZATION, on=Account)
async def leave_organization(actor: Actor, account: Account) -> UUID:
    """End one's own membership. Raises `OwnerMustTransfer` for the Owner."""
    if actor.rank is Role.OWNER:
        raise OwnerMustTransfer
    member = await _present(actor, account, actor.place.member_id)
    before = picture(member)
    await end_membership(actor, member)
    await actor.record_change(member, before)
    return account.id


@writes(Permission.DISSOLVE_ORGANIZATION, on=Account, fresh=True)
async def dissolve_organization(
    actor: Actor, account: Account, confirm_name: str, waive: int | None = None
) -> UUID:
    """End an organization for ever, with its memberships, keys and invitations; the rows stay, marked.

    `confirm_name` has to be the organization's name, `waive` the credits (micro) that are left, which
    go to the ledger account `dissolved`; what open holds still settle is borne by it too.
    Raises `NegativeBalance`, `Invalid`.
    """
    wallet = (await load_wallets(actor.session, [account.id]))[account.id]
    left = wallet.balance_micro
    if left < 0:
        raise NegativeBalance
    if confirm_name.strip() != account.name:
        raise Invalid(confirmName=f"Type the organization's name exactly: {account.name}")
    if (waive or 0) != left:
        raise Invalid(waive=f"Waive exactly what is left: {credits_text(left)} credits.")
    # From here on nothing may refuse.
    await _close_wallet(actor, account, wallet)
    await end_keys_of_account(actor, account.id)
    await revoke_invitations(actor, col(Invitation.account_id) == account.id)
    account.dissolved_at = actor.now
    await actor.session.execute(
        update(Member)
        .where(col(Member.account_id) == account.id, col(Member.ended_at).is_(None))
        .values(ended_at=actor.now)
    )
    return account.id


async def _close_wallet(actor: Actor, account: Account, wallet: WalletState) -> None:
    left = wallet.balance_micro
    rest = movement(
        wallet,
        LedgerKind.DISSOLUTION,
        left,
        source=f"dissolution:{account.id}",
        description="Waived when the organization was dissolved",
        actor_id=actor.user.id,
    )
    if rest is not None:
        before, after = {"credits": credits_text(left)}, {"credits": credits_text(0)}
        actor.record(account, name=account.name, before=before, after=after, action="waive_credits")
    at = (await actor.session.execute(select(now()))).scalar_one()
    postings = plan([rest] if rest is not None else [], at)
    wallet.dissolved_at = actor.now
    postings.wallets[account.id] = wallet
    await write(actor.session, postings)
