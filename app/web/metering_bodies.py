"""Bodies of the gateway's calls: read strictly, with a sentence for each field that does not make sense."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from app.credentials import KeyKind, key_kind
from app.errors import BadRequest, Invalid, InvalidApiKey, NotFound, Refusal
from app.ids import id_of, wire_id
from app.metering.calls import Authorize, Caller, Event, Release, Report, Settle
from app.metering.pricing import Tokens
from app.money import parse_credits
from app.text import clean_tag

T = TypeVar("T")
ID_LENGTH = 255
MODEL_LENGTH = 120
MOST_TOKENS = 1_000_000_000
SHORTEST_SECONDS, USUAL_SECONDS, LONGEST_SECONDS = 1, 600, 86_400
MOST_EVENTS = 1000
_ID = re.compile(rf"[^\x00-\x1f\x7f\ud800-\udfff]{{1,{ID_LENGTH}}}")
_MODEL = re.compile(rf"[!-~]{{1,{MODEL_LENGTH}}}")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)

AUTHORIZE = frozenset(
    {
        "request_id",
        "key",
        "amount",
        "min_amount",
        "model",
        "max_prompt_tokens",
        "max_completion_tokens",
        "ttl_seconds",
        "tag",
    }
)
TOKENS = (
    "prompt_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "completion_tokens",
    "reasoning_tokens",
)
SETTLE = frozenset({"hold_id", "event_id", "model", "cost", *TOKENS})
RELEASE = frozenset({"hold_id"})
EVENT = frozenset({"event_id", "key", "api_key_id", "occurred_at", "model", "cost", "tag", *TOKENS})
REPORT = frozenset({"events"})
HashOf = Callable[[str], bytes]
wire = wire_id
hold_text = partial(wire_id, "hold")


def moment_text(moment: datetime) -> str:
    """Write a moment as RFC 3339 does, to the microsecond."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def authorize_call(hash_of: HashOf, caller: Caller, body: Any) -> Authorize:
    """Read the body of an authorization. Raises `BadRequest`, `Invalid`, `InvalidApiKey`."""
    given = _object(body, AUTHORIZE)
    by_amount = "amount" in given
    if by_amount == ("model" in given):
        raise Invalid(amount="Give an amount, or a model with its most tokens.")
    amount = _credits(given, "amount") if by_amount else None
    tokens = None
    if not by_amount:
        tokens = Tokens(
            prompt=_count(given, "max_prompt_tokens"),
            completion=_count(given, "max_completion_tokens"),
        )
    elif {"max_prompt_tokens", "max_completion_tokens"} & set(given):
        raise Invalid(max_prompt_tokens="These go with a model, not with an amount.")
    return Authorize(
        caller=caller,
        request_id=_id(given, "request_id"),
        secret_hash=_secret(hash_of, given),
        amount_micro=amount,
        least_micro=_least(given, amount),
        model=_model(given) if tokens is not None else None,
        tokens=tokens,
        ttl_seconds=_count(given, "ttl_seconds", USUAL_SECONDS, SHORTEST_SECONDS, LONGEST_SECONDS),
        tag=_tag(given),
    )


def _least(given: Mapping[str, Any], amount: int | None) -> int | None:
    if "min_amount" not in given:
        return None
    least = _credits(given, "min_amount")
    if amount is not None and least > amount:
        raise Invalid(min_amount="The least is at most the amount.")
    return least


def settle_call(caller: Caller, body: Any) -> Settle:
    """Read the body of a settlement. Raises `BadRequest`, `Invalid`, `NotFound`."""
    given = _object(body, SETTLE)
    return Settle(
        caller=caller,
        hold_id=_hold_id(given),
        event_id=_id(given, "event_id"),
        model=_model(given),
        tokens=_tokens(given),
        cost_micro=_cost(given),
    )


def release_call(caller: Caller, body: Any) -> Release:
    """Read the body of a release. Raises `BadRequest`, `Invalid`, `NotFound`."""
    return Release(caller, _hold_id(_object(body, RELEASE)))


def report_call(
    hash_of: HashOf, caller: Caller, body: Any
) -> tuple[Report, list[tuple[str | None, Refusal | None]]]:
    """Read the body of a batch: the events that can be read, and for each place its event id and why it cannot.

    Raises `BadRequest`, `Invalid` for a body that is no list of 1 to 1,000 events.
    """
    events = _object(body, REPORT).get("events")
    if not isinstance(events, list) or not 1 <= len(events) <= MOST_EVENTS:
        raise Invalid(events="Send a list of 1 to 1,000 events.")
    read: list[Event] = []
    places: list[tuple[str | None, Refusal | None]] = []
    for one in events:
        event_id = one.get("event_id") if isinstance(one, dict) else None
        shown = event_id if isinstance(event_id, str) else None
        try:
            read.append(_event(hash_of, one))
        except Refusal as refusal:
            places.append((shown, refusal))
        else:
            places.append((shown, None))
    return Report(caller, tuple(read)), places


def _event(hash_of: HashOf, body: Any) -> Event:
    given = _object(body, EVENT)
    by_key = "key" in given
    if by_key == ("api_key_id" in given):
        raise Invalid(key="Give the key or its id.")
    try:
        key_id = None if by_key else id_of("api_key", _text(given, "api_key_id"))
    except NotFound:
        raise InvalidApiKey from None
    return Event(
        event_id=_id(given, "event_id"),
        occurred_at=_moment(given, "occurred_at"),
        model=_model(given),
        tokens=_tokens(given),
        secret_hash=_secret(hash_of, given) if by_key else None,
        api_key_id=key_id,
        cost_micro=_cost(given),
        tag=_tag(given),
    )


def _object(body: Any, known: frozenset[str]) -> dict[str, Any]:
    """Check that this is an object without unknown members; null is as if left out."""
    if not isinstance(body, dict):
        raise BadRequest("Send a JSON object.")
    if not known.issuperset(body):
        unknown = sorted(set(body) - known)
        raise Invalid(**{name[:ID_LENGTH]: "There is no such field." for name in unknown[:10]})
    return {name: value for name, value in body.items() if value is not None}


def _text(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name)
    if not isinstance(value, str):
        raise Invalid(**{name: "Give a text."})
    return value


def _id(given: Mapping[str, Any], name: str) -> str:
    value = _text(given, name)
    if not _ID.fullmatch(value):
        raise Invalid(**{name: "Give 1 to 255 visible characters."})
    return value


def _model(given: Mapping[str, Any]) -> str:
    value = _text(given, "model")
    if not _MODEL.fullmatch(value):
        raise Invalid(model="Give the model's name: 1 to 120 visible ASCII characters.")
    return value


def _secret(hash_of: HashOf, given: Mapping[str, Any]) -> bytes:
    secret = _text(given, "key")
    # By form and check sum, before the database is asked.
    if key_kind(secret) is not KeyKind.STANDARD:
        raise InvalidApiKey
    return hash_of(secret)


def _hold_id(given: Mapping[str, Any]) -> UUID:
    return id_of("hold", _text(given, "hold_id"))


def _tag(given: Mapping[str, Any]) -> str | None:
    return clean_tag(_text(given, "tag")) if "tag" in given else None


def _credits(given: Mapping[str, Any], name: str) -> int:
    value = given[name]
    micro = parse_credits(str(value) if type(value) in (int, Decimal) else value, name)
    if micro < 0:
        raise Invalid(**{name: "Give no less than nothing."})
    return micro


def _cost(given: Mapping[str, Any]) -> int | None:
    return _credits(given, "cost") if "cost" in given else None


def _count(
    given: Mapping[str, Any],
    name: str,
    usual: int | None = None,
    least: int = 0,
    most: int = MOST_TOKENS,
) -> int:
    value = given.get(name, usual)
    if type(value) is not int or not least <= value <= most:
        raise Invalid(**{name: f"Give a whole number from {least:,} to {most:,}."})
    return value


def _tokens(given: Mapping[str, Any]) -> Tokens:
    tokens = Tokens(
        prompt=_count(given, "prompt_tokens"),
        cached=_count(given, "cached_tokens", 0),
        cache_write=_count(given, "cache_write_tokens", 0),
        completion=_count(given, "completion_tokens"),
        reasoning=_count(given, "reasoning_tokens", 0),
    )
    if tokens.cached + tokens.cache_write > tokens.prompt:
        raise Invalid(cached_tokens="Tokens of the cache are part of the prompt's.")
    if tokens.reasoning > tokens.completion:
        raise Invalid(reasoning_tokens="Tokens of reasoning are part of the completion's.")
    return tokens


def _moment(given: Mapping[str, Any], name: str) -> datetime:
    text = _text(given, name)
    try:
        if _MOMENT.fullmatch(text):
            return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise Invalid(**{name: "Give a moment with a zone, as 2026-11-23T13:05:00Z."})
