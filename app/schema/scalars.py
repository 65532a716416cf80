"""Scalars of the contract: credits, quotas, moments and JSON, as plain Python values inside.

What cannot be read raises `Invalid`; graphql-core wraps it with its place, and `app.schema.errors` finds it again.
"""

from datetime import UTC, datetime
from typing import Any, NewType

import strawberry
from graphql import GraphQLError
from strawberry.types.scalar import ScalarDefinition

from app.errors import Invalid
from app.money import credits_text, parse_credits, parse_quota, quota_text

Credits = NewType("Credits", int)
"""Micro-credits."""
Quota = NewType("Quota", int)
"""Micro-credits a month; -1: no limit, 0: none at all."""
BigInt = NewType("BigInt", int)
"""A whole number that may pass 2^31."""
JSON = NewType("JSON", object)

MOST = 2**53 - 1
"""What every JSON reader still reads exactly."""


def moment_text(value: datetime) -> str:
    """Write a moment as `2026-11-23T07:37:00Z`, with a fraction where there is one."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def read_moment(value: object) -> datetime:
    """Read an ISO 8601 moment with a zone. Raises `Invalid`."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        if moment is not None and moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise Invalid(DateTime='Write a moment with its zone, such as "2026-11-23T07:37:00Z".')


def _read_credits(value: object) -> int:
    return parse_credits(value, "Credits")


def _read_quota(value: object) -> int:
    return parse_quota(value, "Quota")


def _whole(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= MOST:
        return value
    raise GraphQLError("A BigInt is a whole number up to 2^53 - 1.")


def _refuse(_value: object) -> Any:
    raise GraphQLError("JSON is given out only.")


SCALARS: dict[object, ScalarDefinition] = {
    Credits: strawberry.scalar(
        name="Credits",
        description="An exact decimal number of credits, as a string, at most 6 decimal places: "
        '"12.5". Never a float.',
        serialize=credits_text,
        parse_value=_read_credits,
    ),
    Quota: strawberry.scalar(
        name="Quota",
        description='A monthly limit in credits: a positive number, "-1" for unlimited or "0" for '
        "disabled.",
        serialize=quota_text,
        parse_value=_read_quota,
    ),
    datetime: strawberry.scalar(
        name="DateTime",
        description='A moment in UTC, ISO 8601: "2026-11-23T07:37:00Z".',
        serialize=moment_text,
        parse_value=read_moment,
    ),
    BigInt: strawberry.scalar(
        name="BigInt",
        description="An integer that may pass 2^31, as a JSON number up to 2^53 - 1.",
        serialize=_whole,
        parse_value=_whole,
    ),
    JSON: strawberry.scalar(
        name="JSON",
        description="What changed, as the thing's fields by name.",
        serialize=lambda value: value,
        parse_value=_refuse,
    ),
}
