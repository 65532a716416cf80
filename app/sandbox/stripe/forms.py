"""Stripe's own way to write parameters: `line_items[0][price_data][currency]=usd`."""

import re
from typing import Any
from urllib.parse import parse_qsl

from app.sandbox.stripe.errors import ApiError

KEY = re.compile(r"[^\[\]]+(?:\[[^\[\]]*\])*")
PART = re.compile(r"\[([^\[\]]*)\]")
MOST_FIELDS = 1000


def read_form(text: str) -> dict[str, Any]:
    """Read nested parameters; every value is a text. Raises `ApiError`."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError:
        raise ApiError("Invalid form data.") from None
    found: dict[str, Any] = {}
    for key, value in pairs:
        if not KEY.fullmatch(key):
            raise ApiError(f"Invalid parameter name: {key}", param=key)
        name, parts = key.partition("[")[0], PART.findall(key)
        _set(found, [name, *parts], value, key)
    lists: dict[str, Any] = _with_lists(found)
    return lists


def whole_number(given: Any, param: str) -> int:
    """Read an integer. Raises `ApiError`."""
    if not isinstance(given, str) or not re.fullmatch(r"-?[0-9]{1,12}", given, re.ASCII):
        raise ApiError(f"Invalid integer: {given}", param=param, code="parameter_invalid_integer")
    return int(given)


def _set(found: dict[str, Any], path: list[str], value: str, key: str) -> None:
    for part in path[:-1]:
        found = found.setdefault(part or str(len(found)), {})
        if not isinstance(found, dict):
            raise ApiError(f"Invalid parameter: {key}", param=key)
    found[path[-1] or str(len(found))] = value


def _with_lists(given: Any) -> Any:
    if not isinstance(given, dict):
        return given
    inside = {key: _with_lists(value) for key, value in given.items()}
    if inside and all(key.isdecimal() for key in inside):
        return [inside[key] for key in sorted(inside, key=int)]
    return inside
