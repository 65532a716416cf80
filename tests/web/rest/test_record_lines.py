"""Lines of records, made of whole columns: what is in a text comes out as it went in, on both databases, in both formats."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update
from sqlmodel import col

from app.models import ApiKey, Member, User
from app.web.rest import record_lines
from tests.usage_rows import Made, book
from tests.web.rest.conftest import Finance

START = datetime(2026, 10, 1, tzinfo=UTC)
PATH = "/usage?from=2026-10-01&to=2026-11-01"
TEXTS = (
    *(
        "plain",
        'say "hi"',
        "a,b",
        "two\nlines",
        "two\r\nlines",
        "tab\tin",
        "back\\slash",
        "\\N",
        "\\.",
    ),
    *("=1+1", "+1", "-1", "@sum", " =1", "\t=1", "\x01\x1f\x0b\x08\x0c", "2026-10-01 10:00:00+00"),
    *("émoji 🦊", "漢字", "'", "null", "0"),
)
# The greatest that there are, too: a binary fraction holds them no longer.
COSTS = (3000, 10**18 - 1, 1 - 10**18, 0, -1, 1_000_001)
FRACTIONS = (0, 100_000, 120_000, 123_456, 10, 1)


def as_shown(value: object, column: str) -> str:
    """Say how CSV shows what JSON says."""
    if value is None:
        return ""
    text = str(value)
    formula = text.lstrip(" ").startswith(tuple("=+-@\t\r\n"))
    return f"'{text}" if formula and isinstance(value, str) and column != "cost" else text


@pytest.mark.parametrize("remembered", [10_000, 1])
async def test_every_text_moment_and_amount_is_the_same_in_pages_csv_and_ndjson(
    finance: Finance, remembered: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_lines, "REMEMBERED", remembered)
    calls = [
        Made(
            START + timedelta(seconds=n, microseconds=FRACTIONS[n % len(FRACTIONS)]),
            finance.members["mia"],
            finance.keys["mia" if n % 2 else "adam"],
            text,
            TEXTS[-n] if n % 3 else None,
            cost_micro=COSTS[n % len(COSTS)],
        )
        for n, text in enumerate(TEXTS)
    ]
    await book(finance.scene.database, finance.account_id, calls)
    async with finance.scene.database.write() as session:
        person = col(Member.id) == finance.members["mia"]
        who = select(Member.user_id).where(person).scalar_subquery()
        name = update(User).where(col(User.id) == who)
        await session.execute(name.values(name='=Mia "\\ 🦊"'))
        key = update(ApiKey).where(col(ApiKey.id) == finance.keys["adam"])
        await session.execute(key.values(name="key, 1"))
    rows = await finance.pages(f"{PATH}&limit=5")
    assert {row["model"] for row in rows} == set(TEXTS)
    lines = (await finance.get(f"{PATH}&format=ndjson")).content.decode()
    assert [json.loads(one) for one in lines.removesuffix("\n").split("\n")] == rows
    assert list(json.loads(lines.split("\n")[0])) == list(rows[0])
    assert "🦊" in lines
    text = (await finance.get(f"{PATH}&format=csv")).content.decode()
    table = list(csv.DictReader(io.StringIO(text, newline="")))
    assert table == [{name: as_shown(one, name) for name, one in row.items()} for row in rows]


@pytest.mark.parametrize("event_id", TEXTS)
def test_an_event_id_is_a_field_like_any_other(event_id: str) -> None:
    part = record_lines.RecordTexts(
        ["0" * 32] * 2,
        [event_id, "plain"],
        ["2026-10-01T00:00:00.000000Z"] * 2,
        ["2026-10-01T00:00:00.000000Z"] * 2,
        ["", "1" * 32],
        [],
        [["1", "-2"]] * len(record_lines.TOKENS),
        ["-0.000001", "0.500000"],
    )
    text = record_lines._csv_lines(part, ["model", "model"]).decode()
    first, second = csv.reader(io.StringIO(text, newline=""))
    assert first[1] == as_shown(event_id, "event_id")
    assert (second[1], second[4]) == ("plain", f"use_{'1' * 32}")
    assert (first[6], second[6]) == ("1", "-2")
    lines = record_lines._json_lines(part, ['"model":"m"'] * 2).decode().split("\n")
    assert json.loads(lines[0])["event_id"] == event_id
    assert json.loads(lines[0])["corrects"] is None
    assert json.loads(lines[1])["corrects"] == f"use_{'1' * 32}"
    assert json.loads(lines[0])["cost"] == "-0.000001"
