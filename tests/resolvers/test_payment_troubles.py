"""Payments that are not what we asked for, and services that fail half-way: nothing is booked twice or lost."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies
from sqlalchemy import select
from sqlmodel import col

from app.errors import CapReached, Forbidden, Invalid, Unavailable
from app.integrations.stripe import API_VERSION, Checkout, StripeAway
from app.models import (
    LedgerAccount,
    Reversal,
    ReversalKind,
    StripeEvent,
    TopUp,
    TopUpStatus,
    Transfer,
)
from app.money import MICRO
from app.resolvers import payments, top_ups
from app.resolvers._asking import facts_of
from app.resolvers._reversals import _credits_of
from app.resolvers.customers import customer_of, keep_customers_in_step
from app.resolvers.organizations import (
    dissolve_organization,
    rename_organization,
    transfer_ownership,
)
from app.resolvers.payments import Outcome
from tests.ledger.books import use
from tests.resolvers.shop import FIFTY, Shop, open_shop
from tests.scene import Scene
from tests.till import NOW, Till


@pytest.fixture
async def shop(scene: Scene) -> Shop:
    return await open_shop(scene, Till())


@pytest.mark.parametrize(
    ("news", "outcome", "status", "problems"),
    [
        ({"amount_subtotal": 100}, Outcome.REFUSED, TopUpStatus.OPEN, ["mismatch"]),
        ({"currency": "jpy"}, Outcome.REFUSED, TopUpStatus.OPEN, ["mismatch"]),
        ({"customer": "cus_other"}, Outcome.REFUSED, TopUpStatus.OPEN, ["mismatch"]),
        ({"livemode": True}, Outcome.REFUSED, TopUpStatus.OPEN, ["mismatch"]),
        ({"metadata": {}}, Outcome.REFUSED, TopUpStatus.OPEN, ["mismatch"]),
        ({"payment_status": "unpaid"}, Outcome.MOVED, TopUpStatus.PROCESSING, []),
        ({"payment_status": "no_payment_required"}, Outcome.MOVED, TopUpStatus.PROCESSING, []),
        ({"status": "expired"}, Outcome.MOVED, TopUpStatus.EXPIRED, []),
        ({"status": "open"}, Outcome.SAME, TopUpStatus.OPEN, []),
    ],
    ids=str,
)
async def test_a_session_that_is_not_what_we_asked_for_or_not_paid_credits_nothing(
    shop: Shop, news: dict[str, Any], outcome: Outcome, status: TopUpStatus, problems: list[str]
) -> None:
    event = shop.till.pay(shop.session)
    shop.till.change(shop.session, **news)
    again = shop.till.event("checkout.session.async_payment_succeeded", {"id": shop.session})
    assert (await shop.deliver(event))[0] is outcome
    await shop.deliver(again)
    assert (await shop.balance(), await shop.count(Transfer)) == (0, 0)
    assert await shop.status() is status
    assert await shop.problems() == problems
    await shop.scene.promises()


async def test_sessions_that_nobody_of_us_asked_for_credit_nobody(scene: Scene, shop: Shop) -> None:
    till = shop.till
    other = await open_shop(scene, till, name="bob")
    copied = replace(till.checkouts[other.session], id="cs_test_901")
    strange = replace(copied, id="cs_test_902", metadata={}, customer="cus_stranger")
    own = replace(copied, id="cs_test_903", metadata={})
    till.checkouts |= {one.id: one for one in (copied, strange, own)}
    outcomes = await shop.deliver(*(till.pay(one.id) for one in (copied, strange, own)))
    assert outcomes == [Outcome.REFUSED, Outcome.FOREIGN, Outcome.FOREIGN]
    assert await shop.count(Transfer) == 0
    assert await shop.problems() == ["mismatch", "unknown_session"]


async def test_a_delayed_payment_credits_when_it_comes_even_after_it_was_given_up(
    shop: Shop,
) -> None:
    till, session = shop.till, shop.session
    pending = till.pay(session, delayed=True)
    failed = till.event("checkout.session.async_payment_failed", {"id": session})
    await shop.deliver(failed, pending)
    assert await shop.status() is TopUpStatus.FAILED
    assert await shop.balance() == 0
    await shop.deliver(till.arrive(session))
    assert (await shop.balance(), await shop.status()) == (FIFTY, TopUpStatus.PAID)
    await shop.scene.promises()


async def test_taxes_buy_no_credits_and_go_back_in_proportion(shop: Shop) -> None:
    till, session = shop.till, shop.session
    await shop.deliver(till.pay(session, tax=950), till.give_back(session, 2975))
    assert await shop.balance() == 25 * MICRO
    await shop.deliver(till.give_back(session, 2975))
    assert await shop.balance() == 0
    await shop.scene.promises()


async def test_a_refund_and_a_dispute_of_what_is_spent_leave_a_negative_balance(
    shop: Shop,
) -> None:
    till, session = shop.till, shop.session
    await shop.deliver(till.pay(session))
    await use(shop.scene.database, shop.account_id, (40 * MICRO,))
    inquiry = till.dispute(session, 5000, status="warning_needs_response")
    await shop.deliver(inquiry)
    assert await shop.balance() == 10 * MICRO
    await shop.deliver(till.close(next(iter(till.disputes)), "needs_response"))
    assert await shop.balance() == -40 * MICRO
    await shop.deliver(till.close(next(iter(till.disputes)), "strange"))
    assert await shop.problems() == ["unforeseen_state"]
    await shop.deliver(till.close(next(iter(till.disputes)), "won"))
    assert await shop.balance() == 10 * MICRO
    await shop.deliver(till.close(next(iter(till.disputes)), "needs_response"))
    assert await shop.balance() == 10 * MICRO
    await shop.scene.promises()


async def test_what_is_paid_after_dissolving_is_booked_to_dissolved_and_told(shop: Shop) -> None:
    till, session = shop.till, shop.session
    await dissolve_organization(shop.owner, shop.account_id, "Acme of ann")
    await shop.deliver(till.pay(session), till.give_back(session, 1000))
    rows = await shop.scene.database.rows(
        select(col(Transfer.debit), col(Transfer.credit), col(Transfer.amount_micro)).order_by(
            col(Transfer.id)
        )
    )
    side = LedgerAccount
    assert [tuple(row) for row in rows] == [
        (side.STRIPE, side.DISSOLVED, FIFTY),
        (side.DISSOLVED, side.REFUNDS, 10 * MICRO),
    ]
    assert await shop.balance() == 0
    assert await shop.problems() == ["after_dissolving"]
    await shop.scene.promises()


@pytest.mark.parametrize("crash", ["before", "after"])
async def test_a_crash_before_or_after_the_commit_and_then_a_repetition_credit_once(
    shop: Shop, crash: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = shop.till.pay(shop.session)
    whole = payments.settle

    async def broken(*given: Any) -> Any:
        if crash == "after":
            await whole(*given)
        raise RuntimeError("the handler fails once")

    monkeypatch.setattr(payments, "settle", broken)
    with pytest.raises(RuntimeError):
        await shop.deliver(event)
    # Neither the event nor its effect is stored without the other.
    assert (await shop.count(StripeEvent), await shop.balance()) == (0, 0)
    monkeypatch.setattr(payments, "settle", whole)
    # The first answer is lost after the commit, so Stripe sends it again.
    assert await shop.deliver(event, event) == [Outcome.MOVED, Outcome.SAME]
    assert (await shop.count(StripeEvent), await shop.balance()) == (1, FIFTY)
    await shop.scene.promises()


async def test_what_the_signed_copy_says_for_good_needs_no_asking(shop: Shop) -> None:
    till = shop.till
    asked = till.pay(shop.session)
    paid = till.checkouts[shop.session]
    whole = {name: getattr(paid, name) for name in Checkout.__slots__} | {
        "created": int(paid.created.timestamp()),
        "expires_at": int(paid.expires_at.timestamp()),
    }
    till.away = True
    for version, copy in (
        ("2020-08-27", whole),
        (API_VERSION, {**whole, "payment_status": "unpaid"}),
        (API_VERSION, {**whole, "amount_total": None, "created": "soon"}),
    ):
        with pytest.raises(StripeAway):
            await shop.deliver(replace(asked, api_version=version, object=copy))
    assert await shop.balance() == 0
    await shop.deliver(replace(asked, api_version=API_VERSION, object=whole))
    assert await shop.balance() == FIFTY
    await shop.scene.promises()


async def test_while_stripe_is_away_nothing_is_half_done(shop: Shop) -> None:
    event = shop.till.pay(shop.session)
    shop.till.away = True
    with pytest.raises(StripeAway):
        await shop.deliver(event)
    with pytest.raises(Unavailable):
        await payments.land(shop.owner, shop.top_up_id)
    with pytest.raises(StripeAway):
        await top_ups.create_top_up(shop.owner, shop.account_id, FIFTY)
    rows = await shop.scene.database.rows(
        select(col(TopUp.status), col(TopUp.session)).order_by(col(TopUp.created_at))
    )
    assert [tuple(row) for row in rows][1:] == [(TopUpStatus.EXPIRED, None)]
    assert (await shop.count(StripeEvent), await shop.balance()) == (0, 0)
    shop.till.away = False
    await shop.deliver(event)
    await top_ups.create_top_up(shop.owner, shop.account_id, FIFTY)
    assert await shop.balance() == FIFTY
    await shop.scene.promises()


async def test_a_start_that_was_cut_off_ends_and_a_payment_of_it_counts_all_the_same(
    shop: Shop, shift_clock: Callable[[timedelta], None]
) -> None:
    """The process died between Stripe's answer and our next commit."""
    async with shop.scene.database.write() as session:
        top_up = await session.get(TopUp, shop.top_up_id)
        assert top_up is not None
        top_up.session = top_up.url = None
    us = shop.owner.as_system()
    assert await top_ups.end_lost_top_ups(us) == 0
    shift_clock(timedelta(hours=2))
    assert await top_ups.end_lost_top_ups(us) == 1
    assert await shop.status() is TopUpStatus.EXPIRED
    await shop.deliver(shop.till.pay(shop.session))
    assert (await shop.status(), await shop.balance()) == (TopUpStatus.PAID, FIFTY)
    await shop.scene.promises()


@pytest.mark.parametrize(
    "micro", [0, -FIFTY, 4_999_999, 10_001 * MICRO, 5_000_001, 5_005_000], ids=str
)
async def test_amounts_out_of_bounds_or_of_broken_cents_are_refused(shop: Shop, micro: int) -> None:
    before, asked = await shop.scene.snapshot(), len(shop.till.asked)
    with pytest.raises(Invalid):
        await top_ups.create_top_up(shop.owner, shop.account_id, micro)
    assert await shop.scene.snapshot() == before
    assert len(shop.till.asked) == asked


async def test_a_member_buys_nothing_and_waiting_top_ups_have_a_cap(shop: Shop) -> None:
    bob = replace(await shop.scene.person("bob"), stripe=shop.till)
    await shop.scene.join(shop.account_id, bob)
    few = shop.owner.settings.model_copy(update={"top_up_cap": 1})
    before = await shop.scene.snapshot()
    with pytest.raises(Forbidden):
        await top_ups.create_top_up(bob, shop.account_id, FIFTY)
    with pytest.raises(CapReached):
        await top_ups.create_top_up(replace(shop.owner, settings=few), shop.account_id, FIFTY)
    assert await shop.scene.snapshot() == before


async def test_an_account_has_one_customer_whose_name_and_e_mail_are_kept_in_step(
    shop: Shop,
) -> None:
    scene, till = shop.scene, shop.till
    many = await asyncio.gather(*(customer_of(shop.owner, shop.account_id) for _ in range(5)))
    assert set(many) == set(till.customers) == {"cus_1"}
    assert (till.customers["cus_1"].name, till.customers["cus_1"].email) == (
        "Acme of ann",
        "ann@example.com",
    )
    bob = await scene.person("bob")
    member_id = await scene.join(shop.account_id, bob)
    await rename_organization(shop.owner, shop.account_id, "Acme Ltd.")
    await transfer_ownership(scene.fresh(shop.owner), shop.account_id, member_id)
    assert await keep_customers_in_step(shop.owner) == 1
    assert await keep_customers_in_step(shop.owner) == 0
    assert (till.customers["cus_1"].name, till.customers["cus_1"].email) == (
        "Acme Ltd.",
        "bob@example.com",
    )
    # What finance wrote at Stripe itself is theirs.
    till.customers["cus_1"] = replace(till.customers["cus_1"], name="Acme Holding")
    await rename_organization(scene.fresh(bob), shop.account_id, "Acme Inc.")
    await keep_customers_in_step(shop.owner)
    assert till.customers["cus_1"].name == "Acme Holding"


async def test_an_answer_from_before_the_end_takes_nothing_when_it_comes_after_it(
    shop: Shop,
) -> None:
    """Stripe was asked in one order, and its answers are applied in the other."""
    till, us = shop.till, shop.owner.as_system()
    await shop.deliver(till.pay(shop.session))
    for begin, end in (
        (lambda: till.give_back(shop.session, 2000, "pending"), "failed"),
        (lambda: till.dispute(shop.session, 5000), "won"),
    ):
        created = begin()
        stale = await facts_of(till, created)
        await shop.deliver(till.close(created.object["id"], end))
        await payments.apply_events(us, [payments.Taken(us, created, "{}", stale)])
        assert await shop.balance() == FIFTY
    await shop.deliver(till.dispute(shop.session, 5000, "appeal_under_review"))
    assert await shop.balance() == 0
    await shop.scene.promises()


async def test_a_second_session_with_our_words_on_it_takes_nothing_from_the_first(
    shop: Shop,
) -> None:
    till = shop.till
    await shop.deliver(till.pay(shop.session))
    till.checkouts["cs_test_77"] = replace(
        till.checkouts[shop.session], id="cs_test_77", payment_intent="pi_77"
    )
    assert await shop.deliver(till.give_back("cs_test_77", 5000)) == [Outcome.REFUSED]
    assert (await shop.balance(), await shop.problems()) == (FIFTY, ["mismatch"])


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    strategies.integers(1, 10**10),
    strategies.integers(1, 10**6),
    strategies.lists(strategies.tuples(strategies.integers(1, 10**6), strategies.booleans())),
)
def test_refunds_of_a_whole_payment_take_exactly_its_credits(
    micro: int, paid: int, refunds: list[tuple[int, bool]]
) -> None:
    top_up = TopUp(amount_micro=micro, price_minor=paid, paid_minor=paid)
    known: list[Reversal] = []
    left = paid

    def refund(minor: int, *, fails: bool) -> None:
        credits_ = _credits_of(top_up, ReversalKind.REFUND, minor, known)
        assert credits_ >= 0
        known.append(
            Reversal(
                id=str(len(known)),
                kind=ReversalKind.REFUND,
                amount_minor=minor,
                amount_micro=credits_,
                returned_at=NOW if fails else None,
            )
        )

    for minor, fails in refunds:
        if minor < left:
            refund(minor, fails=fails)
            left -= 0 if fails else minor
    refund(left, fails=False)
    assert sum(one.amount_micro for one in known if one.returned_at is None) == micro
