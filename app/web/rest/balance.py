"""`GET /balance`: what there is now, or what there was at a past moment."""

import hashlib
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from app.ids import wire_id
from app.resolvers import balances
from app.resolvers.balances import BalanceRow
from app.seats import Seat
from app.settings import Settings
from app.web.edge import edge_of
from app.web.rest.formats import (
    JSON,
    MEDIA_TYPES,
    amount,
    format_of,
    moment,
    optional_amount,
    plain_json,
)
from app.web.rest.parameters import Parameters
from app.web.rest.window import Visit
from app.zones import zone


async def show(visit: Visit) -> Response:
    """Answer the balance; 304 where the caller has it already."""
    parameters = Parameters(visit.request, {"at"})
    format_of(visit.request)
    at = parameters.moment("at", zone("UTC"))
    visit.range = "" if at is None else moment(at)
    row = await balances.balance(visit.viewer, visit.seat.account_id, at)
    body = balance_body(visit.viewer.settings, visit.seat, row)
    tag = _tag(body)
    # Polled often: kept by the caller, and asked for anew each time.
    edge_of(visit.request).private = False
    headers = {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Authorization"}
    if _knows(visit.request.headers.get("if-none-match"), tag):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    visit.rows = 1
    return Response(plain_json(body), media_type=MEDIA_TYPES[JSON], headers=headers)


def balance_body(settings: Settings, seat: Seat, row: BalanceRow) -> dict[str, Any]:
    """Show a balance: credits = purchased + granted + adjusted - refunded - used."""
    return {
        "object": "balance",
        "account": {
            "id": wire_id("account", seat.account_id),
            "kind": seat.kind.value.lower(),
            "name": seat.name,
            "slug": seat.slug,
        },
        "unit": "credit",
        "currency": settings.currency,
        "currency_per_unit": settings.currency_per_unit,
        "credits": amount(row.credits),
        "held": optional_amount(row.held),
        "available": optional_amount(row.available),
        "lifetime": {
            "purchased": amount(row.purchased),
            "granted": amount(row.granted),
            "used": amount(row.used),
            "refunded": amount(row.refunded),
            "adjusted": amount(row.adjusted),
        },
        "month": {
            "start": moment(row.month_start),
            "end": moment(row.month_end),
            "used": amount(row.month_used),
        },
        "as_of": moment(row.as_of),
    }


def _tag(body: dict[str, Any]) -> str:
    """Name a balance by all that it says but the moment: weakly, since that differs."""
    facts = {name: value for name, value in body.items() if name != "as_of"}
    return f'W/"{hashlib.sha256(plain_json(facts).encode()).hexdigest()[:32]}"'


def _knows(given: str | None, tag: str) -> bool:
    if given is None:
        return False
    names = {part.strip().removeprefix("W/") for part in given.split(",")}
    return given.strip() == "*" or tag.removeprefix("W/") in names
