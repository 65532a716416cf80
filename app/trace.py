"""Traces of real model calls, as Azure publishes them: a CSV file with a row a call, read a row at a time."""

import csv
import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from heapq import merge
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from app.errors import Invalid

COLUMNS = ["TIMESTAMP", "ContextTokens", "GeneratedTokens"]
CHUNK_BYTES = 1 << 20
MOST_TOKENS = 1_000_000_000
AZURE = Path(__file__).parent / "data" / "azure-llm-trace"
AZURE_CODE = AZURE / "AzureLLMInferenceTrace_code.csv"
AZURE_CONVERSATION = AZURE / "AzureLLMInferenceTrace_conv.csv"


class TracedCall(NamedTuple):
    """One call: when, its row from 1 on in which of the files, and its tokens. Earlier calls sort first."""

    at: datetime
    file: int
    row: int
    prompt_tokens: int
    completion_tokens: int


def read_trace(path: Path, file: int = 0) -> Iterator[TracedCall]:
    """Read a file's calls in its order; moments without a zone are UTC, and cut to the microsecond.

    Raises `Invalid`, which names the row, for what is no such trace, and `OSError`.
    """
    with path.open(encoding="utf-8-sig", newline="") as lines:
        rows = csv.reader(lines)
        if next(rows, None) != COLUMNS:
            raise Invalid(file=f"{path.name} does not start with {','.join(COLUMNS)}.")
        for row, cells in enumerate(rows, 1):
            try:
                yield _call(file, row, *cells)
            except (TypeError, ValueError):
                raise Invalid(file=f"Row {row} of {path.name} is no call: {cells}") from None


def _call(file: int, row: int, at: str, prompt: str, completion: str) -> TracedCall:
    moment = datetime.fromisoformat(at)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    tokens = int(prompt), int(completion)
    if not all(0 <= one <= MOST_TOKENS for one in tokens):
        raise ValueError(tokens)
    return TracedCall(moment.astimezone(UTC), file, row, *tokens)


def read_traces(paths: Sequence[Path]) -> Iterator[TracedCall]:
    """Read several files, each in order of time, as one in order of time. Raises as `read_trace`."""
    return merge(*(read_trace(path, file) for file, path in enumerate(paths)))


class Span(NamedTuple):
    """How many calls there are, when the first was and when the last."""

    calls: int
    first: datetime
    last: datetime


def span_of(calls: Iterator[TracedCall]) -> Span:
    """Read calls to their end. Raises `Invalid` where there are none."""
    first = next(calls, None)
    if first is None:
        raise Invalid(file="There is no call in it.")
    count, begun, ended = 1, first.at, first.at
    for call in calls:
        count += 1
        begun, ended = min(begun, call.at), max(ended, call.at)
    return Span(count, begun, ended)


def first_of(calls: Iterator[TracedCall], count: int | None) -> Iterator[TracedCall]:
    """Take so many calls; None takes all."""
    return calls if count is None else islice(calls, count)


def fingerprint(path: Path) -> str:
    """Name a file by what is in it, in 16 characters. Raises `OSError`."""
    found = hashlib.sha256()
    with path.open("rb") as content:
        while chunk := content.read(CHUNK_BYTES):
            found.update(chunk)
    return found.hexdigest()[:16]
