"""What the OpenAPI document says of metering."""

from typing import Any

from app.web.openapi_parts import (
    Json,
    amount,
    json_body,
    list_of,
    moment,
    named,
    object_of,
    problems,
    text,
    whole,
)

ASKED = text("A decimal number of credits.", examples=["0.25"])
TOKENS = {
    name: whole(minimum=0)
    for name in (
        *("prompt_tokens", "completion_tokens"),
        *("cached_tokens", "cache_write_tokens", "reasoning_tokens"),
    )
}
SOME_TOKENS = ("cached_tokens", "cache_write_tokens", "reasoning_tokens")
AUTHORIZE = object_of(
    {
        "request_id": text("Unique per gateway; repeated, it gets the same answer."),
        "key": text("The caller's standard key: sk_…"),
        "amount": ASKED,
        "min_amount": text("With it, what there is is held: at least this, at most `amount`."),
        "model": text(),
        "max_prompt_tokens": whole(minimum=0),
        "max_completion_tokens": whole(minimum=0),
        "ttl_seconds": whole(minimum=1, maximum=86_400, default=600),
        "tag": text(),
    },
    optional=(
        *("amount", "min_amount", "model", "max_prompt_tokens", "max_completion_tokens"),
        *("ttl_seconds", "tag"),
    ),
    says="Either `amount`, or `model` with the most tokens of the call.",
)
AUTHORIZED = object_of(
    {
        "hold_id": text(),
        "amount": amount("What is held."),
        "expires_at": moment(),
        **{name: text() for name in ("account_id", "member_id", "api_key_id")},
    }
)
SETTLE = object_of(
    {"hold_id": text(), "event_id": text(), "model": text(), **TOKENS, "cost": ASKED},
    optional=(*SOME_TOKENS, "cost"),
)
SETTLED = object_of(
    {
        "usage_record_id": text(),
        "cost": amount(),
        "late": {"type": "boolean", "description": "Booked after the hold's expiry."},
    },
    optional=("late",),
)
EVENT = object_of(
    {
        "event_id": text(),
        "key": text(),
        "api_key_id": text(),
        "occurred_at": moment("At most 72 hours ago, 5 minutes ahead."),
        "model": text(),
        **TOKENS,
        "cost": ASKED,
        "tag": text(),
    },
    optional=("key", "api_key_id", *SOME_TOKENS, "cost", "tag"),
    says="Of `key` and `api_key_id` exactly one.",
)
RESULT = object_of(
    {
        "event_id": text(),
        "status": text(enum=["recorded", "duplicate", "refused"]),
        "code": text("Why it was refused."),
    },
    optional=("code",),
    more=True,
)
SCHEMAS: Json = {
    "Authorize": AUTHORIZE,
    "Authorized": AUTHORIZED,
    "Settle": SETTLE,
    "Settled": SETTLED,
    "Release": object_of({"hold_id": text()}),
    "UsageEvents": object_of({"events": list_of(EVENT, minItems=1, maxItems=1000)}),
    "UsageResults": object_of({"results": list_of(RESULT)}, more=True),
}


def _post(says: str, asked: str, answered: Json, *statuses: int) -> Json:
    operation: dict[str, Any] = {
        "summary": says,
        "operationId": f"post{asked}",
        "security": [{"gatewayToken": []}],
        "requestBody": {"required": True, "content": json_body(named(asked))},
        "responses": {
            "200": {"description": says, "content": json_body(answered)},
            **problems(400, 401, *statuses, 405, 415, 422, 429, 503),
        },
    }
    return {"post": operation}


PATHS: Json = {
    "/metering/authorize": _post(
        "Reserves credits for a call.", "Authorize", named("Authorized"), 402, 403
    ),
    "/metering/settle": _post(
        "Books what a call cost, and frees the rest.", "Settle", named("Settled"), 404, 409
    ),
    "/metering/release": _post(
        "Frees a hold: the call was not made.", "Release", {"type": "object"}, 404, 409
    ),
    "/metering/usage": _post(
        "Books calls that nobody authorized beforehand, or late ones.",
        "UsageEvents",
        named("UsageResults"),
    ),
}
