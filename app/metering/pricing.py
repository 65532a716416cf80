"""Prices: what a call costs where the gateway names no cost. The operator's price list first, then `genai-prices`.

A price list is JSON: `{"openai/gpt-4.1": {"prompt": "2", "cached": "0.5", "cache_write": "2",
"completion": "8", "reasoning": "8"}}`, in credits for a million tokens. `cached` and `cache_write`
are as `prompt` where they are left out, `reasoning` is as `completion`.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from pathlib import Path
from typing import Any, NamedTuple

from genai_prices import Usage
from genai_prices.data_snapshot import get_snapshot

from app.errors import Invalid, UnknownModel
from app.money import MAX_MICRO, MICRO

GIVEN = "gateway"
"""By which price a call was booked whose cost the gateway named."""
PRICE_LENGTH = 120
KNOWN_MODELS = 10_000
KINDS = ("prompt", "cached", "cache_write", "completion", "reasoning")


class Tokens(NamedTuple):
    """Tokens of a call. Those of the cache are part of the prompt's, those of reasoning of the completion's."""

    prompt: int
    cached: int = 0
    cache_write: int = 0
    completion: int = 0
    reasoning: int = 0


class Cost(NamedTuple):
    """What a call costs, in micro-credits, and by which price."""

    micro: int
    price: str


class PriceList:
    """Prices of models, told by name. `path`: the operator's price list, or empty for none.

    Raises `ValueError` for a list that does not make sense.
    """

    def __init__(self, path: str = "") -> None:
        self._own = _read_list(Path(path)) if path else {}
        self._known: dict[str, tuple[Any, Any] | None] = {}

    def cost(self, model: str, tokens: Tokens, at: datetime) -> Cost:
        """Compute the cost of a call made at a moment, rounded up once. Raises `UnknownModel`, `Invalid`."""
        cost = self._cost(model, tokens, at)
        if cost.micro > MAX_MICRO:
            raise Invalid(cost="So many tokens cost more than anybody has.")
        return cost

    def _cost(self, model: str, tokens: Tokens, at: datetime) -> Cost:
        own = self._own.get(model)
        if own is not None:
            exact = sum(
                (count * price for count, price in zip(_apart(tokens), own, strict=True)),
                Decimal(0),
            )
            return Cost(_whole(exact), f"list:{model}"[:PRICE_LENGTH])
        found = self._look_up(model)
        if found is None:
            raise UnknownModel
        provider, info = found
        # Reasoning is part of the completion, and no provider prices it apart.
        usage = Usage(
            input_tokens=tokens.prompt,
            cache_read_tokens=tokens.cached,
            cache_write_tokens=tokens.cache_write,
            output_tokens=tokens.completion,
        )
        said = info.calc_price(usage, provider, genai_request_timestamp=at)
        # A model whose tokens have no price is no free model.
        for count, price in (
            (tokens.prompt, said.model_price.input_mtok),
            (tokens.completion, said.model_price.output_mtok),
        ):
            if count and price is None:
                raise UnknownModel
        name = f"genai-prices:{provider.id}/{info.id}"
        return Cost(_whole(said.total_price * MICRO), name[:PRICE_LENGTH])

    def _look_up(self, model: str) -> tuple[Any, Any] | None:
        if model not in self._known:
            if len(self._known) >= KNOWN_MODELS:
                self._known.clear()
            self._known[model] = _find(model)
        return self._known[model]


def _find(model: str) -> tuple[Any, Any] | None:
    """Find a model's provider and prices: `openai/gpt-4.1` of that provider, else as OpenRouter calls it."""
    maker, slash, name = model.partition("/")
    for provider, known_as in ((maker, name), ("openrouter", model)) if slash else ((None, model),):
        try:
            return get_snapshot().find_provider_model(known_as, None, provider, None)
        except LookupError:
            continue
    return None


def _apart(tokens: Tokens) -> tuple[int, ...]:
    """Give the tokens of each kind that are of no other, in the order of `KINDS`."""
    return (
        tokens.prompt - tokens.cached - tokens.cache_write,
        tokens.cached,
        tokens.cache_write,
        tokens.completion - tokens.reasoning,
        tokens.reasoning,
    )


def _whole(micro: Decimal) -> int:
    return int(micro.to_integral_value(rounding=ROUND_CEILING))


def _read_list(path: Path) -> dict[str, tuple[Decimal, ...]]:
    read = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    if not isinstance(read, dict):
        raise ValueError("The price list is no object of models.")  # noqa: TRY004 - the file's fault
    return {model: _prices(model, prices) for model, prices in read.items()}


def _prices(model: str, given: Any) -> tuple[Decimal, ...]:
    if not isinstance(given, Mapping) or not {"prompt", "completion"} <= set(given) <= set(KINDS):
        raise ValueError(f"The price list needs prompt and completion for {model}, and no others.")
    prices = {kind: _price(model, price) for kind, price in given.items()}
    usual = {
        "cached": prices["prompt"],
        "cache_write": prices["prompt"],
        "reasoning": prices["completion"],
    }
    return tuple((usual | prices)[kind] for kind in KINDS)


def _price(model: str, given: Any) -> Decimal:
    try:
        price = Decimal(given) if isinstance(given, str | int | Decimal) else Decimal("NaN")
    except InvalidOperation:
        price = Decimal("NaN")
    if not price.is_finite() or not 0 <= price < MAX_MICRO:
        raise ValueError(f"The price list has a price of {model} that is no number.")
    return price
