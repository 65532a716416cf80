"""Reconciliation books what was missed, tells what differs, and is done by one process a day."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest

from app.integrations.stripe import StripeAway
from app.models import Invoice, StripeEvent, TopUpStatus
from app.money import MICRO
from app.resolvers.reconciliation import reconcile, reconcile_daily
from app.resolvers.sessions import clock
from tests.resolvers.shop import FIFTY, Shop, open_shop
from tests.scene import Scene
from tests.till import Till


@pytest.fixture
async def shop(scene: Scene) -> Shop:
    return await open_shop(scene, Till(at=await clock(scene.signed_out())))


async def test_what_no_webhook_brought_is_booked_once(shop: Shop) -> None:
    till, session = shop.till, shop.session
    till.pay(session)
    till.give_back(session, 1000)
    done = await reconcile(shop.owner)
    assert (done.sessions, done.events, done.problems) == (1, 3, [])
    assert done.repaired >= 1
    assert await shop.balance() == 40 * MICRO
    assert await shop.count(Invoice) == 1
    again = await reconcile(shop.owner)
    assert (again.repaired, await shop.balance()) == (0, 40 * MICRO)
    # The webhooks that come after all find it done.
    await shop.deliver(*till.events)
    assert await shop.count(StripeEvent) == 3
    assert await shop.balance() == 40 * MICRO
    await shop.scene.promises()


async def test_a_refund_that_was_overlooked_is_booked(shop: Shop) -> None:
    till = shop.till
    till.pay(shop.session)
    till.give_back(shop.session, 1000)
    refund, hidden = till.refunds.popitem()
    # Stripe's list is behind: the event is stored and takes nothing.
    await shop.deliver(*till.events)
    assert await shop.balance() == FIFTY
    till.refunds[refund] = hidden
    assert (await reconcile(shop.owner)).repaired == 1
    assert await shop.balance() == 40 * MICRO
    await shop.scene.promises()


async def test_what_differs_is_told_and_not_mended(
    shop: Shop, shift_clock: Callable[[timedelta], None]
) -> None:
    till, session = shop.till, shop.session
    await shop.deliver(till.pay(session))
    shift_clock(timedelta(hours=1))
    till.change(session, amount_total=4000)
    assert [one.code for one in (await reconcile(shop.owner)).problems] == ["mismatch"]
    till.checkouts.clear()
    codes = {one.code for one in (await reconcile(shop.owner)).problems}
    assert codes == {"mismatch", "credited_but_not_paid"}
    assert await shop.balance() == FIFTY


async def test_it_runs_once_a_day_whatever_the_number_of_processes(
    shop: Shop, shift_clock: Callable[[timedelta], None]
) -> None:
    async def all_processes() -> int:
        done = await asyncio.gather(*(reconcile_daily(shop.owner) for _ in range(4)))
        return sum(one is not None for one in done)

    assert await all_processes() == 0
    shop.till.pay(shop.session)
    shift_clock(timedelta(days=1, seconds=5))
    shop.till.away = True
    with pytest.raises(StripeAway):
        await reconcile_daily(shop.owner)
    shop.till.away = False
    # Whoever failed leaves it to others after an hour.
    assert await all_processes() == 0
    shift_clock(timedelta(hours=1, seconds=5))
    assert await all_processes() == 1
    assert await all_processes() == 0
    assert (await shop.balance(), await shop.status()) == (FIFTY, TopUpStatus.PAID)
