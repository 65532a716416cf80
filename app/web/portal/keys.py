"""Keys: a member's own standard keys, everybody's for those who look after them; made, changed, rotated, ended."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from starlette.requests import Request
from starlette.responses import Response

from app.errors import Invalid
from app.ids import id_of, wire_id
from app.money import UNLIMITED
from app.permissions import AccountKind, Permission
from app.resolvers import api_keys
from app.resolvers.api_keys import KEEP, ApiKeyRow
from app.web.forms import only
from app.web.portal.bars import address
from app.web.portal.entries import end_entered, errors_of, last_day
from app.web.portal.frame import Room, room_of
from app.web.portal.key_pages import (
    REVOKE,
    ROTATE,
    KeyFormPage,
    RevokePage,
    RotatePage,
    overlap_entered,
)
from app.web.portal.quotas import amount_of, choice_of, quota_entered
from app.web.portal.secrets import SecretPage, env_file
from app.web.portal.states import KeyState, state_of

KEY, KIND = "keys", "api_key"
TABLE, FORM = "keys/table.html", "keys/form.html"
TITLE = "Keys"
PLACEHOLDER = "https://GATEWAY/v1"


@dataclass(frozen=True, slots=True)
class KeyLine:
    """A key as the table shows it, and what this viewer may do to it. `ending` is empty for an ended one."""

    row: ApiKeyRow
    path: str
    state: KeyState
    own: bool
    ending: bool


@dataclass(frozen=True, slots=True)
class KeysPage:
    """A page of keys; `path` leads to it again, for figures that follow by themselves."""

    template: ClassVar[str] = "keys/page.html"

    lines: list[KeyLine]
    count: int
    everybody: bool
    ended: bool
    may_see_all: bool
    shared: bool
    now: datetime
    path: str
    first: str
    next: str
    views: dict[str, str]


async def show(request: Request) -> Response:
    """List keys."""
    room = await room_of(request, KEY)
    given = request.query_params
    everybody = only(given, "all") == "1"
    ended = only(given, "ended") == "1"
    after = only(given, "after")
    verb = api_keys.list_api_keys
    found = await verb(
        room.viewer, room.seat.account_id, all=everybody, live=not ended, after=after
    )
    count = await api_keys.count_api_keys(
        room.viewer, room.seat.account_id, all=everybody, live=not ended
    )

    def view(*, all: bool = everybody, ended: bool = ended, after: str | None = None) -> str:  # noqa: A002 - the address's word
        asked = {"all": "1" if all else None, "ended": "1" if ended else None, "after": after}
        return address(room.path(KEY), asked)

    page = KeysPage(
        lines=[_line(room, row) for row in found.rows],
        count=count,
        everybody=everybody,
        ended=ended,
        may_see_all=room.seat.kind is AccountKind.ORGANIZATION
        and Permission.MANAGE_ALL_KEYS in room.seat.permissions,
        shared=room.seat.kind is AccountKind.ORGANIZATION,
        now=room.seat.now,
        path=view(after=after),
        first=view() if after else "",
        next=view(after=found.cursor(-1)) if found.has_next else "",
        views={
            "own": view(all=False),
            "all": view(all=True),
            "ended": view(ended=not ended),
        },
    )
    return await room.page(page, part=TABLE)


def _line(room: Room, row: ApiKeyRow) -> KeyLine:
    seat = room.seat
    own = row.member_id == seat.member_id
    state = state_of(row.revoked_at, row.expires_at, seat.now)
    below = seat.role is not None and row.owner_role < seat.role
    return KeyLine(row, _path(room, row), state, own, ending=state.live and (own or below))


async def _form(
    room: Room, row: ApiKeyRow | None, values: Mapping[str, str], refusal: Invalid | None = None
) -> Response:
    action = _path(room, row) if row else room.path(KEY)
    errors = errors_of(refusal) if refusal else {}
    page = KeyFormPage(TITLE, FORM, action, room.path(KEY), row, values, errors)
    return await room.page(page, part=FORM, status=refusal.status if refusal else 200)


def _path(room: Room, row: ApiKeyRow, *parts: str) -> str:
    return room.path(KEY, wire_id(KIND, row.id), *parts)


async def new(request: Request) -> Response:
    """Show the form of a new key."""
    room = await room_of(request, KEY)
    values = {"limit_choice": choice_of(UNLIMITED)}
    return await _form(room, None, values)


async def create(request: Request) -> Response:
    """Make a key, and show its secret this once."""
    room = await room_of(request, KEY)
    form = await room.form()
    try:
        made = await api_keys.create_api_key(
            room.viewer,
            room.seat.account_id,
            form.get("name", ""),
            end_entered(form, "expiresAt"),
            quota_entered(form, "limit"),
            form.get("tag", "").strip() or None,
        )
    except Invalid as refusal:
        return await _form(room, None, form, refusal)
    return await _secret(room, form.get("name", ""), made.secret)


async def _secret(room: Room, name: str, secret: str) -> Response:
    gateway = room.viewer.settings.gateway_url.rstrip("/")
    page = SecretPage(
        name=name.strip(),
        secret=secret,
        back=room.path(KEY),
        env_path=room.path(KEY, "env"),
        curl=f'curl -H "Authorization: Bearer {secret}" {gateway or PLACEHOLDER}/models',
        curl_says="Try it:"
        if gateway
        else "Try it, with your gateway's address in the place of GATEWAY:",
        says="It calls models on credits of this account. Whoever has it can spend them within your quota.",
    )
    return await room.page(page, part=page.form)


async def env(request: Request) -> Response:
    """Give the secret that was sent back as a file; nothing is looked up or kept."""
    room = await room_of(request, KEY)
    return env_file(await room.form(), "R9S_API_KEY")


async def _row(request: Request) -> tuple[Room, ApiKeyRow]:
    room = await room_of(request, KEY)
    return room, await api_keys.api_key(room.viewer, id_of(KIND, request.path_params["key"]))


async def edit(request: Request) -> Response:
    """Show the form of a key that one may change."""
    room, row = await _row(request)
    values = {
        "name": row.name,
        "limit_choice": choice_of(row.monthly_limit),
        "limit": amount_of(row.monthly_limit),
        "expiresAt": last_day(row.expires_at),
        "tag": row.tag or "",
    }
    return await _form(room, row, values)


async def update(request: Request) -> Response:
    """Change a key. An end whose day was left alone stays as exact as it was."""
    room, row = await _row(request)
    form = await room.form()
    same_end = form.get("expiresAt", "") == last_day(row.expires_at)
    try:
        await api_keys.update_api_key(
            room.viewer,
            row.id,
            form.get("name", ""),
            KEEP if same_end else end_entered(form, "expiresAt"),
            quota_entered(form, "limit"),
            form.get("tag", "").strip() or None,
        )
    except Invalid as refusal:
        return await _form(room, row, form, refusal)
    return room.done("The key is changed.", to=room.path(KEY))


async def ask_rotate(request: Request) -> Response:
    """Ask before a key gets a new secret."""
    room, row = await _row(request)
    page = RotatePage(TITLE, _path(room, row, "rotate"), room.path(KEY), row)
    return await room.page(page, part=ROTATE)


async def ask_revoke(request: Request) -> Response:
    """Ask before a key ends."""
    room, row = await _row(request)
    own = row.member_id == room.seat.member_id
    page = RevokePage(
        title=TITLE,
        action=_path(room, row, "revoke"),
        back=room.path(KEY),
        row=row,
        now=room.seat.now,
        users="Programs that use",
        whose="" if own else f" of {row.owner.name}",
        follows=(
            "Calls that run now may still settle.",
            "This cannot be undone. The key's usage stays in every report.",
        ),
    )
    return await room.page(page, part=REVOKE)


async def rotate(request: Request) -> Response:
    """Give a key a new secret, and show it this once."""
    room, row = await _row(request)
    overlap = overlap_entered(await room.form())
    made = await api_keys.rotate_api_key(room.viewer, row.id, overlap)
    return await _secret(room, row.name, made.secret)


async def revoke(request: Request) -> Response:
    """End a key."""
    room, row = await _row(request)
    await room.form()
    await api_keys.revoke_api_key(room.viewer, row.id)
    return room.done(
        f"{row.name} is revoked. Calls with it are refused from now on.", to=room.path(KEY)
    )
