"""Small words that the OpenAPI document is written with."""

from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]


def text(says: str = "", **more: Any) -> Json:
    """Describe a text."""
    return _said({"type": "string", **more}, says)


def whole(says: str = "", **more: Any) -> Json:
    """Describe a whole number."""
    return _said({"type": "integer", **more}, says)


def amount(says: str = "") -> Json:
    """Describe credits."""
    return text(says, pattern=r"^-?\d+\.\d{6}$", examples=["12.500000"])


def moment(says: str = "") -> Json:
    """Describe a moment."""
    return text(says, format="date-time", examples=["2026-11-01T00:00:00Z"])


def or_null(schema: Json) -> Json:
    """Let a value be missing."""
    return {**schema, "type": [schema["type"], "null"]}


def object_of(
    properties: Mapping[str, Json],
    *,
    optional: tuple[str, ...] = (),
    more: bool = False,
    says: str = "",
) -> Json:
    """Describe an object: all its properties are there, but for the optional ones."""
    required = [name for name in properties if name not in optional]
    described = {"type": "object", "properties": dict(properties), "required": required}
    return _said({**described, "additionalProperties": more}, says)


def list_of(schema: Json, says: str = "", **more: Any) -> Json:
    """Describe an array."""
    return _said({"type": "array", "items": schema, **more}, says)


def named(name: str) -> Json:
    """Point to a schema."""
    return {"$ref": f"#/components/schemas/{name}"}


def json_body(schema: Json) -> Json:
    """Describe a body of JSON."""
    return {"application/json": {"schema": schema}}


def problems(*statuses: int) -> Json:
    """Describe refusals."""
    body = {"application/problem+json": {"schema": named("Problem")}}
    return {str(one): {"description": SAYS[one], "content": body} for one in statuses}


SAYS = {
    400: "It cannot be read: an unknown or repeated parameter, a foreign cursor.",
    401: "No key that works, or one of the other kind.",
    402: "The credits that are available do not suffice.",
    403: "The quota or the key's limit is used up, or the account is frozen.",
    404: "Unknown, or another account's.",
    405: "Another method is wanted.",
    406: "None of the accepted formats can be given.",
    409: "The present state does not allow it.",
    415: "Send JSON.",
    422: "A value does not make sense.",
    429: "Too many requests: wait as long as Retry-After says.",
    503: "A part of the service is away; nothing was done. Repeat after Retry-After.",
}


def _said(schema: Json, says: str) -> Json:
    return {**schema, "description": says} if says else schema
