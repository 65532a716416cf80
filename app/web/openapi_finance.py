"""What the OpenAPI document says of the finance window."""

from app.settings import Settings
from app.web.openapi_parts import (
    Json,
    amount,
    json_body,
    list_of,
    moment,
    named,
    object_of,
    or_null,
    problems,
    text,
    whole,
)

NEXT = or_null(
    text("Where the list goes on. Of usage records in ascending order: an endless feed.")
)
TOKENS = {
    "prompt_tokens": whole("With those of the cache."),
    "cached_tokens": whole(),
    "cache_write_tokens": whole(),
    "completion_tokens": whole("With those of reasoning."),
    "reasoning_tokens": whole(),
}
OF_WHOM = {
    name: or_null(text())
    for name in (
        *("model", "member_id", "member_email", "member_name"),
        *("api_key_id", "api_key_name", "tag"),
    )
}
SUMS = {"requests": whole("Calls; a correction is none."), **TOKENS, "cost": amount()}
BALANCE = object_of(
    {
        "object": text(enum=["balance"]),
        "account": object_of(
            {
                "id": text(),
                "kind": text(enum=["organization", "personal"]),
                "name": text(),
                "slug": text(),
            }
        ),
        "unit": text(enum=["credit"]),
        "currency": text("ISO 4217."),
        "currency_per_unit": text("What one credit costs."),
        "credits": amount("purchased + granted + adjusted - refunded - used."),
        "held": or_null(amount("What running calls have reserved; null for a past moment.")),
        "available": or_null(amount("max(0, credits - held); null for a past moment.")),
        "lifetime": object_of(
            {name: amount() for name in ("purchased", "granted", "used", "refunded", "adjusted")}
        ),
        "month": object_of({"start": moment(), "end": moment(), "used": amount()}),
        "as_of": moment(),
    }
)
RECORD = object_of(
    {
        "id": text(),
        "event_id": text("The gateway's own id for the call; one call is recorded once."),
        "occurred_at": moment("When the call was authorized."),
        "recorded_at": moment("When it was booked."),
        "corrects": or_null(text("The record that this one corrects.")),
        **OF_WHOM,
        **TOKENS,
        "cost": amount(),
    },
    says="One model call, or the correction of one, with figures that are added to its.",
)
BUCKET = object_of(
    {"start": moment(), "end": moment(), **OF_WHOM, **SUMS},
    says="What was used in [start, end); what was not grouped by is null.",
)
LIST = {"object": text(enum=["list"])}
END = {"has_more": {"type": "boolean"}, "next_cursor": NEXT}
USAGE = object_of(
    {
        **LIST,
        "range": object_of(
            {
                "from": moment(),
                "to": moment(),
                "time_zone": text(),
                "granularity": text(),
                "group_by": list_of(text()),
            }
        ),
        "data": list_of({"anyOf": [named("UsageRecord"), named("UsageBucket")]}),
        "totals": object_of(SUMS, says="Of the whole range, on every page."),
        "unit": text(enum=["credit"]),
        "complete_through": moment("Up to here nothing comes in any more but corrections."),
        "unsettled": object_of(
            {"holds": whole(), "amount": amount()},
            says="Calls that nobody has settled, and still may.",
        ),
        **END,
    }
)
ENTRY = object_of(
    {
        "id": text(),
        "number": whole("Counts up by one."),
        "kind": text(
            enum=["top_up", "refund", "dispute", "grant", "usage", "adjustment", "dissolution"]
        ),
        "amount": amount("Signed: what it adds to the balance."),
        "balance_after": amount(),
        "description": text(),
        "source": or_null(text("What caused it.")),
        "created_at": moment(),
        "final": {
            "type": "boolean",
            "description": "False for today's run of usage alone, as long as it may grow: it comes again, "
            "under the same id, with its last figures.",
        },
    }
)
INVOICE = object_of(
    {
        "id": text(),
        "number": or_null(text("As it is printed.")),
        "status": text("Stripe's word: open, paid, void, uncollectible."),
        "currency": text("ISO 4217, of the next three."),
        "total": text("An exact decimal number, tax included."),
        "tax": or_null(text("The part of the total that is tax.")),
        "refunded": text("What was given back of it."),
        "credits": amount("What it bought."),
        "hosted_url": or_null(text("Its page at Stripe.")),
        "pdf_url": or_null(text("Its PDF at Stripe.")),
        "created_at": moment(),
    }
)
MEMBER = object_of(
    {
        "id": text(),
        "email": text(),
        "name": text(),
        "role": text(enum=["owner", "admin", "member"]),
        "quota": text('Credits in one UTC calendar month; "-1" for no limit.'),
        "used": amount("In this UTC calendar month."),
        "held": amount("What running calls hold of the quota."),
        "remaining": or_null(amount("Never below zero; null where there is no limit.")),
    }
)
SCHEMAS: Json = {
    "Balance": BALANCE,
    "Usage": USAGE,
    "UsageRecord": RECORD,
    "UsageBucket": BUCKET,
    "LedgerEntry": ENTRY,
    "Invoice": INVOICE,
    "Member": MEMBER,
    "Ledger": object_of({**LIST, "data": list_of(named("LedgerEntry")), **END}),
    "Invoices": object_of({**LIST, "data": list_of(named("Invoice")), **END}),
    "Members": object_of({**LIST, "data": list_of(named("Member")), **END}),
}


def _parameter(name: str, says: str, schema: Json | None = None, **more: object) -> Json:
    described = {"name": name, "in": "query", "description": says, "schema": schema or text()}
    return {**described, **more}


def _filter(name: str) -> Json:
    return _parameter(
        name,
        "Filters; repeatable, any of them. An id that is not of the account is refused.",
        list_of(text()),
        explode=True,
        style="form",
    )


def _paged(settings: Settings) -> list[Json]:
    return [
        _parameter("order", "Which end comes first.", text(enum=["asc", "desc"], default="asc")),
        _parameter(
            "limit",
            "Rows a page of JSON; the other formats stream the whole range.",
            whole(minimum=1, maximum=settings.page_rows, default=100),
        ),
        _parameter("cursor", "From `next_cursor` or `X-Next-Cursor` of the same list."),
        _parameter(
            "format",
            "Else `Accept` decides.",
            text(enum=["json", "csv", "ndjson"], default="json"),
        ),
    ]


def _range(says: str) -> list[Json]:
    return [
        _parameter("from", f"Inclusive; a moment with its zone, or a date. {says}"),
        _parameter("to", "Exclusive; as `from`."),
        _parameter("time_zone", "IANA name, for dates and buckets.", text(default="UTC")),
    ]


def _usage_parameters(settings: Settings) -> list[Json]:
    units = ["record", "hour", "day", "month", "total"]
    return [
        *_range("Default: this month until now. At most 366 days, 92 by hour."),
        _parameter("granularity", "Records or sums.", text(enum=units, default="record")),
        _parameter(
            "group_by",
            "Any of model, member, api_key, tag, by comma; not with records.",
            list_of(text(enum=["model", "member", "api_key", "tag"])),
            explode=False,
            style="form",
        ),
        *(_filter(name) for name in ("model", "member_id", "api_key_id", "tag")),
        *_paged(settings),
    ]


def _get(says: str, parameters: list[Json], schema: str, *, streams: bool = True) -> Json:
    content = json_body(named(schema))
    if streams:
        content["text/csv"] = {"schema": text("RFC 4180, with a header row.")}
        content["application/x-ndjson"] = {"schema": text("One JSON object a line.")}
    answers = {"200": {"description": says, "headers": HEADERS, "content": content}}
    if not streams:
        answers["304"] = {"description": "The caller has it already (`If-None-Match`)."}
    refusals = problems(400, 401, 404, 405, 406, 422, 429, 503)
    return {
        "get": {
            "summary": says,
            "operationId": f"get{schema}",
            "security": [{"managementKey": []}],
            "parameters": parameters,
            "responses": {**answers, **refusals},
        }
    }


HEADERS: Json = {
    "RateLimit-Policy": {"schema": text(), "description": "Requests (q) in seconds (w)."},
    "RateLimit": {"schema": text(), "description": "What remains (r) for seconds (t)."},
}


def paths(settings: Settings) -> Json:
    """Describe every address of the finance window."""
    at = _parameter("at", "A past moment with its zone, or a date, which means its midnight.")
    return {
        "/balance": _get("What there is to spend.", [at], "Balance", streams=False),
        "/usage": _get("Records or sums of usage.", _usage_parameters(settings), "Usage"),
        "/ledger": _get(
            "Movements of credits.",
            [*_range("By the first booking. Default: everything."), *_paged(settings)],
            "Ledger",
        ),
        "/invoices": _get(
            "Invoices of top-ups.",
            [*_range("By when they were made. Default: everything."), *_paged(settings)],
            "Invoices",
        ),
        "/members": _get("Members, with what they may and did use.", _paged(settings), "Members"),
    }
