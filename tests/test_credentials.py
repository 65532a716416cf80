"""Secrets of keys: their form, their check sum, their hash."""

import re

from hypothesis import given
from hypothesis import strategies as st

from app.credentials import (
    BASE62,
    KeyKind,
    KeyPrefix,
    key_kind,
    new_key_secret,
    secret_hash,
    shown_parts,
)

PREFIXES: list[KeyPrefix] = ["sk_", "sk_mg_", "gw_"]
prefixes = st.sampled_from(PREFIXES)


@given(prefixes)
def test_a_new_secret_has_forty_characters_and_six_of_check_sum_and_tells_its_kind(
    prefix: KeyPrefix,
) -> None:
    secret = new_key_secret(prefix)
    assert re.fullmatch(prefix + "[0-9A-Za-z]{46}", secret)
    assert key_kind(secret) is KeyKind(prefix)


@given(prefixes, st.data())
def test_any_single_changed_character_is_noticed(prefix: KeyPrefix, data: st.DataObject) -> None:
    secret = new_key_secret(prefix)
    place = data.draw(st.integers(0, len(secret) - 1))
    other = data.draw(st.sampled_from(BASE62 + "_-é \n").filter(lambda c: c != secret[place]))
    assert key_kind(secret[:place] + other + secret[place + 1 :]) is None


@given(prefixes, st.data())
def test_a_left_out_doubled_or_swapped_character_is_noticed(
    prefix: KeyPrefix, data: st.DataObject
) -> None:
    secret = new_key_secret(prefix)
    place = data.draw(st.integers(0, len(secret) - 2))
    before, one, two, after = secret[:place], secret[place], secret[place + 1], secret[place + 2 :]
    assert key_kind(before + two + after) is None
    assert key_kind(before + one + one + two + after) is None
    if one != two:
        assert key_kind(before + two + one + after) is None


@given(prefixes)
def test_a_secret_of_one_kind_is_none_of_another_kind(prefix: KeyPrefix) -> None:
    body = new_key_secret(prefix).removeprefix(prefix)
    assert all(key_kind(other + body) is None for other in PREFIXES if other != prefix)


@given(st.text())
def test_other_texts_are_no_keys(text: str) -> None:
    assert key_kind(text) is None
    assert key_kind("sk_" + text) is None


def test_secrets_do_not_repeat_and_use_every_character() -> None:
    secrets = {new_key_secret("sk_") for _ in range(500)}
    assert len(secrets) == 500
    assert set("".join(secrets)) == {*BASE62, "_"}


def test_a_hash_depends_on_secret_and_pepper_and_tells_neither() -> None:
    secret = new_key_secret("sk_")
    hashed = secret_hash("pepper", secret)
    assert len(hashed) == 32
    assert hashed == secret_hash("pepper", secret)
    assert hashed != secret_hash("pepper2", secret)
    assert hashed != secret_hash("pepper", new_key_secret("sk_"))


def test_what_is_shown_afterwards_are_four_characters_at_each_end() -> None:
    secret = new_key_secret("sk_mg_")
    prefix, last_four = shown_parts(secret)
    assert (prefix, last_four) == (secret[:10], secret[-4:])
