"""The bars around every page: the Organization Switcher, what is left, and the sections of the account."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from urllib.parse import urlencode

from app.ids import wire_id
from app.permissions import AccountKind, Permission
from app.resolvers import balances, invitations, members
from app.seats import Seat, Viewer
from app.web.portal.sections import BY_KEY, SECTIONS, Section
from app.web.words import NO_CALLS, NO_LIMIT, day, exact, quota_short, rounded

FILTER_FROM = 8


@dataclass(frozen=True, slots=True)
class NavItem:
    """A line of the side bar."""

    label: str
    icon: str
    path: str
    current: bool


@dataclass(frozen=True, slots=True)
class AccountLine:
    """A line of the switcher. `role` is empty for the personal account, where it says nothing."""

    name: str
    slug: str
    role: str
    path: str
    current: bool


@dataclass(frozen=True, slots=True)
class Waiting:
    """An invitation that the viewer has not answered yet."""

    id: str
    organization: str
    inviter: str
    until: str


@dataclass(frozen=True, slots=True)
class Left:
    """What one may still spend here: the account's credits, or one's own rest of the month."""

    figure: str
    words: str
    title: str
    path: str
    low: bool


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands around a page."""

    account: AccountLine
    groups: list[tuple[str, list[NavItem]]]
    accounts: list[AccountLine]
    waiting: list[Waiting]
    left: Left
    filtered: bool


def role_word(seat: Seat) -> str:
    """Name a role as pages do; nothing in a personal account."""
    if seat.kind is AccountKind.PERSONAL or seat.role is None:
        return ""
    return seat.role.name.capitalize()


def account_path(slug: str, *parts: str) -> str:
    """Write the address of a page of an account."""
    return "/".join(["/a", slug, *(part for part in parts if part)])


def address(path: str, given: Mapping[str, str | None]) -> str:
    """Write an address with parameters; those that are None are left out."""
    query = urlencode({name: value for name, value in given.items() if value is not None})
    return f"{path}?{query}" if query else path


async def frame_of(viewer: Viewer, seats: Sequence[Seat], seat: Seat, key: str) -> Frame:
    """Gather what stands around a page of one of the viewer's seats, by two statements."""
    waiting = await invitations.pending_invitations(viewer)
    return Frame(
        account=_line(seat, seat, key),
        groups=_groups(seat, key),
        accounts=[_line(one, seat, key) for one in seats],
        waiting=[
            Waiting(
                wire_id("invitation", row.id),
                row.organization_name,
                row.invited_by.name,
                day(row.expires_at),
            )
            for row in waiting
        ],
        left=await left_of(viewer, seat),
        filtered=len(seats) >= FILTER_FROM,
    )


def _line(one: Seat, here: Seat, key: str) -> AccountLine:
    """Lead to the same section where the other account shows it, else to its dashboard."""
    same = BY_KEY.get(key)
    path = same.path if same is not None and same.is_seen_by(one) else ""
    current = one.account_id == here.account_id
    return AccountLine(one.name, one.slug, role_word(one), account_path(one.slug, path), current)


def _groups(seat: Seat, key: str) -> list[tuple[str, list[NavItem]]]:
    shown = [one for one in SECTIONS if one.is_seen_by(seat)]
    return [
        (heading, [_item(one, seat, key) for one in of_group])
        for heading, of_group in groupby(shown, key=lambda one: one.group)
    ]


def _item(one: Section, seat: Seat, key: str) -> NavItem:
    return NavItem(one.label, one.icon, account_path(seat.slug, one.path), one.key == key)


async def left_of(viewer: Viewer, seat: Seat) -> Left:
    """Tell what is left: credits of the account to those who see its balance, else one's own quota."""
    if Permission.VIEW_BALANCE in seat.permissions:
        row = await balances.balance(viewer, seat.account_id)
        available = row.available or 0
        path = BY_KEY["credits"].path if "credits" in BY_KEY else ""
        return Left(
            rounded(available),
            "credits available",
            f"{exact(available)} available now",
            account_path(seat.slug, path),
            low=available <= 0,
        )
    own = await members.own_membership(viewer, seat.account_id)
    path = account_path(seat.slug)
    if own.remaining is None:
        return Left("", NO_LIMIT, "Your quota has no limit", path, low=False)
    if own.quota == 0:
        return Left("", NO_CALLS, "Your quota is 0", path, low=True)
    words = f"of {quota_short(own.quota or 0)} credits left"
    title = f"{exact(own.remaining)} left of your quota this month (UTC)"
    return Left(rounded(own.remaining), words, title, path, low=own.remaining <= 0)
