"""Invitations: a letter's link shows what it is about and changes nothing; answering is a form."""

from dataclasses import dataclass
from typing import ClassVar, TypedDict
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from app.errors import EmailNotVerified, InvitationEmailMismatch, Refusal
from app.ids import id_of, read_wire_id
from app.models import InvitationStatus
from app.resolvers import accounts, invitations
from app.resolvers.invitations import InvitationRow
from app.seats import Person
from app.text import fold_email
from app.web.edge import edge_of
from app.web.flashes import set_flash
from app.web.forms import read_form
from app.web.pages import here, render
from app.web.return_paths import HOME, own_path, sign_in_path
from app.web.sign_in import see_other
from app.web.viewers import Visit, visit_of
from app.web.words import day, stopped

ENDED = {
    InvitationStatus.ACCEPTED: "This invitation has been accepted already.",
    InvitationStatus.DECLINED: "This invitation has been declined.",
    InvitationStatus.REVOKED: "This invitation has been taken back. Ask for a new one.",
    InvitationStatus.EXPIRED: "This invitation has run out. Ask for a new one.",
}


class _Which(TypedDict, total=False):
    """How an invitation is named: by its letter's token, or by its id."""

    token: str
    invitation_id: UUID


@dataclass(frozen=True, slots=True)
class InvitationPage:
    """One invitation. `ended` and `obstacle` say why the viewer cannot answer it; empty where they can."""

    template: ClassVar[str] = "invitation.html"

    path: str
    organization: str
    inviter: str
    email: str
    until: str
    ended: str
    obstacle: str
    person: Person | None
    sign_in_path: str


async def show(request: Request) -> Response:
    """Show an invitation, to the signed-out too. Changes nothing. Raises `NotFound`."""
    visit = await visit_of(request)
    row = await _row(visit, request.path_params["token"])
    return _page(request, visit, row, _obstacle(visit.person, row))


async def accept(request: Request) -> Response:
    """Join the organization."""
    return await _answer(request, accepts=True)


async def decline(request: Request) -> Response:
    """Say no."""
    return await _answer(request, accepts=False)


async def _answer(request: Request, *, accepts: bool) -> Response:
    """Answer by a plain form; the signed-out are led to sign in and back."""
    visit = await visit_of(request)
    token = request.path_params["token"]
    if visit.person is None:
        return see_other(sign_in_path(f"/invitations/{token}"))
    form = await read_form(request, visit)
    invitation_id = _id_in(token)
    which: _Which = {"token": token} if invitation_id is None else {"invitation_id": invitation_id}
    try:
        if accepts:
            account_id = await invitations.accept_invitation(visit.viewer, **which)
            return await _joined(visit, account_id)
        await invitations.decline_invitation(visit.viewer, **which)
    except (InvitationEmailMismatch, EmailNotVerified) as refusal:
        row = await _row(visit, token)
        return _page(request, visit, row, refusal.detail, refusal=refusal)
    response = see_other(own_path(form.get("back", HOME)))
    set_flash(visit.viewer.settings, response, "The invitation is declined.")
    return response


async def _joined(visit: Visit, account_id: UUID) -> Response:
    seat = await accounts.account(visit.viewer, account_id)
    response = see_other(f"/a/{seat.slug}")
    set_flash(visit.viewer.settings, response, f"You have joined {stopped(seat.name)}")
    return response


def _id_in(token: str) -> UUID | None:
    """Read an invitation's id, by which its person answers without the letter; None for a letter's token."""
    return id_of("invitation", token) if read_wire_id(token) is not None else None


async def _row(visit: Visit, token: str) -> InvitationRow:
    invitation_id = _id_in(token)
    if invitation_id is None:
        return await invitations.invitation_of_token(visit.viewer, token)
    return await invitations.own_invitation(visit.viewer, invitation_id)


def _obstacle(person: Person | None, row: InvitationRow) -> str:
    if person is None:
        return ""
    if person.email_folded != fold_email(row.email):
        return InvitationEmailMismatch.says
    return "" if person.email_verified else EmailNotVerified.says


def _page(
    request: Request,
    visit: Visit,
    row: InvitationRow,
    obstacle: str,
    *,
    refusal: Refusal | None = None,
) -> Response:
    # The address of this page is a secret: no cache may keep what it shows.
    edge_of(request).private = True
    path = f"/invitations/{request.path_params['token']}"
    page = InvitationPage(
        path=path,
        organization=row.organization_name,
        inviter=row.invited_by.name,
        email=row.email,
        until=day(row.expires_at),
        ended=ENDED.get(row.status, ""),
        obstacle=obstacle,
        person=visit.person,
        sign_in_path=sign_in_path(path) if refusal else sign_in_path(here(request)),
    )
    return render(request, page, status=refusal.status if refusal else 200)
