"""Texts that people type: what is kept of them, what is refused, and that a search finds what it should."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import Invalid
from app.text import clean_email, clean_name, clean_tag, fold, fold_email, search_text, seen_text

WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=40)


@given(WORDS)
def test_folding_twice_is_folding_once(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(WORDS, WORDS, WORDS)
def test_a_part_of_a_name_is_found_in_it(before: str, part: str, after: str) -> None:
    assert fold(part) in fold(before + part + after)


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("jose", "José"),
        ("strasse", "Straße"),
        ("ada  lovelace", "Ada\u00a0Lovelace"),
        ("ffi", "ﬃ"),
        ("\u03c3", "\u03c2"),
    ],
)
def test_case_accents_and_spaces_do_not_matter(typed: str, stored: str) -> None:
    assert fold(typed) in fold(stored)


def test_addresses_differ_by_more_than_case_and_spaces() -> None:
    assert fold_email("  Ann@Example.COM ") == "ann@example.com"
    assert fold_email("ann+x@example.com") != fold_email("ann@example.com")
    assert fold_email("josé@example.com") != fold_email("jose@example.com")


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("Acme Inc.", "Acme Inc."),
        ("  Acme \t\n Inc. ", "Acme Inc."),
        ("e\u0301", "é"),
        ("=cmd|' /C calc'!A0", "=cmd|' /C calc'!A0"),
        ("100% _pure_", "100% _pure_"),
        ("<b>Bold & Co</b>", "<b>Bold & Co</b>"),
        ("株式会社", "株式会社"),
        ("x" * 80, "x" * 80),
    ],
)
def test_a_name_is_kept_as_it_is_but_for_spaces(typed: str, kept: str) -> None:
    assert clean_name(typed) == kept


@pytest.mark.parametrize(
    "typed",
    [
        "",
        " \t\n",
        "\u0301",
        "\u200b",
        "a\0b",
        "a\u202eb",
        "a\u200bb",
        "a\u2066b",
        "\ufeffAcme",
        "a\ue000b",
        "a\U000e0041b",
        "a\u2028",
        "a\x7fb",
        "x" * 81,
        "x" * 10_000,
        " " * 10_000 + "x",
    ],
    ids=ascii,
)
def test_a_name_that_hides_something_or_is_too_long_is_refused(typed: str) -> None:
    if typed == "a\u2028":  # a line's end is a space at the end
        assert clean_name(typed) == "a"
        return
    with pytest.raises(Invalid):
        clean_name(typed)


def test_a_tag_has_a_bound_of_its_own() -> None:
    assert clean_tag("x" * 64) == "x" * 64
    with pytest.raises(Invalid):
        clean_tag("x" * 65)


@given(st.text(max_size=2_000))
def test_what_a_name_is_cleaned_to_can_be_seen_and_is_not_cleaned_further(text: str) -> None:
    try:
        kept = clean_name(text)
    except Invalid:
        return
    assert 0 < len(kept) <= 80
    assert kept == kept.strip()
    assert clean_name(kept) == kept
    assert not {unicodedata.category(c) for c in kept} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@given(st.text(max_size=2_000))
def test_somebody_elses_name_is_cut_to_what_can_be_seen(text: str) -> None:
    kept = seen_text(text)
    assert len(kept) <= 80
    if fold(kept):
        assert clean_name(kept) == kept


@pytest.mark.parametrize(
    "typed",
    ["", "ann", "ann@", "@example.com", "a b@example.com", "ann@example.com\nBcc: eve@example.com",
     "ann@exam\0ple.com", "x" * 300 + "@example.com", "ann@" + "x" * 10_000 + ".com",
     "Ann <ann@example.com>", "ann@example.com,eve@example.com"],
    ids=ascii,
)  # fmt: skip
def test_what_is_no_address_is_refused(typed: str) -> None:
    with pytest.raises(Invalid):
        clean_email(typed, test_addresses=True)


def test_an_address_is_trimmed_and_reserved_ones_are_for_tests() -> None:
    assert clean_email(" Ann@acme.test ", test_addresses=True) == "Ann@acme.test"
    with pytest.raises(Invalid):
        clean_email("ann@acme.test", test_addresses=False)


def test_a_search_is_folded_bounded_and_holds_no_nul() -> None:
    assert search_text(None) == ""
    assert search_text(" \0 ") == ""
    assert search_text("JOSÉ\0") == "jose"
    assert search_text("100%_") == "100%_"
    with pytest.raises(Invalid):
        search_text("x" * 101)
    with pytest.raises(Invalid):
        search_text("x" * 10_240)
