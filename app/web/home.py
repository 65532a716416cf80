"""The home page: accounts, waiting invitations, and the ways out."""

from dataclasses import dataclass
from typing import ClassVar

from starlette.requests import Request
from starlette.responses import Response

from app.ids import wire_id
from app.permissions import AccountKind
from app.resolvers import accounts, invitations
from app.seats import Person, Seat
from app.web.dates import day
from app.web.pages import render
from app.web.viewers import visit_of


@dataclass(frozen=True, slots=True)
class WelcomePage:
    """For people who are not signed in."""

    template: ClassVar[str] = "welcome.html"


@dataclass(frozen=True, slots=True)
class AccountLine:
    """One account. `role` is empty for the personal one, where it says nothing."""

    name: str
    slug: str
    personal: bool
    role: str

    @classmethod
    def of(cls, seat: Seat) -> "AccountLine":
        """Show a seat."""
        personal = seat.kind is AccountKind.PERSONAL
        role = "" if personal or seat.role is None else seat.role.name.capitalize()
        return cls(seat.name, seat.slug, personal, role)


@dataclass(frozen=True, slots=True)
class InvitationLine:
    """One waiting invitation, answered by its id."""

    id: str
    organization: str
    inviter: str
    until: str


@dataclass(frozen=True, slots=True)
class HomePage:
    """For people who are signed in."""

    template: ClassVar[str] = "home.html"

    person: Person
    accounts: list[AccountLine]
    invitations: list[InvitationLine]
    sandbox: bool


async def home(request: Request) -> Response:
    """Show the viewer's accounts and invitations, or a welcome."""
    visit = await visit_of(request)
    if visit.person is None:
        return render(request, WelcomePage())
    seats = await accounts.list_accounts(visit.viewer)
    waiting = await invitations.pending_invitations(visit.viewer)
    page = HomePage(
        person=visit.person,
        accounts=[AccountLine.of(seat) for seat in seats],
        invitations=[
            InvitationLine(
                wire_id("invitation", row.id),
                row.organization_name,
                row.invited_by.name,
                day(row.expires_at),
            )
            for row in waiting
        ],
        sandbox=visit.viewer.settings.sandbox,
    )
    return render(request, page)
