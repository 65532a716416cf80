"""Top-ups: credits bought by Stripe Checkout. The intent is committed first, Stripe is asked afterwards."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlmodel import col

from app.access import Actor, Seat, Viewer, in_steps, reads, system, writes
from app.actors import picture
from app.database import locked
from app.errors import CapReached, Refusal
from app.ids import wire_id
from app.integrations.stripe import Checkout, CheckoutOrder
from app.models import Account, TopUp, TopUpStatus
from app.money import money_text, price_of_top_up, short_credits
from app.permissions import Permission
from app.resolvers.customers import with_customer

PRESETS = (10, 25, 50, 100, 250)
"""Credits that a page offers by one press."""
# Longer than any request to Stripe takes: by then nobody waits for its answer any more.
LOST_AFTER = timedelta(hours=1)
CREDITS_FIELD = "credits"


@dataclass(frozen=True, slots=True)
class TopUpRow:
    """One top-up. `price_minor` is in the currency's smallest unit; `url` is there while Stripe's page is open."""

    id: UUID
    account_id: UUID
    user_id: UUID
    status: TopUpStatus
    amount_micro: int
    price_minor: int
    currency: str
    session: str | None
    url: str | None
    created_at: datetime
    paid_at: datetime | None


COLUMNS = tuple(col(getattr(TopUp, name)) for name in TopUpRow.__slots__)


def _amount_makes_sense(viewer: Viewer, amount_micro: int) -> None:
    price_of_top_up(viewer.settings, amount_micro)


@writes(Permission.MANAGE_BILLING, on=Account, check=_amount_makes_sense)
async def open_top_up(actor: Actor, account: Account, amount_micro: int) -> TopUpRow:
    """Write down that somebody wants to buy credits: nothing is paid, and Stripe knows nothing yet.

    Raises `Invalid`, `CapReached`.
    """
    settings = actor.settings
    waiting = select(func.count()).where(
        col(TopUp.account_id) == account.id,
        col(TopUp.status) == TopUpStatus.OPEN,
        col(TopUp.created_at) > actor.now - timedelta(days=1),
    )
    if (await actor.session.execute(waiting)).scalar_one() >= settings.top_up_cap:
        raise CapReached("Many top-ups wait to be paid. Pay one, or wait a day.", cap="top_ups")
    top_up = TopUp(
        account_id=account.id,
        user_id=actor.user.id,
        amount_micro=amount_micro,
        price_minor=price_of_top_up(settings, amount_micro),
        currency=settings.currency,
        created_at=actor.now,
    )
    actor.session.add(top_up)
    price = money_text(top_up.price_minor, top_up.currency)
    after = {CREDITS_FIELD: short_credits(amount_micro), "price": f"{price} {top_up.currency}"}
    actor.record(top_up, name=_name(top_up), after=after | picture(top_up))
    return _row(top_up)


def _name(top_up: TopUp) -> str:
    return f"{short_credits(top_up.amount_micro)} credits"


def _row(top_up: TopUp) -> TopUpRow:
    return TopUpRow(**{name: getattr(top_up, name) for name in TopUpRow.__slots__})


@in_steps
async def create_top_up(viewer: Viewer, account_id: UUID, amount_micro: int) -> UUID:
    """Start a Stripe Checkout: the top-up's id. Send the browser to its `url`.

    Where Stripe does not answer, nothing is half done: the top-up has ended and may be started again.
    Raises `Invalid`, `CapReached`, `Unavailable`, `StripeRefused`.
    """
    top_up = await open_top_up(viewer, account_id, amount_micro)
    us = viewer.as_system()
    try:
        checkout = await with_customer(
            viewer,
            account_id,
            lambda customer: viewer.at_stripe.create_checkout(_order(viewer, top_up, customer)),
        )
    except Refusal:
        await _end_top_up(us, top_up.id)
        raise
    await _top_up_started(us, top_up.id, checkout)
    return top_up.id


def _order(viewer: Viewer, top_up: TopUpRow, customer: str) -> CheckoutOrder:
    slug = viewer.seats[top_up.account_id].slug
    named = wire_id("top_up", top_up.id)
    page = f"{viewer.settings.base_url}/a/{slug}/credits"
    return CheckoutOrder(
        account_id=wire_id("account", top_up.account_id),
        top_up_id=named,
        customer=customer,
        credits_text=f"{short_credits(top_up.amount_micro)} credits",
        amount=top_up.price_minor,
        currency=top_up.currency.lower(),
        success_url=f"{page}/return?top_up={named}",
        cancel_url=f"{page}?cancelled={named}",
        idempotency_key=f"top-up:{top_up.id}:{customer}",
    )


@system
async def _top_up_started(actor: Actor, top_up_id: UUID, checkout: Checkout) -> None:
    """Keep where it is paid; where a webhook was quicker, that has said it all."""
    top_up = await _locked(actor, top_up_id)
    if top_up.session is None:
        top_up.session, top_up.customer = checkout.id, checkout.customer
    if top_up.status is TopUpStatus.OPEN and top_up.session == checkout.id:
        top_up.url = checkout.url


@system
async def _end_top_up(actor: Actor, top_up_id: UUID) -> None:
    """End a top-up that Stripe was never, or not successfully, told of."""
    top_up = await _locked(actor, top_up_id)
    if top_up.status is TopUpStatus.OPEN and top_up.session is None:
        _end(actor, top_up)


def _end(actor: Actor, top_up: TopUp) -> None:
    before = picture(top_up)
    top_up.status = TopUpStatus.EXPIRED
    actor.record(
        top_up,
        name=_name(top_up),
        account_id=top_up.account_id,
        before=before,
        after=picture(top_up),
        action="end_top_up",
    )


@system
async def end_lost_top_ups(actor: Actor) -> int:
    """End top-ups whose start was cut off before Stripe had answered; tell how many."""
    statement = select(TopUp).where(
        col(TopUp.status) == TopUpStatus.OPEN,
        col(TopUp.session).is_(None),
        col(TopUp.created_at) < actor.now - LOST_AFTER,
    )
    lost = (await actor.session.execute(locked(statement))).scalars().all()
    for top_up in lost:
        _end(actor, top_up)
    return len(lost)


async def _locked(actor: Actor, top_up_id: UUID) -> TopUp:
    statement: Any = select(TopUp).where(col(TopUp.id) == top_up_id)
    found: TopUp = (await actor.session.execute(locked(statement))).scalar_one()
    return found


@reads(Permission.VIEW_BILLING, on=TopUp)
async def top_up(viewer: Viewer, seats: Mapping[UUID, Seat]) -> dict[UUID, TopUpRow]:
    """Show one top-up as it stands here; nothing is asked of Stripe."""
    rows = await viewer.database.rows(select(*COLUMNS).where(col(TopUp.id).in_(seats)))
    return {row.id: TopUpRow(*row) for row in rows}
