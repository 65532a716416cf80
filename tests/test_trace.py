"""Traces of real calls: read in their order, refused where they are none."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.errors import Invalid
from app.trace import (
    AZURE,
    AZURE_CODE,
    AZURE_CONVERSATION,
    fingerprint,
    read_trace,
    read_traces,
    span_of,
)

HEAD = "TIMESTAMP,ContextTokens,GeneratedTokens"


def written(path: Path, *lines: str) -> Path:
    """Write a trace."""
    path.write_text("\n".join((HEAD, *lines)) + "\n")
    return path


def test_the_trace_that_is_shipped_is_whole_and_names_its_licence_and_source() -> None:
    assert [span_of(read_trace(one)).calls for one in (AZURE_CODE, AZURE_CONVERSATION)] == [
        8819,
        19366,
    ]
    said = (AZURE / "README.md").read_text()
    assert "CC-BY 4.0" in said
    assert "Splitwise" in said


def test_several_files_are_read_as_one_in_order_of_time(tmp_path: Path) -> None:
    one = written(
        tmp_path / "1.csv", "2023-11-16 18:15:46.6805900,374,44", "2023-11-16 18:17:00,1,2"
    )
    two = written(tmp_path / "2.csv", "2023-11-16T19:16:00+01:00,5,0")
    calls = list(read_traces([one, two]))
    assert [(call.file, call.row, call.prompt_tokens) for call in calls] == [
        (0, 1, 374),
        (1, 1, 5),
        (0, 2, 1),
    ]
    assert calls[0].at == datetime(2023, 11, 16, 18, 15, 46, 680590, UTC)
    assert calls[1].at == datetime(2023, 11, 16, 18, 16, tzinfo=UTC)
    assert fingerprint(one) != fingerprint(two)
    assert span_of(iter(calls)) == (3, calls[0].at, calls[-1].at)


@pytest.mark.parametrize(
    "lines",
    [
        ["2023-11-16 18:15:46,374"],
        ["2023-11-16 18:15:46,374,44,1"],
        ["2023-11-16 18:15:46,-1,44"],
        ["2023-11-16 18:15:46,1.5,44"],
        ["2023-11-16 18:15:46,1,1000000001"],
        ["yesterday,1,2"],
        [],
    ],
)
def test_what_is_no_trace_is_refused(tmp_path: Path, lines: Sequence[str]) -> None:
    with pytest.raises(Invalid):
        span_of(read_trace(written(tmp_path / "1.csv", *lines)))


def test_a_file_of_other_columns_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "1.csv"
    other.write_text("a,b,c\n1,2,3\n")
    with pytest.raises(Invalid):
        next(read_trace(other))
