"""Billing details: whom invoices are made out to. They live at Stripe; here is the way to them."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlmodel import col

from app.access import Actor, Seat, Viewer, in_steps, reads, system
from app.actors import changes
from app.errors import Invalid, NotFound, Refusal
from app.ids import new_id
from app.integrations.stripe import Address, Customer, StripeRefused, TaxIdOf
from app.models import Account, BillingCustomer
from app.permissions import Permission
from app.resolvers.customers import with_customer
from app.text import clean_email

TEXT_LENGTH = 200
TAX_IDS = 5
COUNTRY = re.compile(r"[A-Z]{2}", re.ASCII)
TAX_TYPE = re.compile(r"[a-z]{2}_[a-z_]{2,20}", re.ASCII)
TAX_VALUE = re.compile(r"[A-Za-z0-9 ./-]{2,40}", re.ASCII)
FIELDS = {"email": "email", "name": "legalName", "address[country]": "country"}
"""What Stripe calls a field that it refuses, and what it is called here."""
ADDRESS = ("line1", "line2", "city", "postal_code", "state", "country")


@dataclass(frozen=True, slots=True)
class BillingDetails:
    """Whom invoices are made out to. What is None is not known, or is to be cleared."""

    legal_name: str | None = None
    email: str | None = None
    line1: str | None = None
    line2: str | None = None
    city: str | None = None
    postal_code: str | None = None
    state: str | None = None
    country: str | None = None
    tax_ids: tuple[TaxIdOf, ...] = ()

    @property
    def address(self) -> Address:
        """The postal part."""
        return Address(**{name: getattr(self, name) for name in ADDRESS})


@reads(Permission.VIEW_BILLING, on=Account)
async def billing_details(
    viewer: Viewer, seats: Mapping[UUID, Seat]
) -> dict[UUID, BillingDetails | Refusal]:
    """Ask Stripe whom an account's invoices are made out to; empty before its first need of Stripe.

    Raises `Unavailable`.
    """
    statement = select(col(BillingCustomer.account_id), col(BillingCustomer.customer)).where(
        col(BillingCustomer.account_id).in_(seats), col(BillingCustomer.customer).is_not(None)
    )
    found: dict[UUID, BillingDetails | Refusal] = dict.fromkeys(seats, BillingDetails())
    rows = await viewer.database.rows(statement)
    told = await asyncio.gather(*(_details_at_stripe(viewer, row.customer) for row in rows))
    return found | {row.account_id: one for row, one in zip(rows, told, strict=True)}


async def _details_at_stripe(viewer: Viewer, customer: str) -> BillingDetails | Refusal:
    try:
        return _details_of(await viewer.at_stripe.customer(customer))
    except NotFound:
        # Deleted at Stripe: the next need makes another one.
        return BillingDetails()
    except Refusal as refusal:
        return refusal


def _details_of(customer: Customer) -> BillingDetails:
    address = customer.address or Address()
    return BillingDetails(
        legal_name=customer.name or None,
        email=customer.email or None,
        tax_ids=tuple(customer.tax_ids),
        **{name: getattr(address, name) for name in ADDRESS},
    )


@reads(Permission.MANAGE_BILLING, on=Account)
async def managed_account(viewer: Viewer, seats: Mapping[UUID, Seat]) -> dict[UUID, Seat]:
    """Find an account whose billing the viewer may change."""
    del viewer
    return dict(seats)


@in_steps
async def open_billing_portal(viewer: Viewer, account_id: UUID) -> str:
    """Open Stripe's billing portal; its address works for some minutes.

    Raises `NotFound`, `Forbidden`, `Unavailable`, `StripeRefused`.
    """
    place = await managed_account(viewer, account_id)
    back = f"{viewer.settings.base_url}/a/{place.slug}/billing"
    return await with_customer(
        viewer,
        account_id,
        lambda customer: viewer.at_stripe.portal_session(customer, back, f"portal:{new_id()}"),
    )


@in_steps
async def update_billing_details(
    viewer: Viewer, account_id: UUID, news: Mapping[str, Any]
) -> BillingDetails:
    """Change the details by name: what is left out stays, None clears; `tax_ids` are a list of `TaxIdOf`.

    Raises `Invalid`, also for what Stripe does not accept, `NotFound`, `Forbidden`, `Unavailable`.
    """
    given = _checked(viewer, news)
    await managed_account(viewer, account_id)
    return await with_customer(
        viewer, account_id, lambda customer: _update(viewer, account_id, customer, given)
    )


async def _update(
    viewer: Viewer, account_id: UUID, customer: str, given: Mapping[str, Any]
) -> BillingDetails:
    before = _details_of(await viewer.at_stripe.customer(customer))
    after = replace(before, **given)
    if after != before:
        await _change_at_stripe(viewer, customer, before, after)
        await _details_changed(viewer, account_id, _plain(before), _plain(after))
    return after


async def _change_at_stripe(
    viewer: Viewer, customer: str, before: BillingDetails, after: BillingDetails
) -> None:
    """Tax ids first, since Stripe checks them; where it then refuses the rest, they are as before."""
    stripe = viewer.at_stripe
    if after.tax_ids != before.tax_ids:
        try:
            await stripe.set_tax_ids(customer, after.tax_ids)
        except StripeRefused as refused:
            if refused.reason != "tax_id_invalid":
                raise
            raise Invalid(taxIds="Stripe does not accept this tax id.") from None
    try:
        await stripe.update_customer(
            customer,
            name=after.legal_name or "",
            email=after.email or "",
            address=after.address,
            idempotency_key=f"details:{new_id()}",
        )
    except StripeRefused as refused:
        if after.tax_ids != before.tax_ids:
            await stripe.set_tax_ids(customer, before.tax_ids)
        field = FIELDS.get(refused.param or "")
        if field is None:
            raise
        raise Invalid(**{field: "Stripe does not accept this."}) from None


def _checked(viewer: Viewer, news: Mapping[str, Any]) -> dict[str, Any]:
    """Check what was given before anything is asked. Raises `Invalid` with the contract's names of fields."""
    known = {one.name for one in fields(BillingDetails)}
    given: dict[str, Any] = {name: value or None for name, value in news.items() if name in known}
    for name, value in given.items():
        if isinstance(value, str) and (len(value) > TEXT_LENGTH or not value.isprintable()):
            raise Invalid(**{_camel(name): f"Write at most {TEXT_LENGTH} visible characters."})
    if given.get("email"):
        given["email"] = clean_email(given["email"], test_addresses=viewer.settings.sandbox)
    if given.get("country") and not COUNTRY.fullmatch(given["country"]):
        raise Invalid(country="Write a country as two capital letters, such as DE (ISO 3166-1).")
    if "tax_ids" in given:
        given["tax_ids"] = _checked_tax_ids(given["tax_ids"] or ())
    return given


def _checked_tax_ids(given: Any) -> tuple[TaxIdOf, ...]:
    if len(given) > TAX_IDS:
        raise Invalid(taxIds=f"Give at most {TAX_IDS} tax ids.")
    for one in given:
        if not (TAX_TYPE.fullmatch(one.type) and TAX_VALUE.fullmatch(one.value)):
            raise Invalid(taxIds='Give a kind such as "eu_vat" and its number.')
    return tuple(dict.fromkeys(given))


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def _plain(details: BillingDetails) -> dict[str, Any]:
    plain = {one.name: getattr(details, one.name) for one in fields(details)}
    plain["tax_ids"] = [f"{one.type} {one.value}" for one in details.tax_ids]
    return plain


@system
async def _details_changed(
    actor: Actor, account_id: UUID, before: dict[str, Any], after: dict[str, Any]
) -> None:
    """Leave the audit event of what Stripe has been told."""
    account = (
        await actor.session.execute(select(Account).where(col(Account.id) == account_id))
    ).scalar_one()
    old, new = changes(before, after)
    actor.record(
        account,
        name=account.name,
        account_id=account_id,
        before=old,
        after=new,
        action="update_billing_details",
    )
