"""Organization Profile: what it is, and how one renames, leaves, hands over or dissolves it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from starlette.requests import Request
from starlette.responses import Response

from app.errors import Invalid, NegativeBalance, ReauthenticationRequired
from app.ids import id_of, wire_id
from app.money import credits_text, parse_credits
from app.resolvers import (
    accounts,
    api_keys,
    balances,
    invitations,
    management_keys,
    members,
    organizations,
)
from app.resolvers.members import MemberQuery, MemberRow
from app.web.flashes import set_flash
from app.web.forms import only
from app.web.portal.bars import role_word
from app.web.portal.confirming import CONFIRM_FORM, ConfirmPage
from app.web.portal.entries import errors_of
from app.web.portal.frame import Room, room_of
from app.web.portal.fresh import ask_to_sign_in, is_fresh_in
from app.web.sign_in import see_other
from app.web.words import counted, stopped

SECTION = "profile"
GLANCE, FOUND = 8, 20
TITLE = "Organization Profile"


@dataclass(frozen=True, slots=True)
class ProfilePage:
    """An organization at a glance. `glance` is empty for those who may not see members."""

    template: ClassVar[str] = "profile/page.html"

    id: str
    role: str
    owner: MemberRow
    count: int
    glance: list[MemberRow]
    joined_at: datetime
    now: datetime
    may_rename: bool
    may_invite: bool
    may_leave: bool
    is_owner: bool


@dataclass(frozen=True, slots=True)
class RenamePage:
    """The form of the name."""

    template: ClassVar[str] = "dialog.html"
    title: ClassVar[str] = TITLE
    form: ClassVar[str] = "profile/rename.html"

    name: str
    error: str = ""


@dataclass(frozen=True, slots=True)
class TransferPage:
    """Whom to hand over to: found by name or e-mail."""

    template: ClassVar[str] = "profile/transfer.html"

    search: str
    found: list[MemberRow]
    more: bool
    error: str = ""


@dataclass(frozen=True, slots=True)
class DissolvePage:
    """What dissolving ends, and what has to be typed. `credits` is the balance in micro-credits."""

    template: ClassVar[str] = "profile/dissolve.html"

    credits: int
    members: int
    keys: int
    management_keys: int
    waiting: int
    exact: str
    values: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    obstacle: str = ""


async def show(request: Request) -> Response:
    """Show the organization."""
    room = await room_of(request, SECTION)
    viewer, seat = room.viewer, room.seat
    glance = []
    if room.can(members.list_members):
        asked = MemberQuery(first=GLANCE, usage=False)
        glance = list((await members.list_members(viewer, seat.account_id, asked)).rows)
    page = ProfilePage(
        id=wire_id("account", seat.account_id),
        role=role_word(seat),
        owner=await members.owner(viewer, seat.account_id),
        count=await members.member_count(viewer, seat.account_id),
        glance=glance,
        joined_at=seat.joined_at,
        now=seat.now,
        may_rename=room.can(organizations.rename_organization),
        may_invite=room.can(invitations.invite_members),
        may_leave=room.can(organizations.leave_organization),
        is_owner=room.can(organizations.transfer_ownership),
    )
    return await room.page(page)


async def ask_rename(request: Request) -> Response:
    """Show the form of the name."""
    room = await room_of(request, SECTION)
    room.must(organizations.rename_organization)
    return await room.page(RenamePage(room.seat.name), part=RenamePage.form)


async def rename(request: Request) -> Response:
    """Change the name."""
    room = await room_of(request, SECTION)
    name = (await room.form()).get("name", "")
    try:
        await organizations.rename_organization(room.viewer, room.seat.account_id, name)
    except Invalid as refusal:
        page = RenamePage(name, refusal.detail)
        return await room.page(page, part=RenamePage.form, status=refusal.status)
    return room.done("The organization has its new name. Its address stays.", to=room.path(SECTION))


async def ask_leave(request: Request) -> Response:
    """Ask before one leaves."""
    room = await room_of(request, SECTION)
    room.must(organizations.leave_organization)
    keys = await api_keys.count_api_keys(room.viewer, room.seat.account_id, live=True)
    page = ConfirmPage(
        title=f"Leave {room.seat.name}",
        sentence="You lose your place here at once.",
        label="Leave",
        action=room.path(SECTION, "leave"),
        back=room.path(SECTION),
        consequences=_losses(keys, manages=room.can(management_keys.list_management_keys)),
        danger=True,
    )
    return await room.page(page, part=CONFIRM_FORM)


def _losses(keys: int, *, manages: bool) -> list[str]:
    stop = f"Your {counted(keys, 'key')} here stop{'s' if keys == 1 else ''} at once"
    mine = stop if keys else "You have no keys here that would stop"
    ended = ["Management keys that you made and invitations that you sent end as well."]
    return [
        f"{mine}; calls that run now may still settle.",
        *(ended if manages else []),
        "What you used stays in the organization's reports.",
        "To come back you need a new invitation; the old keys stay dead.",
    ]


async def leave(request: Request) -> Response:
    """Leave, for the personal account."""
    room = await room_of(request, SECTION)
    await room.form()
    await organizations.leave_organization(room.viewer, room.seat.account_id)
    return await _gone(room, f"You have left {stopped(room.seat.name)}")


async def _gone(room: Room, sentence: str) -> Response:
    home = (await accounts.list_accounts(room.viewer))[0]
    path = f"/a/{home.slug}"
    if room.partial:
        response = Response(status_code=204, headers={"HX-Redirect": path})
    else:
        response = see_other(path)
    set_flash(room.viewer.settings, response, sentence)
    return response


async def ask_transfer(request: Request) -> Response:
    """Ask to whom the organization goes."""
    room = await room_of(request, SECTION)
    room.must(organizations.transfer_ownership)
    here = room.path(SECTION, "transfer")
    if not is_fresh_in(room):
        return await ask_to_sign_in(room, "Transfer ownership", room.path(SECTION), here)
    search = only(request.query_params, "search") or ""
    return await _transfer_page(room, search)


async def _transfer_page(room: Room, search: str, error: str = "", status: int = 200) -> Response:
    asked = MemberQuery(search=search or None, first=FOUND, usage=False)
    try:
        found = await members.list_members(room.viewer, room.seat.account_id, asked)
    except Invalid as refusal:
        page = TransferPage(search, [], more=False, error=refusal.detail)
        return await room.page(page, part="profile/successors.html", status=refusal.status)
    others = [one for one in found.rows if one.id != room.seat.member_id]
    page = TransferPage(search, others, found.has_next, error)
    return await room.page(page, part="profile/successors.html", status=status)


async def transfer(request: Request) -> Response:
    """Hand the organization over."""
    room = await room_of(request, SECTION)
    form = await room.form()
    here = room.path(SECTION, "transfer")
    if not form.get("member"):
        return await _transfer_page(
            room, form.get("search", ""), "Choose who becomes the Owner.", 422
        )
    try:
        member_id = id_of("member", form["member"])
        await organizations.transfer_ownership(room.viewer, room.seat.account_id, member_id)
    except ReauthenticationRequired:
        return await ask_to_sign_in(room, "Transfer ownership", room.path(SECTION), here)
    return room.done("The ownership is transferred. You are an Admin now.", to=room.path(SECTION))


async def ask_dissolve(request: Request) -> Response:
    """Show what dissolving ends, and ask for the name."""
    room = await room_of(request, SECTION)
    room.must(organizations.dissolve_organization)
    if not is_fresh_in(room):
        here = room.path(SECTION, "dissolve")
        return await ask_to_sign_in(room, "Dissolve", room.path(SECTION), here)
    return await _dissolve_page(room)


async def _dissolve_page(
    room: Room,
    values: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
    status: int = 200,
) -> Response:
    viewer, account_id = room.viewer, room.seat.account_id
    balance = await balances.balance(viewer, account_id)
    page = DissolvePage(
        credits=balance.credits,
        members=await members.member_count(viewer, account_id),
        keys=await api_keys.count_api_keys(viewer, account_id, all=True, live=True),
        management_keys=await management_keys.count_management_keys(viewer, account_id, live=True),
        waiting=await invitations.count_invitations(viewer, account_id),
        exact=credits_text(balance.credits),
        values=values or {},
        errors=errors or {},
        obstacle=NegativeBalance.says if balance.credits < 0 else "",
    )
    return await room.page(page, part="profile/ending.html", status=status)


async def dissolve(request: Request) -> Response:
    """End the organization."""
    room = await room_of(request, SECTION)
    form = await room.form()
    try:
        waive = parse_credits(form["waive"], "waive") if form.get("waive") else None
        await organizations.dissolve_organization(
            room.viewer, room.seat.account_id, form.get("confirmName", ""), waive
        )
    except Invalid as refusal:
        return await _dissolve_page(room, form, errors_of(refusal), refusal.status)
    except ReauthenticationRequired:
        here = room.path(SECTION, "dissolve")
        return await ask_to_sign_in(room, "Dissolve", room.path(SECTION), here)
    return await _gone(room, f"{room.seat.name} is dissolved.")
