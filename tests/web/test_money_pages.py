"""Credits and Billing: bought at Stripe and seen here, for those who may; a plain form does everything."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from uuid import UUID

import pytest

from app.ids import wire_id
from app.ledger.posting import post
from app.models import LedgerKind
from app.money import MICRO
from app.permissions import Role
from app.resolvers import payments
from tests.scene import Scene
from tests.till import Till
from tests.web.portal import Tab

Open = Callable[..., Awaitable[Tab]]
CREDITS, BILLING = "/a/acme/credits", "/a/acme/billing"


@pytest.fixture
async def acme(scene: Scene) -> UUID:
    account = await scene.organization(await scene.person("ann"), "Acme")
    await scene.join(account, await scene.person("adam"), role=Role.ADMIN)
    await scene.join(account, await scene.person("bob"))
    return account


async def _at_the_till(tab: Open, name: str) -> tuple[Tab, Till]:
    """Open a tab of a service that pays at a till of ours; redirects are looked at, not followed."""
    opened = await tab(name)
    till = opened.app.state.services.stripe
    if not isinstance(till, Till):
        till = opened.app.state.services.stripe = Till()
    opened.client.follow_redirects = False
    return opened, till


@pytest.mark.usefixtures("acme")
async def test_the_pages_are_for_those_who_see_billing(scene: Scene, tab: Open) -> None:
    bob, eve = await tab("bob"), await tab("eve")
    for path in (CREDITS, BILLING, f"{CREDITS}/ledger.csv"):
        assert (await bob.get(path)).status_code == 403, path
        assert (await eve.get(path)).status_code == 404, path
    assert CREDITS not in (await bob.get("/a/acme")).text
    token = await bob.token("/a/acme")
    before = await scene.snapshot()
    for path in (CREDITS, f"{CREDITS}/alerts", f"{BILLING}/portal"):
        assert (await bob.send(path, form_token=token, credits="50")).status_code == 403
        assert (await bob.send(path, credits="50")).status_code == 403
    assert await scene.snapshot() == before
    personal = (await eve.get("/")).url.path
    assert "Top up" in (await eve.get(f"{personal}/credits")).text
    assert "No invoices yet" in (await eve.get(f"{personal}/billing")).text


async def test_credits_are_bought_by_a_plain_form_and_the_page_says_what_became_of_it(
    acme: UUID, scene: Scene, tab: Open
) -> None:
    adam, till = await _at_the_till(tab, "adam")
    page = await adam.get(CREDITS)
    assert ">50.00 USD<" in page.text
    assert "One credit costs 1.00 USD." in page.text
    left = await adam.submit(page, "/credits", preset="50")
    session, checkout = next(iter(till.checkouts.items()))
    assert (left.status_code, left.headers["location"]) == (303, checkout.url)
    top_up = checkout.metadata["top_up_id"]
    cancelled = await adam.get(f"{CREDITS}?cancelled={top_up}")
    assert "Nothing was charged" in cancelled.text
    back = f"{CREDITS}/return?top_up={top_up}"
    arrived = await adam.get(back)
    assert (arrived.status_code, arrived.headers["location"]) == (303, f"{CREDITS}?top_up={top_up}")
    assert "is under way" in (await adam.get(arrived.headers["location"])).text
    till.pay(session)
    till.away = True
    assert (await adam.get(back)).status_code == 303
    till.away = False
    assert (await adam.get(back)).status_code == 303
    live = await adam.part(f"{CREDITS}?top_up={top_up}", **{"HX-Target": "section#balance"})
    assert "50 credits are paid and added" in live.text
    assert "<html" not in live.text
    page = await adam.get(CREDITS)
    assert "Top-up, 50.00 USD paid" in page.text
    assert "Adam" in page.text
    assert len(await adam.statements(CREDITS)) <= 12
    foreign = await tab("eve")
    assert (await foreign.get(back)).status_code == 404
    await scene.promises()
    assert acme


@pytest.mark.usefixtures("acme")
async def test_what_is_to_pay_is_said_before_anybody_leaves(tab: Open) -> None:
    adam, _till = await _at_the_till(tab, "adam")
    page = await adam.get(CREDITS)
    assert re.search(r"As of \d\d:\d\d UTC", page.text)
    for offer in (10, 25, 50, 100, 250):
        assert f'name="preset" value="{offer}"' in page.text
    assert "From 5 to 10,000 credits." in page.text
    price = f"{CREDITS}/price?credits="
    assert "You pay <b>1234.50 USD</b>" in (await adam.part(f"{price}1,234.5")).text
    for none in ("4", "10001", "5.005", "many", ""):
        assert "You pay" not in (await adam.part(f"{price}{none}")).text, none


@pytest.mark.usefixtures("acme")
async def test_what_cannot_be_bought_is_said_at_the_form(scene: Scene, tab: Open) -> None:
    ann, till = await _at_the_till(tab, "ann")
    page = await ann.get(CREDITS)
    before = await scene.snapshot()
    for given, sentence in (
        ("4", "Buy 5 to 10,000 credits at a time."),
        ("5.005", "whole cents"),
        ("many", "exact number of credits"),
    ):
        refused = await ann.submit(page, "/credits", credits=given)
        assert refused.status_code == 422
        assert sentence in refused.text
        assert f'value="{given}"' in refused.text
    assert (await scene.snapshot(), till.asked) == (before, [])
    till.away = True
    away = await ann.submit(page, "/credits", credits="50")
    assert away.status_code == 503
    assert "Nothing was charged" in away.text


async def test_alerts_are_set_in_place(acme: UUID, scene: Scene, tab: Open) -> None:
    ann, _till = await _at_the_till(tab, "ann")
    page = await ann.get(CREDITS)
    saved = await ann.submit(page, "/credits/alerts", thresholds="50, 10", emails="")
    assert saved.status_code == 303
    page = await ann.get(CREDITS)
    assert 'value="10, 50"' in page.text
    assert "to ann@example.com, adam@example.com" in page.text
    assert page.text.count("not sent yet") == 2
    refused = await ann.submit(page, "/credits/alerts", thresholds="-1", emails="nobody")
    assert refused.status_code == 422
    quick = await ann.submit(
        page, "/credits/alerts", quick=True, thresholds="10", emails="fin@example.com"
    )
    assert quick.status_code == 204
    assert "to fin@example.com" in (await ann.get(CREDITS)).text
    assert acme
    await scene.promises()


async def test_the_ledger_is_filtered_by_kind_and_downloaded(
    acme: UUID, scene: Scene, tab: Open
) -> None:
    async with scene.database.write() as session:
        await post(session, acme, LedgerKind.GRANT, 5 * MICRO, description="=1+1")
        await post(session, acme, LedgerKind.ADJUSTMENT, -2 * MICRO, description="set right")
    ann, _till = await _at_the_till(tab, "ann")
    grants = (await ann.get(f"{CREDITS}?kind=grant")).text
    assert "=1+1" in grants
    assert "set right" not in grants
    assert (await ann.get(f"{CREDITS}?kind=nonsense")).status_code == 404
    told = await ann.get(f"{CREDITS}/ledger.csv")
    assert told.headers["content-disposition"] == 'attachment; filename="acme-ledger.csv"'
    lines = told.text.splitlines()
    assert lines[0].startswith("id,number,kind,amount,balance_after,description,source,")
    assert ",1,grant,5.000000,5.000000,'=1+1,," in lines[1]
    assert ",2,adjustment,-2.000000,3.000000,set right,," in lines[2]
    assert 'href="/a/acme/credits/ledger.csv?kind=grant"' in grants
    only = await ann.get(f"{CREDITS}/ledger.csv?kind=grant")
    assert 'filename="acme-ledger-grant.csv"' in only.headers["content-disposition"]
    assert only.text.splitlines() == lines[:2]
    assert (await ann.get(f"{CREDITS}/ledger.csv?kind=nonsense")).status_code == 404


async def test_invoices_are_listed_and_their_pdf_and_details_are_at_stripe(
    acme: UUID, scene: Scene, tab: Open
) -> None:
    ann, till = await _at_the_till(tab, "ann")
    await ann.submit(await ann.get(CREDITS), "/credits", preset="25")
    session = next(iter(till.checkouts))
    till.pay(session, tax=475)
    till.give_back(session, 500)
    us = replace((await scene.owner(acme)).as_system(), stripe=till)
    for event in till.events:
        await payments.take_event(us, event, "{}")
    page = await ann.get(BILLING)
    for words in ("29.75 USD", "of it 4.75 USD tax", "5.00 USD refunded", "Paid", "1 invoice"):
        assert words in page.text, words
    assert "ann@example.com" in page.text
    link = page.text.split('href="/a/acme/billing/invoices/')[1].split('"')[0]
    pdf = await ann.get(f"{BILLING}/invoices/{link}")
    assert (pdf.status_code, pdf.headers["location"][-4:]) == (303, ".pdf")
    portal = await ann.submit(page, "/billing/portal")
    assert portal.headers["location"] == "https://billing.stripe.test/cus_1"
    assert (await (await tab("bob")).get(f"{BILLING}/invoices/{link}")).status_code == 403
    assert (await ann.get(f"{BILLING}/invoices/{wire_id('invoice', acme)}")).status_code == 404
    till.away = True
    assert "Stripe does not answer" in (await ann.get(BILLING)).text
