"""The demo: people, an organization with quotas, waiting invitations and a month of usage, all made through the real verbs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlmodel import col

from app.database import Database
from app.demo_history import bring_history, is_unfinished
from app.integrations.identity import Identity
from app.models import AuditActorKind, User
from app.money import DISABLED, MICRO, UNLIMITED
from app.permissions import Role
from app.resolvers import accounts, invitations, members, organizations, sessions
from app.sandbox.people import subject_of
from app.seats import Viewer
from app.settings import Settings

ACME = "Acme Inc."
OTHER = "Northwind Labs"
DEFAULT_QUOTA = 50 * MICRO


@dataclass(frozen=True, slots=True)
class DemoPerson:
    """A person of the demo. `quota` in micro-credits; None for the organization's default one."""

    name: str
    email: str
    role: Role = Role.MEMBER
    quota: int | None = None


PEOPLE = (
    DemoPerson("Jane Miller", "jane@acme.example", Role.OWNER),
    DemoPerson("Adam Osei", "adam@acme.example", Role.ADMIN, 400 * MICRO),
    DemoPerson("Priya Raman", "priya@acme.example", Role.ADMIN, UNLIMITED),
    DemoPerson("Tomás Herrera", "tomas@acme.example", quota=120 * MICRO),
    DemoPerson("Yuki Tanaka", "yuki@acme.example", quota=UNLIMITED),
    DemoPerson("Lena Vogt", "lena@acme.example", quota=DISABLED),
    DemoPerson("Chidi Eze", "chidi@acme.example", quota=75 * MICRO),
    DemoPerson("Marta Kowalska", "marta@acme.example"),
    DemoPerson("Oluwaseun Adeyemi", "seun@acme.example", quota=20 * MICRO),
    DemoPerson("Ingrid Sørensen", "ingrid@acme.example", quota=12_500_000),
)
WAITING = ("noor@acme.example", "viktor@acme.example", "contractor@studio.example")


async def is_wanted(database: Database, settings: Settings) -> bool:
    """Tell whether nobody has signed in yet, or the demo's usage was begun and not brought to its end."""
    if await database.row(select(col(User.id)).limit(1)) is None:
        return True
    return await is_unfinished(Viewer(database, settings, kind=AuditActorKind.OPERATOR))


async def make_demo(
    database: Database,
    settings: Settings,
    told: Callable[[int, int], None] = lambda _done, _of: None,
    calls: int | None = None,
) -> bool:
    """Make the demo unless it is there; tell whether anything was made. May be stopped and run again.

    `calls`: how many of the trace's calls to bring in, None for all; `told` hears how many are.
    """
    viewers = [await _person(database, settings, person) for person in PEOPLE]
    made = await _make_organizations(viewers)
    people = {
        person.email: (viewer, _quota_of(person))
        for person, viewer in zip(PEOPLE, viewers, strict=True)
    }
    names = {seat.name: seat.account_id for seat in await accounts.list_accounts(viewers[0])}
    return await bring_history(people, names[ACME], told, calls) or made


def _quota_of(person: DemoPerson) -> int:
    if person.role is Role.OWNER:
        return UNLIMITED
    return DEFAULT_QUOTA if person.quota is None else person.quota


async def _make_organizations(viewers: Sequence[Viewer]) -> bool:
    jane, adam = viewers[0], viewers[1]
    names = {seat.name: seat.account_id for seat in await accounts.list_accounts(jane)}
    acme = names.get(ACME)
    complete = acme is not None and await invitations.count_invitations(jane, acme) > 0
    if complete:
        return False
    if acme is None:
        acme = await organizations.create_organization(jane, ACME)
        await organizations.set_default_quota(jane, acme, DEFAULT_QUOTA)
    for person, viewer in zip(PEOPLE[1:], viewers[1:], strict=True):
        await _join(jane, acme, person, viewer)
    if OTHER not in {seat.name for seat in await accounts.list_accounts(adam)}:
        northwind = await organizations.create_organization(adam, OTHER)
        await _join(adam, northwind, PEOPLE[0], jane)
    await invitations.invite_members(jane, acme, list(WAITING))
    return True


async def _person(database: Database, settings: Settings, person: DemoPerson) -> Viewer:
    """Take a person in under the name that the sandbox's issuer gives them, so that they can sign in."""
    identity = Identity(
        issuer=settings.oidc_issuer,
        subject=subject_of(person.email),
        email=person.email,
        email_verified=True,
        name=person.name,
        picture_url=None,
    )
    nobody = Viewer(database, settings, kind=AuditActorKind.SYSTEM)
    user = await sessions.recognise(nobody, identity)
    return Viewer(database, settings, user=user)


async def _join(owner: Viewer, account_id: UUID, person: DemoPerson, viewer: Viewer) -> None:
    if account_id in {seat.account_id for seat in await accounts.list_accounts(viewer)}:
        return
    outcomes = await invitations.invite_members(owner, account_id, [person.email])
    await invitations.accept_invitation(viewer, invitation_id=outcomes[0].invitation_id)
    seat = await accounts.account(Viewer(owner.database, owner.settings, viewer.user), account_id)
    if seat.member_id is None:
        return
    if person.role is Role.ADMIN:
        await members.set_member_role(owner, seat.member_id, Role.ADMIN)
    if person.quota is not None:
        await members.set_member_quota(owner, seat.member_id, person.quota)
