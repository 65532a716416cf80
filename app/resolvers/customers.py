"""Customers: whom Stripe knows an account as. Made on first need; name and e-mail kept in step."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID

import structlog
from sqlalchemy import or_, select, update
from sqlmodel import col

from app.access import Actor, Viewer, in_steps, system
from app.database import AnySelect, insert_or_ignore, locked, now
from app.errors import NotFound
from app.ids import new_id, wire_id
from app.integrations.stripe import StripeRefused
from app.models import Account, BillingCustomer, Member, User
from app.permissions import Role

R = TypeVar("R")
log = structlog.get_logger()
REFUSED_PAUSE = timedelta(days=1)
AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class CustomerFacts:
    """What Stripe was told, or is to be told; `customer` is None until Stripe has answered."""

    account_id: UUID
    customer: str | None
    name: str
    email: str
    generation: int = 1


@in_steps
async def customer_of(viewer: Viewer, account_id: UUID) -> str:
    """Give an account's customer at Stripe, made now where it has none. Whoever asks has checked who may.

    Raises `Unavailable`, `StripeRefused`, `NotFound` for an account without an Owner.
    """
    us = viewer.as_system()
    known = await _intend_customer(us, account_id)
    if known.customer is not None:
        return known.customer
    made = await viewer.at_stripe.create_customer(
        account_id=wire_id("account", account_id),
        name=known.name,
        email=known.email,
        idempotency_key=f"customer:{account_id}:{known.generation}",
    )
    return await _customer_made(us, account_id, made.id)


@in_steps
async def with_customer(viewer: Viewer, account_id: UUID, work: Callable[[str], Awaitable[R]]) -> R:
    """Do something at Stripe with an account's customer; once more with a new one where it was deleted there.

    Raises as `customer_of`, and what the work raises.
    """
    customer = await customer_of(viewer, account_id)
    try:
        return await work(customer)
    except (StripeRefused, NotFound) as refusal:
        if not _may_be_deleted(refusal) or not await _is_deleted(viewer, customer):
            raise
    log.warning("customer_deleted_at_stripe", customer=customer)
    await _forget_customer(viewer.as_system(), account_id, customer)
    return await work(await customer_of(viewer, account_id))


def _may_be_deleted(refusal: StripeRefused | NotFound) -> bool:
    if isinstance(refusal, NotFound):
        return True
    return (refusal.reason, refusal.param) == ("resource_missing", "customer")


async def _is_deleted(viewer: Viewer, customer: str) -> bool:
    """Ask for the customer itself: something else may have been missing."""
    try:
        await viewer.at_stripe.customer(customer)
    except NotFound:
        return True
    return False


@system
async def _forget_customer(actor: Actor, account_id: UUID, customer: str) -> None:
    """Let the next need make another customer, by what the account is called now."""
    found = (await actor.session.execute(_own_facts(account_id))).one()
    await actor.session.execute(
        update(BillingCustomer)
        .where(
            col(BillingCustomer.account_id) == account_id,
            col(BillingCustomer.customer) == customer,
        )
        .values(
            customer=None,
            name=found.name,
            email=found.email,
            generation=col(BillingCustomer.generation) + 1,
        )
    )


@system
async def _intend_customer(actor: Actor, account_id: UUID) -> CustomerFacts:
    """Write down what Stripe is to be told, once: what is repeated after a crash is the same call."""
    found = (await actor.session.execute(_own_facts(account_id))).first()
    if found is None:
        raise NotFound
    intent = BillingCustomer(
        account_id=account_id,
        name=found.name,
        email=found.email,
        created_at=actor.now,
        due_at=actor.now,
    )
    await insert_or_ignore(actor.session, intent, ("account_id",))
    row = (
        await actor.session.execute(
            select(BillingCustomer).where(col(BillingCustomer.account_id) == account_id)
        )
    ).scalar_one()
    return CustomerFacts(account_id, row.customer, row.name, row.email, row.generation)


def _own_facts(account_id: Any) -> AnySelect:
    """Select an account's name and its Owner's e-mail."""
    return (
        select(col(Account.name), col(User.email))
        .join_from(Account, Member, col(Member.account_id) == col(Account.id))
        .join(User, col(User.id) == col(Member.user_id))
        .where(
            col(Account.id) == account_id,
            col(Member.role) == Role.OWNER,
            col(Member.ended_at).is_(None),
        )
    )


@system
async def _customer_made(actor: Actor, account_id: UUID, customer: str) -> str:
    """Keep what Stripe answered; of two that were made at the same time, the first."""
    row = (
        await actor.session.execute(
            locked(select(BillingCustomer).where(col(BillingCustomer.account_id) == account_id))
        )
    ).scalar_one()
    if row.customer is None:
        row.customer = customer
    return str(row.customer)


@in_steps
async def keep_customers_in_step(viewer: Viewer) -> int:
    """Tell Stripe the names and e-mails that have changed since; how many. Raises `Unavailable`.

    What somebody has changed at Stripe or in the billing details stays as it is.
    """
    rows = await viewer.database.rows(_stale())
    for row in rows:
        told = CustomerFacts(row.account_id, row.customer, row.name, row.email)
        wanted = CustomerFacts(row.account_id, row.customer, row.own_name, row.own_email)
        try:
            await _tell(viewer, told, wanted)
        except (StripeRefused, NotFound):
            log.warning("customer_refused", customer=row.customer)
            await _customer_later(viewer, row.account_id)
    return len(rows)


def _stale() -> AnySelect:
    return (
        select(
            col(BillingCustomer.account_id),
            col(BillingCustomer.customer),
            col(BillingCustomer.name),
            col(BillingCustomer.email),
            col(Account.name).label("own_name"),
            col(User.email).label("own_email"),
        )
        .join_from(BillingCustomer, Account, col(Account.id) == col(BillingCustomer.account_id))
        .join(Member, col(Member.account_id) == col(Account.id))
        .join(User, col(User.id) == col(Member.user_id))
        .where(
            col(Member.role) == Role.OWNER,
            col(Member.ended_at).is_(None),
            col(BillingCustomer.customer).is_not(None),
            col(BillingCustomer.due_at) <= now(),
            or_(
                col(BillingCustomer.name) != col(Account.name),
                col(BillingCustomer.email) != col(User.email),
            ),
        )
        .limit(AT_ONCE)
    )


async def _tell(viewer: Viewer, told: CustomerFacts, wanted: CustomerFacts) -> None:
    customer = str(told.customer)
    there = await viewer.at_stripe.customer(customer)
    name = wanted.name if there.name == told.name != wanted.name else None
    email = wanted.email if there.email == told.email != wanted.email else None
    if name or email:
        await viewer.at_stripe.update_customer(
            customer, name=name, email=email, idempotency_key=f"customer:{new_id()}"
        )
    await _customer_told(viewer, wanted)


@system
async def _customer_told(actor: Actor, facts: CustomerFacts) -> None:
    """Keep what Stripe has been told."""
    await actor.session.execute(
        update(BillingCustomer)
        .where(col(BillingCustomer.account_id) == facts.account_id)
        .values(name=facts.name, email=facts.email)
    )


@system
async def _customer_later(actor: Actor, account_id: UUID) -> None:
    """Leave a customer alone whom Stripe will not change."""
    await actor.session.execute(
        update(BillingCustomer)
        .where(col(BillingCustomer.account_id) == account_id)
        .values(due_at=actor.now + REFUSED_PAUSE)
    )
