"""The stand-in's pages: Checkout, the billing portal, invoices, and a desk from which its world is moved."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from app.sandbox.pages import page, style_sheet
from app.sandbox.stripe import objects
from app.sandbox.stripe.calls import PORTAL_SECONDS
from app.sandbox.stripe.deliveries import Deliveries
from app.sandbox.stripe.errors import ApiError, missing
from app.sandbox.stripe.forms import whole_number
from app.sandbox.stripe.pdf import invoice_lines, money, pdf_of
from app.sandbox.stripe.store import Plain
from app.sandbox.stripe.world import OUTCOMES, World

SEEN = 50


class Pages:
    """What people see of the stand-in."""

    def __init__(self, world: World, deliveries: Deliveries, path: str) -> None:
        self.clock: Callable[[], Awaitable[datetime]]
        self._world = world
        self._deliveries = deliveries
        self._path = path
        self._style = f"{path}/style.css"

    def routes(self) -> list[BaseRoute]:
        """List what is served."""
        both = ["GET", "POST"]
        return [
            Route("/style.css", style_sheet),
            Route("/pay/{id}", self._guarded(self.pay), methods=both),
            Route("/portal/{id}", self._guarded(self.portal), methods=both),
            Route("/invoices/{id}", self._guarded(self.invoice)),
            Route("/invoices/{id}/pdf", self._guarded(self.invoice_pdf)),
            Route("/payments/{id}", self._guarded(self.move), methods=["POST"]),
            Route("/deliveries", self._guarded(self.deliver), methods=["POST"]),
        ]

    def _page(self, template: str, status: int = 200, **context: Any) -> Response:
        context |= {"money": money, "path": self._path}
        return page(template, self._style, status, **context)

    def _guarded(
        self, show: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def shown(request: Request) -> Response:
            try:
                return await show(request)
            except ApiError as error:
                return page("refused.html", self._style, error.status, says=str(error))

        return shown

    def _saved(self, address: str) -> Response:
        self._world.store.save()
        return RedirectResponse(address, 303, headers={"Cache-Control": "no-store"})

    async def pay(self, request: Request) -> Response:
        """Checkout: `Pay` in one of the outcomes, or `Cancel`."""
        at = await self.clock()
        self._world.expire_old(at)
        checkout = self._world.get("checkout.session", request.path_params["id"])
        if request.method == "GET":
            return self._pay_page(checkout)
        async with request.form() as form:
            if "cancel" in form:
                # As at Stripe, the page stays open: the address works until it has expired.
                return self._saved(checkout["cancel_url"] or self._path)
            outcome = str(form.get("outcome", "paid"))
            if outcome not in OUTCOMES:
                raise ApiError("There is no such outcome.")
            try:
                self._world.pay(at, checkout, outcome, str(form.get("promotion", "")))
            except ApiError as error:
                return self._pay_page(checkout, str(error), outcome)
        back = checkout["success_url"].replace("{CHECKOUT_SESSION_ID}", checkout["id"])
        return self._saved(back)

    def _pay_page(self, checkout: Plain, says: str = "", chosen: str = "paid") -> Response:
        if checkout["status"] != "open":
            ended = {"complete": "This has been paid.", "expired": "This page has expired."}
            raise ApiError(ended[checkout["status"]], status=410)
        customer = self._world.store.find("customer", checkout["customer"] or "") or {}
        facts = {"checkout": checkout, "customer": customer, "outcomes": OUTCOMES}
        status = 422 if says else 200
        return self._page("stripe_pay.html", status, **facts, says=says, chosen=chosen)

    async def portal(self, request: Request) -> Response:
        """Show the billing portal: whom invoices are made out to, and the invoices."""
        portal = self._world.get("portal", request.path_params["id"])
        at = await self.clock()
        if objects.seconds(at) >= portal["created"] + PORTAL_SECONDS:
            raise ApiError("This address has expired. Open the portal anew.", status=410)
        customer = self._world.get("customer", portal["customer"])
        if request.method == "GET":
            return self._portal_page(portal, customer)
        async with request.form() as form:
            says = self._change(at, customer, form)
        return self._portal_page(portal, customer, says) if says else self._saved(portal["url"])

    def _portal_page(self, portal: Plain, customer: Plain, says: str = "") -> Response:
        facts = {
            "portal": portal,
            "customer": customer,
            "address": customer["address"] or dict.fromkeys(objects.ADDRESS),
            "tax_ids": self._world.tax_ids_of(customer["id"]),
            "kinds": objects.TAX_IDS,
            "invoices": list(self._world.store.newest_first("invoice", customer=customer["id"])),
        }
        return self._page("stripe_portal.html", 422 if says else 200, **facts, says=says)

    def _change(self, at: datetime, customer: Plain, form: FormData) -> str:
        """Do what the portal's form says; a sentence where it makes no sense."""
        gone = str(form.get("remove", ""))
        if gone:
            found = self._world.get("tax_id", gone)
            if found["customer"] != customer["id"]:
                raise missing("tax_id", gone)
            self._world.store.drop("tax_id", gone)
            self._world.tell(at, "customer.tax_id.deleted", found)
            return ""
        kind, value = str(form.get("kind", "")), str(form.get("value", "")).strip()
        problem = objects.tax_id_problem(kind, value) if value else None
        if problem:
            return problem
        customer["name"] = str(form.get("name", "")).strip() or None
        customer["email"] = str(form.get("email", "")).strip() or None
        given = {name: str(form.get(name, "")).strip() for name in objects.ADDRESS}
        customer["address"] = objects.address_of(given)
        self._world.tell(at, "customer.updated", customer)
        if value:
            made = objects.tax_id(at, customer["id"], kind, value)
            self._world.store.put("tax_id", made)
            self._world.tell(at, "customer.tax_id.created", made)
        return ""

    async def invoice(self, request: Request) -> Response:
        """Show an invoice."""
        found = self._world.get("invoice", request.path_params["id"])
        lines = invoice_lines(found)
        return self._page("stripe_invoice.html", invoice=found, lines=lines)

    async def invoice_pdf(self, request: Request) -> Response:
        """Give an invoice as a PDF."""
        found = self._world.get("invoice", request.path_params["id"])
        name = f'attachment; filename="Invoice-{found["number"]}.pdf"'
        headers = {"Content-Disposition": name, "Cache-Control": "no-store"}
        return Response(pdf_of(invoice_lines(found)), media_type="application/pdf", headers=headers)

    async def desk(self, _request: Request) -> Response:
        """Show payments with what may become of them, and the events."""
        store = self._world.store
        payments = list(store.newest_first("payment"))[:SEEN]
        about = {
            one["id"]: {
                kind: list(store.newest_first(kind, payment_intent=one["id"]))
                for kind in ("refund", "dispute")
            }
            for one in payments
        }
        events = list(store.newest_first("event"))[:SEEN]
        facts: dict[str, Any] = {"payments": payments, "about": about, "events": events}
        return self._page("stripe_desk.html", **facts, deliveries=self._deliveries)

    async def move(self, request: Request) -> Response:
        """Let something become of a payment."""
        at, world = await self.clock(), self._world
        payment = world.get("payment", request.path_params["id"])
        async with request.form() as form:
            what, about = str(form.get("what", "")), form.get("about")
            amount = str(form.get("amount") or payment["amount"] - payment["refunded"])
        moves: dict[str, Callable[[], object]] = {
            "refund": lambda: world.refund(at, payment, whole_number(amount, "amount")),
            "refund_pending": lambda: world.refund(
                at, payment, whole_number(amount, "amount"), "pending"
            ),
            "refund_succeeds": lambda: world.end_refund(
                at, world.get("refund", about), succeeded=True
            ),
            "refund_fails": lambda: world.end_refund(
                at, world.get("refund", about), succeeded=False
            ),
            "dispute": lambda: world.dispute(at, payment),
            "inquiry": lambda: world.dispute(at, payment, inquiry=True),
            "won": lambda: world.end_dispute(at, world.get("dispute", about), won=True),
            "lost": lambda: world.end_dispute(at, world.get("dispute", about), won=False),
            "arrives": lambda: world.arrive(at, payment, paid=True),
            "fails": lambda: world.arrive(at, payment, paid=False),
        }
        if what not in moves:
            raise ApiError("There is no such move.")
        moves[what]()
        return self._saved(self._path)

    async def deliver(self, request: Request) -> Response:
        """Send an event again, or send all otherwise from now on."""
        async with request.form() as form:
            again = form.get("event")
            if again:
                self._deliveries.add(self._world.get("event", again))
            else:
                copies = whole_number(form.get("copies", "1"), "copies")
                self._deliveries.change(
                    copies=copies, reverse="reverse" in form, paused="paused" in form
                )
        return self._saved(self._path)
