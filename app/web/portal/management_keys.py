"""Management keys: what reads the organization's figures for it, who made them, and the trace of their use."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from starlette.requests import Request
from starlette.responses import Response

from app.errors import Invalid, ReauthenticationRequired
from app.ids import id_of, wire_id
from app.resolvers import management_keys
from app.resolvers.management_keys import KEEP, ManagementKeyRow, ManagementKeyUseRow
from app.web.forms import only
from app.web.portal.bars import address
from app.web.portal.entries import end_entered, errors_of, last_day
from app.web.portal.frame import Room, room_of
from app.web.portal.fresh import ask_to_sign_in, is_fresh_in
from app.web.portal.key_pages import (
    REVOKE,
    ROTATE,
    KeyFormPage,
    RevokePage,
    RotatePage,
    overlap_entered,
)
from app.web.portal.secrets import SecretPage, env_file
from app.web.portal.states import KeyState, state_of

SECTION, KIND = "management_keys", "management_key"
PLACE = ("management", "keys")
TABLE, FORM = "management_keys/table.html", "management_keys/form.html"
TITLE = "Management keys"


@dataclass(frozen=True, slots=True)
class KeyLine:
    """A key as the table shows it; its maker alone changes and rotates it."""

    row: ManagementKeyRow
    path: str
    state: KeyState
    own: bool

    @property
    def ending(self) -> bool:
        """Whoever may see the page may end a key that works."""
        return self.state.live


@dataclass(frozen=True, slots=True)
class ManagementKeysPage:
    """A page of keys."""

    template: ClassVar[str] = "management_keys/page.html"

    lines: list[KeyLine]
    count: int
    ended: bool
    now: datetime
    path: str
    first: str
    next: str
    other_view: str


@dataclass(frozen=True, slots=True)
class TracePage:
    """What one key has read, by hour."""

    template: ClassVar[str] = "management_keys/trace.html"

    row: ManagementKeyRow
    wire_id: str
    state: KeyState
    uses: list[ManagementKeyUseRow]
    now: datetime
    path: str
    first: str
    next: str


async def show(request: Request) -> Response:
    """List keys."""
    room = await room_of(request, SECTION)
    ended, after = only(request.query_params, "ended") == "1", only(request.query_params, "after")
    account_id = room.seat.account_id
    found = await management_keys.list_management_keys(
        room.viewer, account_id, live=not ended, after=after
    )
    count = await management_keys.count_management_keys(room.viewer, account_id, live=not ended)

    def view(*, ended: bool = ended, after: str | None = None) -> str:
        return address(room.path(*PLACE), {"ended": "1" if ended else None, "after": after})

    page = ManagementKeysPage(
        lines=[_line(room, row) for row in found.rows],
        count=count,
        ended=ended,
        now=room.seat.now,
        path=view(after=after),
        first=view() if after else "",
        next=view(after=found.cursor(-1)) if found.has_next else "",
        other_view=view(ended=not ended),
    )
    return await room.page(page, part=TABLE)


def _line(room: Room, row: ManagementKeyRow) -> KeyLine:
    state = state_of(row.revoked_at, row.expires_at, room.seat.now)
    return KeyLine(row, _path(room, row), state, row.member_id == room.seat.member_id)


def _path(room: Room, row: ManagementKeyRow, *parts: str) -> str:
    return room.path(*PLACE, wire_id(KIND, row.id), *parts)


async def _form(
    room: Room,
    row: ManagementKeyRow | None,
    values: Mapping[str, str],
    refusal: Invalid | None = None,
) -> Response:
    back = room.path(*PLACE)
    errors = errors_of(refusal) if refusal else {}
    page = KeyFormPage(TITLE, FORM, _path(room, row) if row else back, back, row, values, errors)
    return await room.page(page, part=FORM, status=refusal.status if refusal else 200)


async def new(request: Request) -> Response:
    """Show the form of a new key."""
    room = await room_of(request, SECTION)
    here = room.path(*PLACE)
    if not is_fresh_in(room):
        return await ask_to_sign_in(room, "Create management key", here, f"{here}/new")
    return await _form(room, None, {})


async def create(request: Request) -> Response:
    """Make a key, and show its secret this once."""
    room = await room_of(request, SECTION)
    form, here = await room.form(), room.path(*PLACE)
    try:
        made = await management_keys.create_management_key(
            room.viewer,
            room.seat.account_id,
            form.get("name", ""),
            end_entered(form, "expiresAt"),
        )
    except Invalid as refusal:
        return await _form(room, None, form, refusal)
    except ReauthenticationRequired:
        return await ask_to_sign_in(room, "Create management key", here, f"{here}/new")
    return await _secret(room, form.get("name", ""), made.secret)


async def _secret(room: Room, name: str, secret: str) -> Response:
    base_url = room.viewer.settings.base_url
    page = SecretPage(
        name=name.strip(),
        secret=secret,
        back=room.path(*PLACE),
        env_path=room.path(*PLACE, "env"),
        curl=f'curl -H "Authorization: Bearer {secret}" {base_url}/balance',
        says="It reads balance, usage, ledger, invoices and members of this organization, and changes nothing.",
    )
    return await room.page(page, part=page.form)


async def env(request: Request) -> Response:
    """Give the secret that was sent back as a file; nothing is looked up or kept."""
    room = await room_of(request, SECTION)
    return env_file(await room.form(), "R9S_MANAGEMENT_KEY")


async def _row(request: Request) -> tuple[Room, ManagementKeyRow]:
    room = await room_of(request, SECTION)
    key_id = id_of(KIND, request.path_params["key"])
    return room, await management_keys.management_key(room.viewer, key_id)


async def trace(request: Request) -> Response:
    """Show what a key has read."""
    room, row = await _row(request)
    after = only(request.query_params, "after")
    found = await management_keys.list_management_key_uses(room.viewer, row.id, after=after)
    path = _path(room, row)
    page = TracePage(
        row=row,
        wire_id=wire_id(KIND, row.id),
        state=state_of(row.revoked_at, row.expires_at, room.seat.now),
        uses=list(found.rows),
        now=room.seat.now,
        path=address(path, {"after": after}),
        first=path if after else "",
        next=address(path, {"after": found.cursor(-1)}) if found.has_next else "",
    )
    return await room.page(page, part="management_keys/uses.html")


async def edit(request: Request) -> Response:
    """Show the form of a key that one made."""
    room, row = await _row(request)
    values = {"name": row.name, "expiresAt": last_day(row.expires_at)}
    return await _form(room, row, values)


async def update(request: Request) -> Response:
    """Change a key. An end whose day was left alone stays as exact as it was."""
    room, row = await _row(request)
    form = await room.form()
    same_end = form.get("expiresAt", "") == last_day(row.expires_at)
    try:
        await management_keys.update_management_key(
            room.viewer,
            row.id,
            form.get("name", ""),
            KEEP if same_end else end_entered(form, "expiresAt"),
        )
    except Invalid as refusal:
        return await _form(room, row, form, refusal)
    return room.done("The key is changed.", to=room.path(*PLACE))


async def ask_rotate(request: Request) -> Response:
    """Ask before a key gets a new secret."""
    room, row = await _row(request)
    if not is_fresh_in(room):
        again = _path(room, row, "rotate")
        return await ask_to_sign_in(room, f"Rotate {row.name}", room.path(*PLACE), again)
    page = RotatePage(TITLE, _path(room, row, "rotate"), room.path(*PLACE), row)
    return await room.page(page, part=ROTATE)


async def ask_revoke(request: Request) -> Response:
    """Ask before a key ends."""
    room, row = await _row(request)
    page = RevokePage(
        title=TITLE,
        action=_path(room, row, "revoke"),
        back=room.path(*PLACE),
        row=row,
        now=room.seat.now,
        users="Tools that read with",
        whose=f", made by {row.created_by.name},",
        follows=("This cannot be undone. The trace of what it read stays.",),
    )
    return await room.page(page, part=REVOKE)


async def rotate(request: Request) -> Response:
    """Give a key a new secret, and show it this once."""
    room, row = await _row(request)
    overlap = overlap_entered(await room.form())
    try:
        made = await management_keys.rotate_management_key(room.viewer, row.id, overlap)
    except ReauthenticationRequired:
        again = _path(room, row, "rotate")
        return await ask_to_sign_in(room, f"Rotate {row.name}", room.path(*PLACE), again)
    return await _secret(room, row.name, made.secret)


async def revoke(request: Request) -> Response:
    """End a key."""
    room, row = await _row(request)
    await room.form()
    await management_keys.revoke_management_key(room.viewer, row.id)
    return room.done(f"{row.name} is revoked. It reads nothing from now on.", to=room.path(*PLACE))
