"""Money: exact both ways, and nothing inexact, unbounded or misread comes in."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import Invalid
from app.money import MAX_MICRO, credits_text, parse_credits, parse_quota, quota_text

AMOUNTS = st.integers(-MAX_MICRO, MAX_MICRO)


@given(AMOUNTS)
def test_an_amount_is_written_exactly_and_read_again(micro: int) -> None:
    text = credits_text(micro)
    assert Decimal(text) * 1_000_000 == micro
    assert len(text.partition(".")[2]) == 6
    assert parse_credits(text) == micro


@given(st.integers(-1, MAX_MICRO))
def test_a_quota_is_written_exactly_and_read_again(quota: int) -> None:
    assert parse_quota(quota_text(quota)) == quota


@given(
    st.decimals(
        allow_nan=False, allow_infinity=False, places=6, max_value=10**6, min_value=-(10**6)
    )
)
def test_every_decimal_of_six_places_is_read_as_it_is(value: Decimal) -> None:
    assert parse_credits(f"{value:f}") == value * 1_000_000


@pytest.mark.parametrize(
    ("text", "micro"),
    [
        ("12.5", 12_500_000),
        ("0", 0),
        ("-0", 0),
        ("-0.000001", -1),
        ("007", 7_000_000),
        ("0.1", 100_000),
    ],
)
def test_amounts_are_micro_credits(text: str, micro: int) -> None:
    assert parse_credits(text) == micro


NO_AMOUNTS = [
    "",
    " ",
    " 1",
    "1 ",
    "1\n",
    "+1",
    "--1",
    "1.",
    ".5",
    "1.0000001",
    "1e3",
    "1E3",
    "1_000",
    "1,5",
    "1.5.5",
    "0x10",
    "NaN",
    "Infinity",
    "-inf",
    "١٢",
    "\uff11\uff12",
    "1\0",
    "$1",
    "=1+1",
    "10000000000000",
    "9" * 10_000,
    None,
    1.5,
    True,
    [],
    {},
    Decimal(1),
]


@pytest.mark.parametrize("text", NO_AMOUNTS, ids=repr)
def test_what_is_no_exact_amount_is_refused(text: object) -> None:
    with pytest.raises(Invalid):
        parse_credits(text)
    with pytest.raises(Invalid):
        parse_quota(text)


def test_a_number_is_no_text() -> None:
    with pytest.raises(Invalid):
        parse_credits(5)


def test_amounts_end_at_a_million_millions() -> None:
    assert parse_credits("1000000000000") == MAX_MICRO
    for text in ("1000000000000.000001", "-1000000000000.000001", "9999999999999"):
        with pytest.raises(Invalid):
            parse_credits(text)


@pytest.mark.parametrize("text", ["-0.5", "-1.000001", "-2", "-0.000001", "-1000000", -2, 10**18])
def test_a_quota_below_nothing_is_refused(text: object) -> None:
    with pytest.raises(Invalid):
        parse_quota(text)


@pytest.mark.parametrize(
    ("text", "quota", "written"),
    [
        ("-1", -1, "-1"),
        (-1, -1, "-1"),
        ("-1.0", -1, "-1"),
        ("0", 0, "0"),
        ("0.000000", 0, "0"),
        ("0.000001", 1, "0.000001"),
        ("12.50", 12_500_000, "12.5"),
        ("10", 10_000_000, "10"),
        (10, 10_000_000, "10"),
    ],
)
def test_quotas_are_micro_credits_or_a_word(text: object, quota: int, written: str) -> None:
    assert parse_quota(text) == quota
    assert quota_text(quota) == written
