"""Ids: what is written is read again, and nothing else is read."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import NotFound
from app.ids import KINDS, id_of, new_id, read_wire_id, wire_id

ONE = UUID("01a20d6b-f074-7530-8b7f-dfbb95219039")


@given(st.sampled_from(sorted(KINDS)), st.uuids())
def test_what_is_written_is_read_again(kind: str, value: UUID) -> None:
    text = wire_id(kind, value)
    assert read_wire_id(text) == (kind, value)
    assert id_of(kind, text) == value


def test_every_kind_has_a_prefix_of_its_own() -> None:
    assert len(set(KINDS.values())) == len(KINDS)
    for kind in KINDS:
        for other in set(KINDS) - {kind}:
            with pytest.raises(NotFound):
                id_of(other, wire_id(kind, ONE))


@given(st.text(max_size=60))
def test_no_other_text_is_an_id(text: str) -> None:
    found = read_wire_id(text)
    assert found is None or wire_id(*found) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "_",
        "mem",
        "mem_",
        ONE.hex,
        str(ONE),
        f"mem_{ONE}",
        f"mem_{ONE.hex.upper()}",
        f"MEM_{ONE.hex}",
        f" mem_{ONE.hex}",
        f"mem_{ONE.hex}\n",
        f"mem_{ONE.hex}0",
        f"mem_{ONE.hex[:-1]}",
        f"mem_{ONE.hex[:-1]}\0",
        f"mem_{ONE.hex[:-1]}٣",
        f"mem__{ONE.hex[:-1]}",
        f"xyz_{ONE.hex}",
        f"member_{ONE.hex}",
        "mem_" + "f" * 10_000,
    ],
)
def test_what_looks_like_an_id_is_none(text: str) -> None:
    assert read_wire_id(text) is None
    with pytest.raises(NotFound):
        id_of("member", text)


def test_new_ids_sort_by_time_and_are_all_different() -> None:
    made = [new_id() for _ in range(2_000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)
    assert {one.version for one in made} == {7}
