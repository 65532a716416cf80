"""Credits: what there is, how to buy more, whom to write to before it runs out, and every movement of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from app.errors import Conflict, Invalid, NotFound, Unavailable
from app.ids import id_of
from app.models import LedgerKind, TopUpStatus
from app.money import MICRO, money_text, parse_credits, price_of, price_of_top_up, short_credits
from app.resolvers import alerts, balances, billing, ledger, top_ups, users
from app.resolvers.alerts import AlertRow
from app.resolvers.balances import BalanceRow
from app.resolvers.ledger import LedgerRow
from app.settings import Settings
from app.web.forms import only
from app.web.portal.bars import address
from app.web.portal.frame import Room, room_of
from app.web.portal.usage_asked import Link
from app.web.sign_in import see_other

ROWS = 25
KINDS = {
    LedgerKind.TOP_UP: "Top-up",
    LedgerKind.USAGE: "Usage",
    LedgerKind.REFUND: "Refund",
    LedgerKind.DISPUTE: "Dispute",
    LedgerKind.GRANT: "Grant",
    LedgerKind.ADJUSTMENT: "Adjustment",
    LedgerKind.DISSOLUTION: "Dissolution",
}


@dataclass(frozen=True, slots=True)
class Offer:
    """Credits at one press, and what they cost."""

    credits: str
    price: str


@dataclass(frozen=True, slots=True)
class Notice:
    """What has become of the top-up that the viewer comes from; `style` is empty while it is under way."""

    words: str
    style: str


@dataclass(frozen=True, slots=True)
class EntryLine:
    """One movement; `who` is empty where nobody did it by hand."""

    at: datetime
    kind: str
    description: str
    who: str
    amount_micro: int
    balance_micro: int


@dataclass(frozen=True, slots=True)
class CreditPage:
    """The credits of an account."""

    template: ClassVar[str] = "credits.html"

    balance: BalanceRow
    notice: Notice | None
    live_path: str
    offers: Sequence[Offer]
    unit_price: str
    least: int
    most: int
    taxed: bool
    may_change: bool
    given: Mapping[str, str]
    errors: Mapping[str, str]
    alerts: Sequence[AlertRow]
    thresholds: str
    emails: str
    kinds: Sequence[Link]
    lines: Sequence[EntryLine]
    count: int
    first_path: str
    next_path: str
    csv_path: str
    to_pay: str = ""


@dataclass(frozen=True, slots=True)
class PricePage:
    """What an amount that is being typed costs; empty while it is none that can be bought."""

    template: ClassVar[str] = "credits/price.html"

    to_pay: str
    taxed: bool


async def show(request: Request) -> Response:
    """Show the page."""
    room = await room_of(request, "credits")
    page = await _page(room)
    parts = {"balance": "credits/balance.html", "ledger": "credits/ledger.html"}
    return await room.page(page, part=parts.get(room.target))


async def price(request: Request) -> Response:
    """Say what an amount costs, before anybody leaves for Stripe."""
    room = await room_of(request, "credits")
    if not room.partial:
        return see_other(room.path("credits"))
    settings = room.viewer.settings
    page = PricePage(
        _to_pay(only(request.query_params, "credits") or "", settings), settings.stripe_tax
    )
    return await room.page(page, part=page.template)


def _to_pay(text: str, settings: Settings) -> str:
    try:
        return _price(price_of_top_up(settings, _amount(text)), settings)
    except Invalid:
        return ""


def _amount(text: str) -> int:
    return parse_credits(text.strip().replace(",", ""))


async def buy(request: Request) -> Response:
    """Start a Stripe Checkout, and go there."""
    room = await room_of(request, "credits")
    form = await room.form()
    given = form.get("preset") or form.get("credits", "")
    try:
        micro = _amount(given)
        top_up_id = await top_ups.create_top_up(room.viewer, room.seat.account_id, micro)
    except (Invalid, Conflict, Unavailable) as refusal:
        page = await _page(room, given={"credits": given}, errors={"credits": refusal.detail})
        return await room.page(page, status=refusal.status)
    started = await top_ups.top_up(room.viewer, top_up_id)
    return see_other(started.url or room.path("credits"))


async def set_alerts(request: Request) -> Response:
    """Leave the account with the thresholds and addresses of a form."""
    room = await room_of(request, "credits")
    form = await room.form()
    try:
        wanted = [parse_credits(one, "thresholds") for one in _words(form.get("thresholds", ""))]
        emails = _words(form.get("emails", "")) or None
        await alerts.set_balance_alerts(room.viewer, room.seat.account_id, wanted, emails)
    except Invalid as refusal:
        errors = {one["field"]: one["message"] for one in refusal.fields}
        page = await _page(room, given=form, errors=errors)
        return await room.page(page, part="credits/alerts.html", status=refusal.status)
    words = "Alerts are set." if wanted else "No alerts any more."
    return room.done(words, to=room.path("credits"))


def _words(text: str) -> list[str]:
    return text.replace(",", " ").replace(";", " ").split()


async def _page(
    room: Room,
    *,
    given: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
) -> CreditPage:
    viewer, account_id, settings = room.viewer, room.seat.account_id, room.viewer.settings
    asked = room.request.query_params
    own = room.path("credits")
    kind, after = only(asked, "kind") or "", only(asked, "after")
    kinds = read_kinds(kind)
    found = await ledger.list_ledger(viewer, account_id, ROWS, after, kinds)
    last = found.cursor(len(found.rows) - 1) if found.has_next else None
    shown = await alerts.list_alerts(viewer, account_id)
    unit = price_of(MICRO, settings.currency, settings.currency_per_unit)
    return CreditPage(
        balance=await balances.balance(viewer, account_id),
        notice=await _notice(room),
        live_path=address(own, {name: only(asked, name) for name in ("top_up", "cancelled")}),
        offers=_offers(settings),
        unit_price=_price(unit, settings) if unit else settings.currency_per_unit,
        least=settings.top_up_least,
        most=settings.top_up_most,
        taxed=settings.stripe_tax,
        may_change=room.can(billing.managed_account),
        given=given or {},
        errors=errors or {},
        alerts=shown,
        thresholds=", ".join(short_credits(one.threshold_micro) for one in shown),
        emails=", ".join(shown[0].emails) if shown and shown[0].chosen else "",
        kinds=_kind_links(own, kind),
        lines=await _lines(room, found.rows),
        count=await ledger.count_ledger(viewer, account_id),
        first_path=address(own, {"kind": kind or None}) if after else "",
        next_path=address(own, {"kind": kind or None, "after": last}) if last else "",
        csv_path=address(room.path("credits", "ledger.csv"), {"kind": kind or None}),
        to_pay=_to_pay((given or {}).get("credits", ""), settings),
    )


def read_kinds(name: str) -> tuple[LedgerKind, ...]:
    """Read a filter of the address. Raises `NotFound` for a kind that there is none of."""
    known = {one.value.lower(): one for one in LedgerKind}
    if name and name not in known:
        raise NotFound
    return (known[name],) if name else ()


def _kind_links(own: str, chosen: str) -> list[Link]:
    names = {"": "All"} | {kind.value.lower(): word for kind, word in KINDS.items()}
    return [
        Link(word, address(own, {"kind": name or None}), name == chosen)
        for name, word in names.items()
    ]


def _offers(settings: Settings) -> list[Offer]:
    offers = ((str(whole), _to_pay(str(whole), settings)) for whole in top_ups.PRESETS)
    return [Offer(whole, price) for whole, price in offers if price]


def _price(minor: int, settings: Settings) -> str:
    return f"{money_text(minor, settings.currency)} {settings.currency}"


async def _notice(room: Room) -> Notice | None:
    """Say what has become of the top-up in the address; nothing for one that is not there."""
    asked = room.request.query_params
    paid, cancelled = only(asked, "top_up"), only(asked, "cancelled")
    if not (paid or cancelled):
        return None
    try:
        row = await top_ups.top_up(room.viewer, id_of("top_up", paid or cancelled or ""))
    except NotFound:
        return None
    credits_ = f"{short_credits(row.amount_micro)} credits"
    if row.status is TopUpStatus.PAID:
        return Notice(f"{credits_} are paid and added to your balance.", "good")
    if row.status is TopUpStatus.FAILED:
        return Notice(f"The payment of {credits_} did not come. Nothing was charged.", "bad")
    if cancelled or row.status is TopUpStatus.EXPIRED:
        return Notice(f"You left before paying {credits_}. Nothing was charged.", "calm")
    return Notice(
        f"The payment of {credits_} is under way. This page changes by itself; you may also close it.",
        "",
    )


async def _lines(room: Room, rows: Sequence[LedgerRow]) -> list[EntryLine]:
    ids: set[UUID] = {row.actor_id for row in rows if row.actor_id is not None}
    people = await users.users(room.viewer, sorted(ids)) if ids else {}
    names = {one: person.name for one, person in people.items()}
    return [
        EntryLine(
            row.created_at,
            KINDS[row.kind],
            row.description,
            names.get(row.actor_id, "") if row.actor_id else "",
            row.amount_micro,
            row.balance_after_micro,
        )
        for row in rows
    ]
