"""Changing a member's role and removing a member, each after saying what will happen."""

from starlette.requests import Request
from starlette.responses import Response

from app.errors import Invalid
from app.ids import id_of
from app.permissions import Role
from app.resolvers import members
from app.web.portal.confirming import CONFIRM_FORM, ConfirmPage
from app.web.portal.frame import Room, room_of
from app.web.portal.members import KEY, MemberLine, line_of
from app.web.words import counted, rounded

GAINS = [
    "They see every member, everybody's usage, the balance and the audit log.",
    "They invite people, set Members' quotas, make management keys and buy credits.",
]


async def ask_role(request: Request) -> Response:
    """Ask before a promotion or a demotion."""
    room = await room_of(request, KEY)
    line = await line_of(room)
    promotes = line.row.role is Role.MEMBER
    name = line.row.user.name
    page = ConfirmPage(
        title=f"Make {name} an Admin" if promotes else f"Make {name} a Member",
        sentence=f"{name} is {'a Member' if promotes else 'an Admin'} now.",
        label="Make Admin" if promotes else "Make Member",
        action=f"{line.path}/role",
        back=room.path("management/members"),
        consequences=GAINS if promotes else await _losses(room, line),
        danger=not promotes,
        fields={"role": (Role.ADMIN if promotes else Role.MEMBER).name},
    )
    return await room.page(page, part=CONFIRM_FORM)


async def _losses(room: Room, line: MemberLine) -> list[str]:
    ends = await members.endings(room.viewer, line.row.id)
    losses = ["They no longer see other members, others' usage, the balance and the audit log."]
    if ends.management_keys:
        losses.append(f"{_keys(ends.management_keys, 'management key')} they made.")
    if ends.invitations:
        waiting = counted(ends.invitations, "invitation")
        losses.append(f"{waiting} they sent, and nobody has accepted yet, will be revoked.")
    return [*losses, "Their quota and their own keys stay as they are."]


def _keys(number: int, noun: str) -> str:
    """Say what stops: "2 management keys stop at once, which"."""
    return f"{counted(number, noun)} {'stops' if number == 1 else 'stop'} at once, which"


async def set_role(request: Request) -> Response:
    """Change the role."""
    room = await room_of(request, KEY)
    form = await room.form()
    text = form.get("role", "")
    if text not in Role.__members__:
        raise Invalid(role="Choose Admin or Member.")
    member_id = id_of("member", request.path_params["member"])
    await members.set_member_role(room.viewer, member_id, Role[text])
    line = await line_of(room)
    article = "an" if line.role == "Admin" else "a"
    sentence = f"{line.row.user.name} is {article} {line.role} now."
    return room.done(sentence, to=room.path("management/members"))


async def ask_removal(request: Request) -> Response:
    """Ask before a removal."""
    room = await room_of(request, KEY)
    line = await line_of(room)
    ends = await members.endings(room.viewer, line.row.id)
    name = line.row.user.name
    consequences = [f"{room.seat.name} leaves the accounts of {name} at once."]
    if ends.api_keys:
        stops = "stops" if ends.api_keys == 1 else "stop"
        consequences.append(f"Their {counted(ends.api_keys, 'key')} {stops} at once.")
    if ends.management_keys:
        consequences.append(f"{_keys(ends.management_keys, 'management key')} they made.")
    if ends.invitations:
        waiting = counted(ends.invitations, "invitation")
        consequences.append(f"{waiting} they sent, and nobody has accepted yet, will be revoked.")
    if line.row.held:
        consequences.append(f"{rounded(line.row.held)} credits of running calls may still settle.")
    consequences.append(
        "What they used stays in the records. Keys do not come back if they join again."
    )
    page = ConfirmPage(
        title=f"Remove {name}",
        sentence="This cannot be undone.",
        label=f"Remove {name}",
        action=f"{line.path}/remove",
        back=room.path("management/members"),
        consequences=consequences,
        danger=True,
    )
    return await room.page(page, part=CONFIRM_FORM)


async def remove(request: Request) -> Response:
    """Remove the member."""
    room = await room_of(request, KEY)
    await room.form()
    line = await line_of(room)
    await members.remove_member(room.viewer, line.row.id)
    sentence = f"{line.row.user.name} is no longer a member."
    return room.done(sentence, to=room.path("management/members"))
