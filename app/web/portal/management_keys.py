"""Management keys: what reads the organization's figures for it, who made them, and the trace of their use."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar

from starlette.requests import Request
from starlette.responses import Response

from app.errors import Invalid, ReauthenticationRequired
from app.ids import id_of, wire_id
from app.resolvers import management_keys
from app.resolvers.management_keys import KEEP, ManagementKeyRow, ManagementKeyUseRow
from app.web.forms import only
from app.web.portal.entries import end_entered, errors_of, last_day
from app.web.portal.frame import Room, room_of
from app.web.portal.keys import OVERLAPS, overlap_entered
from app.web.portal.secrets import SecretPage, env_file
from app.web.portal.states import KeyState, state_of
from app.web.return_paths import sign_in_path

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
class KeyFormPage:
    """The form of a new key (`row` is None), or of one that is changed."""

    template: ClassVar[str] = "dialog.html"
    title: ClassVar[str] = TITLE
    form: ClassVar[str] = FORM

    action: str
    back: str
    row: ManagementKeyRow | None
    values: Mapping[str, str]
    errors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FreshPage:
    """What asks for a fresh sign-in first, and leads back to where it was asked."""

    template: ClassVar[str] = "dialog.html"
    title: ClassVar[str] = TITLE
    form: ClassVar[str] = "account/fresh.html"

    deed: str
    back: str
    sign_in_path: str


@dataclass(frozen=True, slots=True)
class KeyDeedPage:
    """A deed that asks first."""

    template: ClassVar[str] = "dialog.html"
    title: ClassVar[str] = TITLE

    form: str
    action: str
    back: str
    row: ManagementKeyRow
    now: datetime
    overlaps: tuple[tuple[int, str], ...] = OVERLAPS


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
    here = room.path(*PLACE)
    asked = f"{here}?ended=1" if ended else here
    joint = "&" if ended else "?"
    page = ManagementKeysPage(
        lines=[_line(room, row) for row in found.rows],
        count=count,
        ended=ended,
        now=room.seat.now,
        path=f"{asked}{joint}after={after}" if after else asked,
        first=asked if after else "",
        next=f"{asked}{joint}after={found.cursor(-1)}" if found.has_next else "",
        other_view=here if ended else f"{here}?ended=1",
    )
    return await room.page(page, part=TABLE)


def _line(room: Room, row: ManagementKeyRow) -> KeyLine:
    state = state_of(row.revoked_at, row.expires_at, room.seat.now)
    return KeyLine(row, _path(room, row), state, row.member_id == room.seat.member_id)


def _path(room: Room, row: ManagementKeyRow, *parts: str) -> str:
    return room.path(*PLACE, wire_id(KIND, row.id), *parts)


def is_fresh(room: Room) -> bool:
    """Tell whether the sign-in is fresh enough for what asks for a fresh one."""
    allowed = timedelta(minutes=room.viewer.settings.fresh_sign_in_minutes)
    signed_in = room.viewer.signed_in_at
    return signed_in is not None and room.seat.now - signed_in <= allowed


async def ask_to_sign_in(room: Room, deed: str, back: str, again: str) -> Response:
    """Ask for a fresh sign-in, which leads back to `again`."""
    page = FreshPage(deed, back, sign_in_path(again, fresh=True))
    return await room.page(page, part=page.form)


async def new(request: Request) -> Response:
    """Show the form of a new key."""
    room = await room_of(request, SECTION)
    here = room.path(*PLACE)
    if not is_fresh(room):
        return await ask_to_sign_in(room, "Create management key", here, f"{here}/new")
    return await room.page(KeyFormPage(here, here, None, {}), part=FORM)


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
        page = KeyFormPage(here, here, None, form, errors_of(refusal))
        return await room.page(page, part=FORM, status=refusal.status)
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
        path=f"{path}?after={after}" if after else path,
        first=path if after else "",
        next=f"{path}?after={found.cursor(-1)}" if found.has_next else "",
    )
    return await room.page(page, part="management_keys/uses.html")


async def edit(request: Request) -> Response:
    """Show the form of a key that one made."""
    room, row = await _row(request)
    values = {"name": row.name, "expiresAt": last_day(row.expires_at)}
    page = KeyFormPage(_path(room, row), room.path(*PLACE), row, values)
    return await room.page(page, part=FORM)


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
        page = KeyFormPage(_path(room, row), room.path(*PLACE), row, form, errors_of(refusal))
        return await room.page(page, part=FORM, status=refusal.status)
    return room.done("The key is changed.", to=room.path(*PLACE))


async def ask_rotate(request: Request) -> Response:
    """Ask before a key gets a new secret."""
    room, row = await _row(request)
    if not is_fresh(room):
        again = _path(room, row, "rotate")
        return await ask_to_sign_in(room, f"Rotate {row.name}", room.path(*PLACE), again)
    return await _ask(room, row, "keys/rotate.html", "rotate")


async def ask_revoke(request: Request) -> Response:
    """Ask before a key ends."""
    return await _ask(*await _row(request), "management_keys/revoke.html", "revoke")


async def _ask(room: Room, row: ManagementKeyRow, form: str, deed: str) -> Response:
    page = KeyDeedPage(form, _path(room, row, deed), room.path(*PLACE), row, room.seat.now)
    return await room.page(page, part=form)


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
