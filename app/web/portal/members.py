"""Members: the list with search, order and pages, and what is done to one of them."""

from dataclasses import dataclass
from typing import ClassVar

from starlette.requests import Request
from starlette.responses import Response

from app.errors import BadRequest, Invalid
from app.ids import id_of, wire_id
from app.permissions import Role
from app.resolvers import invitations, members
from app.resolvers.members import MemberOrder, MemberQuery, MemberRow
from app.web.forms import only
from app.web.portal.bars import address
from app.web.portal.frame import Room, room_of
from app.web.portal.quotas import read_quota
from app.web.sign_in import see_other
from app.web.words import quota_words

KEY = "members"
ROWS = 50
LIST = "members/list.html"
USAGE = "members/usage.html"
QUOTA_FORM = "members/quota_form.html"
COLUMNS = {
    "name": ("Member", MemberOrder.NAME),
    "role": ("Role", MemberOrder.ROLE),
    "usage": ("Monthly usage", MemberOrder.MONTHLY_USAGE),
    "joined": ("Joined", MemberOrder.JOINED_AT),
}
# What one wants to see first when one asks for this order.
DOWNWARDS = ("usage", "joined", "role")


@dataclass(frozen=True, slots=True)
class MemberLine:
    """A member as the viewer finds them: what may be done, and why nothing may."""

    row: MemberRow
    id: str
    path: str
    role: str
    own: bool
    may_set_quota: bool
    may_change_role: bool
    may_remove: bool
    why: str

    @classmethod
    def of(cls, room: Room, row: MemberRow) -> "MemberLine":
        """Show a member; the rank decides beside the permission, as the verbs do."""
        own = row.id == room.seat.member_id
        mine = room.seat.role or Role.MEMBER
        below = not own and row.role < mine
        of_owner = own and mine is Role.OWNER
        why = ""
        if own:
            why = "Transfer ownership to step down." if of_owner else "That is you."
        elif not below:
            why = "You may change only people whose role is below yours."
        member_id = wire_id("member", row.id)
        return cls(
            row,
            member_id,
            room.path("management/members", member_id),
            row.role.name.capitalize(),
            own,
            may_set_quota=(below or of_owner) and room.can(members.set_member_quota),
            may_change_role=below and room.can(members.set_member_role),
            may_remove=below and room.can(members.remove_member),
            why=why,
        )


@dataclass(frozen=True, slots=True)
class Column:
    """A column's head: `sort` is what `aria-sort` says, `path` gives the list in this order, or the other way round."""

    label: str
    path: str
    sort: str


@dataclass(frozen=True, slots=True)
class MembersPage:
    """The list. `found` counts what the search lets through, `total` everybody."""

    template: ClassVar[str] = "members/members.html"

    lines: list[MemberLine]
    columns: list[Column]
    roles: list[tuple[str, str, bool]]
    search: str
    sort: str
    found: int
    total: int
    waiting: int
    path: str
    first_path: str
    next_path: str
    may_invite: bool
    filtered: bool


@dataclass(frozen=True, slots=True)
class QuotaPage:
    """One member's quota, being changed."""

    template: ClassVar[str] = "members/quota.html"

    line: MemberLine
    value: str
    error: str = ""


async def show(request: Request) -> Response:
    """List members, as the address says: `search`, `role`, `sort` ("-usage" is downwards) and `after`."""
    room = await room_of(request, KEY)
    return await room.page(await list_page(room), part=LIST)


async def list_page(room: Room) -> MembersPage:
    """Read the page of the list that the address names, by four statements or three."""
    asked = {
        name: only(room.request.query_params, name) or ""
        for name in ("search", "role", "sort", "after")
    }
    sort = asked["sort"] or "name"
    role = _role(asked["role"])
    query = _query(asked, sort, role)
    account_id, viewer = room.seat.account_id, room.viewer
    page = await members.list_members(viewer, account_id, query)
    total = await members.member_count(viewer, account_id)
    filtered = bool(asked["search"] or role)
    found = total
    if filtered:
        found = await members.count_members(viewer, account_id, query.search, role)
    here = {name: asked[name] for name in ("search", "role", "sort")}
    after = page.cursor(len(page.rows) - 1) if page.has_next else ""
    return MembersPage(
        lines=[MemberLine.of(room, row) for row in page.rows],
        columns=[_column(room, key, sort, here) for key in COLUMNS],
        roles=[("", "All", role is None)]
        + [(one.name, one.name.capitalize(), one is role) for one in reversed(Role)],
        search=asked["search"],
        sort=asked["sort"],
        found=found,
        total=total,
        waiting=await invitations.count_invitations(viewer, account_id),
        path=_path(room, asked),
        first_path=_path(room, here) if page.has_previous else "",
        next_path=_path(room, {**here, "after": after}) if after else "",
        may_invite=room.can(invitations.invite_members),
        filtered=filtered,
    )


def _query(asked: dict[str, str], sort: str, role: Role | None) -> MemberQuery:
    name = sort.removeprefix("-")
    if name not in COLUMNS:
        raise BadRequest("There is no such order.")
    return MemberQuery(
        search=asked["search"] or None,
        role=role,
        order=COLUMNS[name][1],
        descending=sort.startswith("-"),
        first=ROWS,
        after=asked["after"] or None,
    )


def _role(text: str) -> Role | None:
    if not text:
        return None
    if text not in Role.__members__:
        raise BadRequest("There is no such role.")
    return Role[text]


def _column(room: Room, key: str, sort: str, here: dict[str, str]) -> Column:
    current = sort.removeprefix("-") == key
    downwards = current and sort.startswith("-")
    other = not downwards if current else key in DOWNWARDS
    path = _path(room, {**here, "sort": f"-{key}" if other else key})
    said = ("descending" if downwards else "ascending") if current else ""
    return Column(COLUMNS[key][0], path, said)


def _path(room: Room, asked: dict[str, str]) -> str:
    return address(
        room.path("management/members"), {name: value or None for name, value in asked.items()}
    )


async def one(request: Request) -> Response:
    """Answer htmx what one member used; lead everybody else to the list."""
    room = await room_of(request, KEY)
    if not room.partial:
        return see_other(room.path("management/members"))
    line = await line_of(room)
    return await room.page(QuotaPage(line, ""), part=USAGE)


async def line_of(room: Room) -> MemberLine:
    """Find the member in the address. Raises `NotFound`."""
    member_id = id_of("member", room.request.path_params["member"])
    return MemberLine.of(room, await members.member(room.viewer, member_id))


async def edit_quota(request: Request) -> Response:
    """Turn a member's usage into the field of their quota."""
    room = await room_of(request, KEY)
    line = await line_of(room)
    quota = line.row.quota or 0
    return await room.page(QuotaPage(line, _typed(quota)), part=QUOTA_FORM)


def _typed(quota: int) -> str:
    words = quota_words(quota)
    return words.removesuffix(" credits a month").replace(",", "")


async def set_quota(request: Request) -> Response:
    """Set a member's quota; the error stays at the field."""
    room = await room_of(request, KEY)
    form = await room.form()
    member_id = id_of("member", request.path_params["member"])
    value = form.get("named") or form.get("quota", "")
    try:
        await members.set_member_quota(room.viewer, member_id, read_quota(value))
    except Invalid as refusal:
        page = QuotaPage(await line_of(room), value, refusal.detail)
        return await room.page(page, part=QUOTA_FORM, status=refusal.status)
    line = await line_of(room)
    sentence = f"Quota of {line.row.user.name}: {quota_words(line.row.quota or 0)}."
    if room.partial:
        return await room.page(QuotaPage(line, ""), part=USAGE, toast=sentence)
    return room.done(sentence, to=room.path("management/members"))
