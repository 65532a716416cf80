"""The stand-in for Stripe, asked by our own client: payments and what becomes of them, held to Stripe's own description."""

import asyncio
import json
from pathlib import Path

import pytest
import stripe

from app.errors import NotFound
from app.integrations.stripe import Address, StripeRefused, TaxIdOf
from tests.sandbox.stripe_stage import AT, KINDS, OURS, Stage, stripe_stage
from tests.sandbox.stripe_types import as_wire, problems

EXAMPLES = json.loads((Path(__file__).parent / "stripe_fixtures.json").read_text())
# The examples are three months older than the types.
NEWER = {"dispute.evidence_details.submission_method is missing"}
OLDER = {"invoice.subscription is not described"}


async def _one_of_each(stage: Stage) -> None:
    """Make every call of ours once, and every kind of event."""
    desk = stage.stripe
    paid = await stage.paid()
    customer, payment = paid.customer or "", paid.payment_intent or ""
    await desk.update_customer(
        customer, name="Acme Inc.", address=Address(country="DE"), idempotency_key="u"
    )
    await desk.set_tax_ids(customer, [TaxIdOf("eu_vat", "DE123456789")])
    await desk.set_tax_ids(customer, [])
    await desk.customer(customer)
    await stage.move(payment, "refund", amount="100")
    (refund,) = await desk.refunds_of(payment)
    await stage.move(payment, "refund_fails", about=refund.id)
    await stage.move(payment, "dispute")
    (dispute,) = await desk.disputes_of(payment)
    await stage.move(payment, "won", about=dispute.id)
    await desk.refund(refund.id)
    await desk.dispute(dispute.id)
    await desk.checkout_of_payment(payment)
    await desk.invoice(paid.invoice or "")
    [one async for one in desk.invoices_of(customer)]
    [one async for one in desk.events_since(AT)]
    [one async for one in desk.checkouts_since(AT)]
    await desk.portal_session(customer, "https://r9s.example/back", "p")
    other = await desk.create_checkout(stage.order(customer, idempotency_key="other"))
    await desk.expire_checkout(other.id)
    for outcome in ("arrives", "fails"):
        waiting = await stage.paid("delayed", key=outcome)
        await stage.move(waiting.payment_intent, outcome)


@pytest.mark.parametrize("tax", [False, True])
async def test_every_call_and_every_answer_is_as_stripe_describes_it(*, tax: bool) -> None:
    async with stripe_stage(stripe_tax=tax, stripe_promotion_codes=tax) as stage:
        await _one_of_each(stage)
        assert {one.operation for one in stage.calls} == OURS.keys(), "each is held to it"
        assert stage.problems() == []
        versions = {one.headers["stripe-version"] for one in stage.calls}
        assert versions == {stripe._api_version._ApiVersion.CURRENT}


async def test_the_description_is_one() -> None:
    for kind in (*KINDS, stripe.Event, stripe.billing_portal.Session, stripe.InvoicePayment):
        found = set(problems(EXAMPLES[kind.OBJECT_NAME], kind, kind.OBJECT_NAME))
        assert found <= NEWER | OLDER, "Stripe's own examples pass"
    asked = OURS["POST", "checkout/sessions"][0]
    right = {"mode": "payment", "line_items": [{"quantity": "1"}], "allow_promotion_codes": "true"}
    assert not list(problems(as_wire(right), asked))
    for wrong in ({"mode": "pay"}, {"line_items": [{"quantity": "one"}]}, {"unheard": "of"}):
        assert list(problems(as_wire(right | wrong), asked)), wrong


async def test_an_answer_has_the_fields_of_stripes_own_examples(stage: Stage) -> None:
    await _one_of_each(stage)
    kinds = {kind.OBJECT_NAME for kind in KINDS} | {"event", "billing_portal.session"}
    answers = [one.json() for one in stage.calls if one.status == 200]
    objects = [each for one in answers for each in one.get("data", [one])]
    for one in objects:
        if "deleted" not in one:
            expected = EXAMPLES[one["object"]].keys()
            assert expected - one.keys() <= {"subscription"}, one["object"]
            kinds.discard(one["object"])
    assert not kinds, "of each kind there was one"


async def test_fifty_credits_are_paid(stage: Stage) -> None:
    customer = await stage.customer()
    made = await stage.stripe.create_checkout(stage.order(customer))
    assert (made.status, made.payment_status) == ("open", "unpaid")
    assert (made.amount_subtotal, made.amount_total, made.currency) == (5000, 5000, "usd")
    assert made.metadata == {"account_id": "acc", "top_up_id": "top"}
    assert (made.created, made.livemode) == (AT, False)
    page = await stage.visit(made.url or "")
    assert "50 credits" in page.text
    assert "50.00 USD" in page.text
    assert ">Pay</button>" in page.text
    assert ">Cancel</button>" in page.text
    answer = await stage.visit(made.url or "", outcome="paid")
    assert answer.headers["location"] == f"https://r9s.example/back?session={made.id}"
    paid = await stage.stripe.checkout(made.id)
    assert (paid.status, paid.payment_status, paid.url) == ("complete", "paid", None)
    assert await stage.stripe.checkout_of_payment(paid.payment_intent or "") == paid
    invoice = await stage.stripe.invoice(paid.invoice or "")
    assert (invoice.status, invoice.total, invoice.tax) == ("paid", 5000, None)
    assert invoice.payment_intent == paid.payment_intent
    assert invoice.metadata == {"account_id": "acc", "top_up_id": "top"}
    assert [one async for one in stage.stripe.invoices_of(customer)] == [invoice]
    # Paid once, and never again.
    assert (await stage.visit(made.url or "x", outcome="paid")).status_code in (404, 410)
    with pytest.raises(StripeRefused):
        await stage.stripe.expire_checkout(made.id)


async def test_a_declined_card_and_a_cancelled_page_charge_nothing(stage: Stage) -> None:
    made = await stage.stripe.create_checkout(stage.order(await stage.customer()))
    declined = await stage.visit(made.url or "", outcome="declined")
    assert declined.status_code == 422
    assert "Your card was declined." in declined.text
    cancelled = await stage.visit(made.url or "", cancel="1")
    assert cancelled.headers["location"] == "https://r9s.example/cancelled"
    assert await stage.stripe.checkout(made.id) == made
    assert (await stage.visit(made.url or "", outcome="paid")).status_code == 303


async def test_a_delayed_payment_arrives_or_does_not(stage: Stage) -> None:
    for what, payment_status, kind in (
        ("arrives", "paid", "checkout.session.async_payment_succeeded"),
        ("fails", "unpaid", "checkout.session.async_payment_failed"),
    ):
        waiting = await stage.paid("delayed", key=what)
        assert (waiting.status, waiting.payment_status) == ("complete", "unpaid")
        assert waiting.invoice is None
        assert (await stage.move(waiting.payment_intent, what)).status_code == 303
        ended = await stage.stripe.checkout(waiting.id)
        assert ended.payment_status == payment_status
        assert (ended.invoice is None) is (what == "fails")
        newest = await anext(stage.stripe.events_since(AT))
        assert (newest.type, newest.object["id"]) == (kind, waiting.id)
        assert (await stage.move(waiting.payment_intent, what)).status_code == 400


async def test_money_is_given_back_in_parts_and_never_more_than_was_paid(stage: Stage) -> None:
    payment = (await stage.paid()).payment_intent or ""
    for amount in ("2000", "3000"):
        await stage.move(payment, "refund", amount=amount)
    found = await stage.stripe.refunds_of(payment)
    assert [(one.amount, one.status) for one in found] == [
        (3000, "succeeded"),
        (2000, "succeeded"),
    ]
    for amount in ("1", "0", "-5", "much"):
        assert (await stage.move(payment, "refund", amount=amount)).status_code == 400
    assert await stage.stripe.refunds_of(payment) == found
    # A refund that fails is the seller's money again.
    await stage.move(payment, "refund_fails", about=found[0].id)
    assert (await stage.stripe.refund(found[0].id)).status == "failed"
    assert (await stage.move(payment, "refund", amount="3000")).status_code == 303


async def test_a_payment_is_disputed_and_the_dispute_decided(stage: Stage) -> None:
    told = []
    for what, end, status in (
        ("dispute", "won", "won"),
        ("dispute", "lost", "lost"),
        ("inquiry", "lost", "warning_closed"),
    ):
        payment = (await stage.paid(key=end + what)).payment_intent or ""
        await stage.move(payment, what)
        (one,) = await stage.stripe.disputes_of(payment)
        assert await anext(stage.stripe.disputes_since(AT)) == one
        assert one.status.endswith("needs_response")
        refunded = await stage.move(payment, "refund", amount="100")
        assert refunded.status_code == (303 if what == "inquiry" else 400)
        assert one.amount == 5000
        await stage.move(payment, end, about=one.id)
        assert (await stage.stripe.dispute(one.id)).status == status
        assert (await stage.move(payment, end, about=one.id)).status_code == 400
        told.append(
            [e.type async for e in stage.stripe.events_since(AT) if e.object["id"] == one.id]
        )
    names = [[kind.removeprefix("charge.dispute.") for kind in kinds] for kinds in told]
    assert names == [
        ["funds_reinstated", "closed", "funds_withdrawn", "created"],
        ["closed", "funds_withdrawn", "created"],
        ["closed", "created"],
    ]


async def test_taxes_come_on_top_and_promotions_off() -> None:
    async with stripe_stage(stripe_tax=True, stripe_promotion_codes=True) as stage:
        taxed = await stage.paid(key="taxed")
        assert (taxed.amount_subtotal, taxed.amount_total) == (5000, 6000)
        invoice = await stage.stripe.invoice(taxed.invoice or "")
        assert (invoice.subtotal, invoice.tax, invoice.total) == (5000, 1000, 6000)
        cheaper = await stage.paid(key="cheaper", promotion="save10")
        assert (cheaper.amount_subtotal, cheaper.amount_total) == (5000, 5400)
        free = await stage.paid(key="free", promotion="FREE")
        assert (free.amount_total, free.payment_status) == (0, "no_payment_required")
        assert free.payment_intent is None


async def test_the_same_key_is_the_same_session_and_no_other(stage: Stage) -> None:
    customer = await stage.customer()
    order = stage.order(customer)
    made = await asyncio.gather(*(stage.stripe.create_checkout(order) for _click in range(20)))
    assert len({one.id for one in made}) == 1
    with pytest.raises(StripeRefused):
        await stage.stripe.create_checkout(stage.order(customer, amount=9900))
    assert len([one async for one in stage.stripe.checkouts_since(AT)]) == 1


async def test_an_open_page_ends_after_a_day(stage: Stage) -> None:
    made = await stage.stripe.create_checkout(stage.order(await stage.customer()))
    stage.clock.pass_by(hours=23, minutes=59)
    assert (await stage.stripe.checkout(made.id)).status == "open"
    stage.clock.pass_by(minutes=1)
    assert (await stage.visit(made.url or "", outcome="paid")).status_code == 410
    assert (await stage.stripe.checkout(made.id)).status == "expired"
    (event,) = [one async for one in stage.stripe.events_since(AT)]
    assert event.type == "checkout.session.expired"


async def test_a_list_is_read_to_its_end(stage: Stage) -> None:
    payment = (await stage.paid()).payment_intent or ""
    for _refund in range(230):
        stage.world.refund(AT, stage.world.get("payment", payment), 1)
    assert len(await stage.stripe.refunds_of(payment)) == 230
    assert len([one async for one in stage.stripe.events_since(AT)]) == 232
    assert len([one async for one in stage.stripe.refunds_since(AT)]) == 230
    stage.clock.pass_by(seconds=1)
    for listed in (stage.stripe.events_since, stage.stripe.refunds_since):
        assert [one async for one in listed(stage.clock.at)] == []


async def test_whom_invoices_are_made_out_to(stage: Stage) -> None:
    customer = await stage.customer()
    address = Address(line1="Main St 1", city="Berlin", postal_code="10115", country="DE")
    changed = await stage.stripe.update_customer(
        customer, name="Acme Inc.", address=address, idempotency_key="1"
    )
    assert (changed.name, changed.email, changed.address) == (
        "Acme Inc.",
        "a@example.com",
        address,
    )
    two = [TaxIdOf("eu_vat", "DE123456789"), TaxIdOf("us_ein", "12-3456789")]
    await stage.stripe.set_tax_ids(customer, two)
    with pytest.raises(StripeRefused) as refused:
        await stage.stripe.set_tax_ids(
            customer, [TaxIdOf("ch_vat", "CHE-123456789 MWST"), TaxIdOf("gb_vat", "wrong")]
        )
    assert (refused.value.reason, refused.value.param) == ("tax_id_invalid", "value")
    assert (await stage.stripe.customer(customer)).tax_ids == two, "as they were"
    fewer = (stage.stripe.set_tax_ids(customer, two[:1]) for _click in range(5))
    await asyncio.gather(*fewer)
    paid = await stage.paid()
    invoice = stage.world.get("invoice", paid.invoice)
    assert invoice["customer_name"] == "Acme Inc."
    assert invoice["customer_tax_ids"] == [{"type": "eu_vat", "value": "DE123456789"}]
    emptied = await stage.stripe.update_customer(customer, address=Address(), idempotency_key="2")
    assert emptied.address is None


async def test_what_is_not_there_is_not_found_and_no_hostile_id_is_asked_for(stage: Stage) -> None:
    customer = await stage.customer()
    client = stripe.StripeClient(
        "sk_test_sandbox",
        base_addresses={"api": stage.settings.stripe_address},
        http_client=stage.stripe._wire,
    )
    await client.v1.customers.delete_async(customer)
    with pytest.raises(NotFound):
        await stage.stripe.customer(customer)
    with pytest.raises(StripeRefused) as refused:
        await stage.stripe.create_checkout(stage.order(customer))
    assert (refused.value.reason, refused.value.param) == ("resource_missing", "customer")
    seen = len(stage.calls)
    for hostile in (
        "",
        "../customers",
        "cs_1/expire",
        "cs_1?x=1",
        "cs 1",
        "ü",
        "c" * 300,
        "cs_1\n",
    ):
        with pytest.raises(NotFound):
            await stage.stripe.checkout(hostile)
    assert len(stage.calls) == seen
    with pytest.raises(NotFound):
        await stage.stripe.checkout("cs_test_none")
