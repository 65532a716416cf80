"""Customers that are deleted at Stripe, and ids as long as Stripe's may be: what was bought before still counts."""

from dataclasses import replace

import pytest
from sqlalchemy import select
from sqlmodel import col

from app.errors import NotFound
from app.models import BillingCustomer, Invoice, StripeEvent, TopUp, TopUpStatus
from app.money import MICRO
from app.resolvers import top_ups
from app.resolvers.customers import with_customer
from app.resolvers.payments import Outcome
from tests.resolvers.shop import FIFTY, Shop, open_shop
from tests.scene import Scene
from tests.till import Till


@pytest.fixture
async def shop(scene: Scene) -> Shop:
    return await open_shop(scene, Till())


async def _customer(shop: Shop) -> tuple[str | None, int]:
    columns = (col(BillingCustomer.customer), col(BillingCustomer.generation))
    row = await shop.scene.database.row(select(*columns))
    assert row is not None
    return row[0], row[1]


async def test_what_was_bought_before_the_customer_was_deleted_counts_and_goes_back_as_before(
    shop: Shop,
) -> None:
    till = shop.till
    await shop.deliver(till.pay(shop.session))
    await top_ups.create_top_up(shop.owner, shop.account_id, FIFTY)
    late = next(reversed(till.checkouts))
    till.customers.clear()
    await top_ups.create_top_up(shop.owner, shop.account_id, FIFTY)
    again = next(reversed(till.checkouts))
    made = till.checkouts[again].customer
    assert list(till.customers) == [made]
    assert await _customer(shop) == (made, 2)
    # Paid just before the deletion, told of after it.
    assert await shop.deliver(till.pay(late), till.pay(again)) == [Outcome.MOVED] * 2
    assert await shop.balance() == 3 * FIFTY
    await shop.deliver(till.give_back(shop.session, 2000), till.dispute(late, 5000))
    assert await shop.balance() == 80 * MICRO
    await shop.deliver(*till.events)
    assert (await shop.balance(), await shop.problems()) == (80 * MICRO, [])
    # Each invoice is one of the account's, with its top-up.
    rows = await shop.scene.database.rows(select(col(Invoice.account_id), col(Invoice.top_up_id)))
    assert {row[0] for row in rows} == {shop.account_id}
    assert len({row[1] for row in rows} - {None}) == 3
    await shop.scene.promises()


async def test_another_customer_than_a_top_up_was_opened_for_pays_nothing(shop: Shop) -> None:
    till = shop.till
    till.customers.clear()
    await top_ups.create_top_up(shop.owner, shop.account_id, FIFTY)
    made, _generation = await _customer(shop)
    till.change(shop.session, customer=made)
    assert await shop.deliver(till.pay(shop.session)) == [Outcome.REFUSED]
    assert (await shop.balance(), await shop.status()) == (0, TopUpStatus.OPEN)
    assert await shop.problems() == ["mismatch"]


async def test_only_the_customer_itself_missing_says_that_it_was_deleted(shop: Shop) -> None:
    before = await shop.scene.snapshot()

    async def work(_customer: str) -> None:
        raise NotFound

    with pytest.raises(NotFound):
        await with_customer(shop.owner, shop.account_id, work)
    assert await shop.scene.snapshot() == before
    shop.till.customers.clear()
    with pytest.raises(NotFound):
        await with_customer(shop.owner, shop.account_id, work)
    assert (await _customer(shop))[1] == 2


async def test_what_guests_pay_elsewhere_is_none_of_ours_whoever_has_no_customer_yet(
    scene: Scene, shop: Shop
) -> None:
    """Two accounts are without one: Stripe was never, or not yet, asked for it."""
    till = shop.till
    await open_shop(scene, till, name="bob")
    async with scene.database.write() as session:
        for row in (await session.execute(select(BillingCustomer))).scalars():
            row.customer = None
    guest = till.change(shop.session, customer=None, metadata={}).id
    till.checkouts["cs_test_guest"] = till.checkouts.pop(guest)
    till.change("cs_test_guest", id="cs_test_guest")
    assert await shop.deliver(till.pay("cs_test_guest"), *till.events) == [
        *(Outcome.FOREIGN, Outcome.SAME, Outcome.SAME)
    ]
    assert (await shop.balance(), await shop.count(Invoice), await shop.problems()) == (0, 0, [])


async def test_ids_as_long_as_stripe_allows_are_kept(shop: Shop) -> None:
    till = shop.till
    paid = till.change(shop.session, id="cs_test_".ljust(255, "9"))
    till.checkouts[paid.id] = paid
    async with shop.scene.database.write() as session:
        row = await session.get(TopUp, shop.top_up_id)
        assert row is not None
        row.session = paid.id
    await shop.deliver(till.pay(paid.id))
    assert await shop.balance() == FIFTY
    till.give_back(paid.id, 1000)
    long = "re_".ljust(255, "7")
    till.refunds[long] = refund = replace(till.refunds.popitem()[1], id=long)
    told = till.event("refund.created", {"id": long, "payment_intent": refund.payment_intent})
    await shop.deliver(told)
    assert await shop.balance() == 40 * MICRO
    await shop.deliver(till.close(long, "failed"))
    assert await shop.balance() == FIFTY
    assert await shop.count(StripeEvent) == 3
    await shop.scene.promises()
