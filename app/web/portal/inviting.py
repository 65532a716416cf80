"""Inviting: many addresses in one go, each with its own result; and the invitations that wait."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from starlette.requests import Request
from starlette.responses import Response

from app.errors import Invalid
from app.ids import id_of, wire_id
from app.models import InvitationStatus
from app.resolvers import accounts, invitations
from app.resolvers.invitations import InvitationRow, InviteOutcome
from app.web.forms import only
from app.web.portal.addresses import (
    Chip,
    addresses,
    chips,
    refused,
    summary,
    unfinished,
    without,
)
from app.web.portal.frame import Room, room_of
from app.web.portal.members import KEY
from app.web.portal.quotas import read_quota
from app.web.words import counted, quota_words

FORM = "members/invite_form.html"
ENTRY = "members/invite_entry.html"
CHIPS = "members/invite_chips.html"
LIST = "members/invitation_list.html"
ROWS = 50


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one address, in words."""

    email: str
    words: str
    sent: bool

    @classmethod
    def of(cls, outcome: InviteOutcome, own: str) -> "Outcome":
        """Say it; `own` is the address of who invites."""
        if outcome.code is not None:
            return cls(outcome.email, refused(outcome, own), sent=False)
        again = "was invited before: the new letter takes the place of the old one"
        return cls(outcome.email, again if outcome.again else "is invited", sent=True)


@dataclass(frozen=True, slots=True)
class InvitePage:
    """The form. After sending, `outcomes` says what became of each address, and `emails` keeps those to mend."""

    template: ClassVar[str] = "members/invite.html"

    path: str
    back: str
    default_quota: str
    emails: str = ""
    quota: str = ""
    error: str = ""
    quota_error: str = ""
    outcomes: tuple[Outcome, ...] = ()
    chips: Sequence[Chip] = ()
    said: str = ""
    """What is said of all chips together."""
    entering: bool = True
    """Whether the entry takes the focus."""


@dataclass(frozen=True, slots=True)
class InvitationLine:
    """An invitation that waits, or has run out."""

    row: InvitationRow
    id: str
    path: str
    quota: str
    run_out: bool


@dataclass(frozen=True, slots=True)
class InvitationsPage:
    """What waits, newest first."""

    template: ClassVar[str] = "members/invitations.html"

    lines: list[InvitationLine]
    total: int
    path: str
    first_path: str
    next_path: str


async def ask(request: Request) -> Response:
    """Show the form."""
    room = await room_of(request, KEY)
    return await room.page(await _form(room), part=FORM)


async def check(request: Request) -> Response:
    """Say of each address that stands in the form what would become of it; with `without`, take that one away."""
    room = await room_of(request, KEY)
    form = await room.form()
    text, away = form.get("emails", ""), form.get("without", "")
    if away:
        text = without(text, away)
    shown = await _checked(room, text)
    page = await _form(room, emails=text, quota=form.get("quota", ""), entering=not away, **shown)
    return await room.page(page, part=ENTRY if away else CHIPS)


async def _checked(room: Room, text: str) -> dict[str, Any]:
    emails = addresses(text)
    if not emails:
        return {}
    try:
        outcomes = await invitations.check_addresses(room.viewer, room.seat.account_id, emails)
    except Invalid as refusal:
        return {"said": refusal.detail}
    shown = chips(outcomes, unfinished(text), room.viewer.person.email_folded)
    return {"chips": shown, "said": summary(shown)}


async def _form(room: Room, **given: Any) -> InvitePage:
    quota = await accounts.default_quota(room.viewer, room.seat.account_id)
    return InvitePage(
        path=room.path("management/members/invite"),
        back=room.path("management/members"),
        default_quota=quota_words(quota),
        **given,
    )


async def invite(request: Request) -> Response:
    """Invite; who could not be stays in the form with the reason."""
    room = await room_of(request, KEY)
    form = await room.form()
    text, typed = form.get("emails", ""), form.get("quota", "").strip()
    emails = addresses(text)
    try:
        quota = read_quota(typed) if typed else None
        outcomes = await invitations.invite_members(
            room.viewer, room.seat.account_id, emails, quota
        )
    except Invalid as refusal:
        of_quota = any(one["field"] == "quota" for one in refusal.fields)
        errors = {"quota_error" if of_quota else "error": refusal.detail}
        shown = {} if "error" in errors else await _checked(room, text)
        page = await _form(room, emails=text, quota=typed, **errors, **shown)
        return await room.page(page, part=FORM, status=refusal.status)
    said = tuple(Outcome.of(one, room.viewer.person.email_folded) for one in outcomes)
    refused = [one.email for one in said if not one.sent]
    if not refused and not any(one.again for one in outcomes):
        sentence = f"{counted(len(said), 'invitation')} sent."
        return room.done(sentence, to=room.path("management/members"))
    page = await _form(room, emails="\n".join(refused), quota=typed, outcomes=said)
    return await room.page(page, part=FORM)


async def waiting(request: Request) -> Response:
    """List the invitations that nobody has answered."""
    room = await room_of(request, KEY)
    account_id = room.seat.account_id
    after = only(request.query_params, "after")
    page = await invitations.list_invitations(room.viewer, account_id, ROWS, after)
    path = room.path("management/members/invitations")
    end = page.cursor(len(page.rows) - 1) if page.has_next else ""
    shown = InvitationsPage(
        lines=[_line(room, row) for row in page.rows],
        total=await invitations.count_invitations(room.viewer, account_id),
        path=f"{path}?after={after}" if after else path,
        first_path=path if page.has_previous else "",
        next_path=f"{path}?after={end}" if end else "",
    )
    return await room.page(shown, part=LIST)


def _line(room: Room, row: InvitationRow) -> InvitationLine:
    invitation_id = wire_id("invitation", row.id)
    path = room.path("management/members/invitations", invitation_id)
    quota = "default quota" if row.quota is None else quota_words(row.quota)
    run_out = row.status is InvitationStatus.EXPIRED
    return InvitationLine(row, invitation_id, path, quota, run_out)


async def resend(request: Request) -> Response:
    """Send a new letter."""
    room = await room_of(request, KEY)
    await room.form()
    invitation_id = id_of("invitation", request.path_params["invitation"])
    await invitations.resend_invitation(room.viewer, invitation_id)
    row = await invitations.invitation(room.viewer, invitation_id)
    sentence = f"A new letter is on its way to {row.email}. The link in the old one has ended."
    return room.done(sentence, to=room.path("management/members/invitations"))


async def revoke(request: Request) -> Response:
    """End an invitation."""
    room = await room_of(request, KEY)
    await room.form()
    invitation_id = id_of("invitation", request.path_params["invitation"])
    await invitations.revoke_invitation(room.viewer, invitation_id)
    row = await invitations.invitation(room.viewer, invitation_id)
    sentence = f"The invitation of {row.email} is revoked. Its link has ended."
    return room.done(sentence, to=room.path("management/members/invitations"))
