"""Prices: the operator's list first, then genai-prices; rounded up once; no model is free by accident."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.errors import UnknownModel
from app.metering.pricing import PriceList, Tokens

AT = datetime(2026, 11, 23, tzinfo=UTC)


def own(tmp_path: Path, models: object) -> PriceList:
    """Make a price list of one's own."""
    path = tmp_path / "prices.json"
    path.write_text(json.dumps(models))
    return PriceList(str(path))


def test_a_known_model_costs_what_genai_prices_says() -> None:
    cost = PriceList().cost("openai/gpt-4o", Tokens(10_000, cached=8_000, completion=10), AT)
    # 2,000 x 2.50 + 8,000 x 1.25 + 10 x 10 for a million.
    assert cost.micro == 15_100
    assert cost.price == "genai-prices:openai/gpt-4o"


def test_a_cost_is_rounded_up_once(tmp_path: Path) -> None:
    prices = own(tmp_path, {"m": {"prompt": "0.3", "completion": "0.3"}})
    assert prices.cost("m", Tokens(1), AT).micro == 1
    assert prices.cost("m", Tokens(1, completion=1), AT).micro == 1
    assert prices.cost("m", Tokens(10), AT).micro == 3
    assert prices.cost("m", Tokens(0), AT).micro == 0


def test_the_operators_list_comes_first_and_prices_each_kind(tmp_path: Path) -> None:
    prices = own(
        tmp_path,
        {
            "openai/gpt-4o": {"prompt": "1", "completion": "5"},
            "all": {
                "prompt": "1",
                "cached": "10",
                "cache_write": 100,
                "completion": "1000",
                "reasoning": "10000",
            },
        },
    )
    assert prices.cost("openai/gpt-4o", Tokens(10, 4, 3, 10, 5), AT).micro == 60
    cost = prices.cost("all", Tokens(10, 4, 3, 10, 5), AT)
    assert cost == (3 + 40 + 300 + 5_000 + 50_000, "list:all")


@pytest.mark.parametrize("model", ["", "nope", "openai/nope", "/", "nope/gpt-4o"])
def test_an_unknown_model_is_refused(model: str) -> None:
    with pytest.raises(UnknownModel):
        PriceList().cost(model, Tokens(1), AT)


@pytest.mark.parametrize(
    "models",
    [
        [],
        {"m": {}},
        {"m": {"prompt": "1"}},
        {"m": {"prompt": "1", "completion": "-1"}},
        {"m": {"prompt": "NaN", "completion": "1"}},
        {"m": {"prompt": "x", "completion": "1"}},
        {"m": {"prompt": True, "completion": None}},
        {"m": {"prompt": "1", "completion": "1", "outputs": "1"}},
    ],
)
def test_a_list_that_makes_no_sense_is_refused(tmp_path: Path, models: object) -> None:
    with pytest.raises(ValueError, match="price list"):
        own(tmp_path, models)
