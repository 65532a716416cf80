"""The calls of Stripe's API that the stand-in takes, each with the parameters that it knows."""

import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.sandbox.stripe import objects
from app.sandbox.stripe.errors import ApiError, missing
from app.sandbox.stripe.forms import whole_number
from app.sandbox.stripe.objects import listed, shown
from app.sandbox.stripe.store import Plain, new_id
from app.sandbox.stripe.world import World

LEAST_AMOUNT = 50
PORTAL_SECONDS = 3600
LISTS = frozenset({"limit", "starting_after", "ending_before", "expand", "created"})
RANGE = {"gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le}
CUSTOMER = frozenset({"name", "email", "address", "metadata", "expand"})
CHECKOUT = frozenset(
    {
        "mode",
        "customer",
        "client_reference_id",
        "line_items",
        "success_url",
        "cancel_url",
        "metadata",
        "payment_intent_data",
        "invoice_creation",
        "allow_promotion_codes",
        "adaptive_pricing",
        "automatic_tax",
        "customer_update",
        "tax_id_collection",
        "expand",
    }
)


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: `named` are the ids in its path, `given` its parameters."""

    world: World
    at: datetime
    named: dict[str, str]
    given: Plain
    request: Plain


Serve = Callable[[Asked], Plain]


@dataclass(frozen=True, slots=True)
class ApiCall:
    """One call. `expandable`: what may be asked for besides."""

    method: str
    path: str
    serve: Serve
    known: frozenset[str] = frozenset({"expand"})
    required: tuple[str, ...] = ()
    expandable: frozenset[str] = frozenset()

    def check(self, given: Plain) -> None:
        """Raise `ApiError` for a parameter that Stripe does not know, or that is missing."""
        for name in given:
            if name not in self.known:
                raise ApiError(
                    f"Received unknown parameter: {name}", param=name, code="parameter_unknown"
                )
        for name in self.required:
            if not given.get(name):
                raise ApiError(
                    f"Missing required param: {name}.", param=name, code="parameter_missing"
                )
        for name in given.get("expand", []):
            if name not in self.expandable:
                raise ApiError(f"This property cannot be expanded ({name}).", param="expand")


def _create_customer(asked: Asked) -> Plain:
    made = asked.world.store.put("customer", objects.customer(asked.at, asked.given))
    asked.world.tell(asked.at, "customer.created", made, asked.request)
    return shown(made)


def _customer(asked: Asked) -> Plain:
    found = asked.world.get("customer", asked.named["id"])
    if found.get("deleted"):
        return found
    tax_ids = asked.world.tax_ids_of(found["id"])
    url = f"/v1/customers/{found['id']}/tax_ids"
    whole = found | {"tax_ids": listed([shown(one) for one in tax_ids], url)}
    return shown(whole, asked.given.get("expand", []))


def _update_customer(asked: Asked) -> Plain:
    found = asked.world.get("customer", asked.named["id"])
    for name in ("name", "email"):
        if name in asked.given:
            found[name] = asked.given[name] or None
    if "address" in asked.given:
        found["address"] = objects.address_of(asked.given["address"])
    found["metadata"] |= asked.given.get("metadata") or {}
    asked.world.tell(asked.at, "customer.updated", found, asked.request)
    return shown(found)


def _delete_customer(asked: Asked) -> Plain:
    found = asked.world.get("customer", asked.named["id"])
    gone = {"id": found["id"], "object": "customer", "deleted": True}
    return asked.world.store.put("customer", gone)


def _live_customer(asked: Asked, given: Any, status: int = 400) -> Plain:
    found = asked.world.get("customer", given, "customer", status)
    if found.get("deleted"):
        raise missing("customer", found["id"], "customer", status)
    return found


def _create_tax_id(asked: Asked) -> Plain:
    owner = _live_customer(asked, asked.named["id"], 404)
    kind, value = asked.given["type"], asked.given["value"].strip()
    problem = objects.tax_id_problem(kind, value)
    if problem:
        raise ApiError(problem, param="value", code="tax_id_invalid")
    made = objects.tax_id(asked.at, owner["id"], kind, value)
    asked.world.store.put("tax_id", made)
    asked.world.tell(asked.at, "customer.tax_id.created", made, asked.request)
    return shown(made)


def _tax_ids(asked: Asked) -> Plain:
    owner = _live_customer(asked, asked.named["id"], 404)
    return _page(asked, "tax_id", f"customers/{owner['id']}/tax_ids", customer=owner["id"])


def _delete_tax_id(asked: Asked) -> Plain:
    found = asked.world.get("tax_id", asked.named["tax_id"])
    asked.world.store.drop("tax_id", found["id"])
    return {"id": found["id"], "object": "tax_id", "deleted": True}


def _create_checkout(asked: Asked) -> Plain:
    given = asked.given
    if given["mode"] != "payment":
        raise ApiError("The sandbox knows payments only.", param="mode")
    if given.get("customer"):
        _live_customer(asked, given["customer"])
    try:
        (line,) = given["line_items"]
        price = line["price_data"]
        amount = whole_number(price["unit_amount"], "line_items[0][price_data][unit_amount]")
        right = all(
            isinstance(one, str) for one in (price["currency"], price["product_data"]["name"])
        )
    except (KeyError, TypeError, ValueError):
        raise ApiError("The sandbox takes one line with a price.", param="line_items") from None
    if not right or amount < LEAST_AMOUNT:
        raise ApiError("The amount is below Stripe's least.", code="amount_too_small")
    made = objects.checkout(asked.at, given, f"{asked.world.address}/pay")
    return shown(asked.world.store.put("checkout.session", made))


def _expire_checkout(asked: Asked) -> Plain:
    found = asked.world.get("checkout.session", asked.named["id"])
    asked.world.expire(asked.at, found, asked.request)
    return shown(found)


def _create_refund(asked: Asked) -> Plain:
    payment = asked.world.get("payment", asked.given["payment_intent"], "payment_intent", 400)
    left = payment["amount"] - payment["refunded"]
    amount = whole_number(asked.given.get("amount", str(left)), "amount")
    return shown(asked.world.refund(asked.at, payment, amount))


def _create_portal(asked: Asked) -> Plain:
    owner = _live_customer(asked, asked.given["customer"])
    made = {
        "id": new_id("bps"),
        "object": "billing_portal.session",
        **objects.nothing("customer_account flow locale on_behalf_of"),
        "configuration": "bpc_sandbox",
        "created": objects.seconds(asked.at),
        "customer": owner["id"],
        "livemode": False,
        "return_url": asked.given.get("return_url"),
    }
    made["url"] = f"{asked.world.address}/portal/{made['id']}"
    return shown(asked.world.store.put("portal", made))


def _page(asked: Asked, kind: str, path: str, **equal: Any) -> Plain:
    given = asked.given
    wanted = {name: given[name] for name in given.keys() - LISTS - {"type", "types"}} | equal
    types, is_in = (
        given.get("types", [given["type"]] if "type" in given else None),
        _created_in(given),
    )
    found = [
        one
        for one in asked.world.store.newest_first(kind, **wanted)
        if is_in(one) and (types is None or one["type"] in types)
    ]
    if "starting_after" in given:
        asked.world.get(kind, given["starting_after"], "starting_after", 400)
        ids = [one["id"] for one in found]
        found = found[ids.index(given["starting_after"]) + 1 :]
    most = whole_number(given.get("limit", "10"), "limit")
    if not 1 <= most <= 100:  # noqa: PLR2004 - Stripe's
        raise ApiError("This value must be between 1 and 100.", param="limit")
    expand = [name.removeprefix("data.") for name in given.get("expand", [])]
    page = [shown(one, expand) for one in found[:most]]
    return listed(page, f"/v1/{path}", has_more=len(found) > most)


def _created_in(given: Plain) -> Callable[[Plain], bool]:
    created = given.get("created", {})
    bounds = created if isinstance(created, dict) else {"gte": created, "lte": created}
    if bounds.keys() - RANGE.keys():
        raise ApiError("Invalid range.", param="created")
    wanted = [(RANGE[name], whole_number(text, "created")) for name, text in bounds.items()]
    return lambda one: all(holds(one["created"], bound) for holds, bound in wanted)


def _retrieving(kind: str) -> Serve:
    def serve(asked: Asked) -> Plain:
        expand = asked.given.get("expand", [])
        return shown(asked.world.get(kind, asked.named["id"]), expand)

    return serve


def _listing(kind: str, path: str) -> Serve:
    return lambda asked: _page(asked, kind, path)


def api_calls() -> Iterator[ApiCall]:
    """List what is taken."""
    payments, invoices = frozenset({"payments"}), frozenset({"data.payments"})
    tax_ids, by_payment = frozenset({"tax_ids"}), LISTS | {"payment_intent"}
    one, sessions = "/v1/customers/{id}", "/v1/checkout/sessions"
    yield ApiCall("POST", "/v1/customers", _create_customer, CUSTOMER)
    yield ApiCall("GET", one, _customer, expandable=tax_ids)
    yield ApiCall("POST", one, _update_customer, CUSTOMER)
    yield ApiCall("DELETE", one, _delete_customer)
    kinds = frozenset({"type", "value", "expand"})
    yield ApiCall("POST", f"{one}/tax_ids", _create_tax_id, kinds, ("type", "value"))
    yield ApiCall("GET", f"{one}/tax_ids", _tax_ids, LISTS - {"created"})
    yield ApiCall("DELETE", one + "/tax_ids/{tax_id}", _delete_tax_id)
    needed = ("mode", "line_items", "success_url")
    yield ApiCall("POST", sessions, _create_checkout, CHECKOUT, needed)
    listing = _listing("checkout.session", "checkout/sessions")
    yield ApiCall("GET", sessions, listing, by_payment | {"customer", "status"})
    yield ApiCall("GET", sessions + "/{id}", _retrieving("checkout.session"))
    yield ApiCall("POST", sessions + "/{id}/expire", _expire_checkout)
    refund = frozenset({"payment_intent", "amount", "expand"})
    yield ApiCall("POST", "/v1/refunds", _create_refund, refund, ("payment_intent",))
    for kind in ("refund", "dispute"):
        yield ApiCall("GET", f"/v1/{kind}s", _listing(kind, f"{kind}s"), by_payment)
        yield ApiCall("GET", f"/v1/{kind}s/{{id}}", _retrieving(kind))
    listing = _listing("invoice", "invoices")
    yield ApiCall("GET", "/v1/invoices", listing, LISTS | {"customer"}, expandable=invoices)
    yield ApiCall("GET", "/v1/invoices/{id}", _retrieving("invoice"), expandable=payments)
    portal = frozenset({"customer", "return_url", "expand"})
    yield ApiCall("POST", "/v1/billing_portal/sessions", _create_portal, portal, ("customer",))
    yield ApiCall("GET", "/v1/events", _listing("event", "events"), LISTS | {"type", "types"})
    yield ApiCall("GET", "/v1/events/{id}", _retrieving("event"))
