"""The stand-in's pages: the billing portal, invoices as PDF, the desk; and what the API refuses."""

import io
from urllib.parse import urlsplit

import httpx2
import pypdf
import pytest

from app.integrations.stripe import Address, TaxIdOf
from tests.sandbox.stripe_stage import Stage

PRICE = "line_items[0][price_data]"
CHEAP = (
    f"mode=payment&success_url=x&{PRICE}[unit_amount]=49&{PRICE}[currency]=usd"
    f"&{PRICE}[product_data][name]=x"
)
HOSTILE = '"><script>alert(1)</script>'


async def test_the_portal_changes_whom_invoices_are_made_out_to(stage: Stage) -> None:
    paid = await stage.paid()
    customer = paid.customer or ""
    url = await stage.stripe.portal_session(customer, "https://r9s.example/billing", "p")
    page = (await stage.visit(url)).text
    assert 'href="https://r9s.example/billing"' in page
    assert 'value="Acme"' in page
    assert "50.00 USD" in page
    fields = {"name": HOSTILE, "email": "b@example.com", "city": "Wien", "country": "AT"}
    fields |= {"kind": "eu_vat", "value": "ATU12345678"}
    assert (await stage.visit(url, **fields)).status_code == 303
    found = await stage.stripe.customer(customer)
    assert (found.name, found.email) == (HOSTILE, "b@example.com")
    assert found.address == Address(city="Wien", country="AT")
    assert found.tax_ids == [TaxIdOf("eu_vat", "ATU12345678")]
    assert HOSTILE not in (await stage.visit(url)).text
    wrong = await stage.visit(url, **fields | {"value": "nonsense"})
    assert (wrong.status_code, "Invalid value for eu_vat." in wrong.text) == (422, True)
    (tax_id,) = stage.world.tax_ids_of(customer)
    assert (await stage.visit(url, remove=tax_id["id"])).status_code == 303
    assert (await stage.stripe.customer(customer)).tax_ids == []
    stage.clock.pass_by(hours=1)
    assert (await stage.visit(url)).status_code == 410


async def test_an_invoice_is_a_pdf_that_a_reader_opens(stage: Stage) -> None:
    customer = await stage.customer()
    await stage.stripe.update_customer(
        customer, name="Zoë (und) Söhne \\ 日本", address=Address(city="Köln"), idempotency_key="u"
    )
    paid = await stage.paid()
    invoice = await stage.stripe.invoice(paid.invoice or "")
    answer = await stage.visit(invoice.pdf_url or "")
    assert answer.headers["content-type"] == "application/pdf"
    assert f'filename="Invoice-{invoice.number}.pdf"' in answer.headers["content-disposition"]
    (sheet,) = pypdf.PdfReader(io.BytesIO(answer.content), strict=True).pages
    text = sheet.extract_text()
    for part in (invoice.number, "Zoë (und) Söhne \\ ??", "Köln", "50 credits", "50.00 USD"):
        assert str(part) in text
    page = await stage.visit(invoice.hosted_url or "")
    assert str(invoice.pdf_url) in page.text
    assert (await stage.visit(f"{invoice.hosted_url}0")).status_code == 404


async def test_the_desk_shows_what_there_is_and_refuses_what_makes_no_sense(stage: Stage) -> None:
    payment = (await stage.paid("disputed")).payment_intent
    await stage.paid("refunded", key="again")
    desk = (await stage.visit(stage.settings.stripe_address + "/style.css")).status_code
    assert desk == 200
    page = (await stage.stand_in.desk(None)).body.decode()  # type: ignore[arg-type]
    for part in (payment, "needs_response", "Refund of 50.00 USD", "charge.dispute.created"):
        assert str(part) in page
    before = [one async for one in stage.stripe.events_since(stage.clock.at)]
    for what, about in (("steal", ""), ("won", "du_none"), ("refund_fails", "")):
        answer = await stage.move(payment, what, about=about)
        assert answer.status_code in (400, 404), what
    assert (await stage.move("pi_none", "dispute")).status_code == 404
    deliveries = f"{stage.settings.stripe_address}/deliveries"
    assert (await stage.visit(deliveries, copies="many")).status_code == 400
    assert (await stage.visit(deliveries, event="evt_none")).status_code == 404
    assert (await stage.visit(deliveries, copies="5", paused="1")).status_code == 303
    assert (stage.stand_in.deliveries.copies, stage.stand_in.deliveries.paused) == (5, True)
    assert [one async for one in stage.stripe.events_since(stage.clock.at)] == before


@pytest.mark.parametrize(
    ("method", "path", "form", "status", "code"),
    [
        ("POST", "customers", "nomen=Acme", 400, "parameter_unknown"),
        ("POST", "customers", "name[[=1", 400, None),
        ("POST", "customers", "name=%ff", 400, None),
        ("POST", "checkout/sessions", "mode=payment", 400, "parameter_missing"),
        ("POST", "checkout/sessions", "mode=payment&success_url=x&line_items=1", 400, None),
        ("POST", "checkout/sessions", CHEAP, 400, "amount_too_small"),
        ("POST", "refunds", "payment_intent=pi_none", 400, "resource_missing"),
        ("POST", "billing_portal/sessions", "customer=cus_none", 400, "resource_missing"),
        ("GET", "events?limit=0", "", 400, None),
        ("GET", "events?limit=101", "", 400, None),
        ("GET", "events?limit=ten", "", 400, "parameter_invalid_integer"),
        ("GET", "events?created[after]=1", "", 400, None),
        ("GET", "events?starting_after=evt_none", "", 400, "resource_missing"),
        ("GET", "invoices?expand[]=data.customer", "", 400, None),
        ("GET", "customers/cus_none", "", 404, "resource_missing"),
        ("GET", "charges", "", 404, None),
        ("DELETE", "events/evt_1", "", 404, None),
    ],
)
async def test_the_api_refuses_as_stripe_does(
    stage: Stage, method: str, path: str, form: str, status: int, code: str | None
) -> None:
    url = f"{stage.settings.stripe_address}/v1/{path}"
    headers = {
        "Authorization": "Bearer sk_test_sandbox",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    async with httpx2.AsyncClient() as client:
        answer = await client.request(method, url, content=form, headers=headers)
        nobody = await client.request(method, url, content=form)
    assert answer.status_code == status
    assert answer.json()["error"].get("code") == code
    assert nobody.status_code == 401
    assert nobody.json()["error"]["type"] == "invalid_request_error"
    assert not list(stage.world.store.newest_first("customer"))
    assert urlsplit(url).path.startswith("/sandbox/stripe/v1/")
