"""Files of exports, opened again: their rows, types and totals are those of the page, to the last decimal."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import openpyxl
import pytest

from app.exporting.parquet import Parquet
from app.exporting.workbook import Workbook
from app.ids import wire_id
from app.money import credits_text
from app.resolvers import usage_overviews
from app.resolvers.exports import Column, Kind
from app.resolvers.usage import Dimension, UsageFilter
from app.zones import Granularity
from tests.exporting.desk import PARQUET, records, sums, table, workbook, written
from tests.scene import Scene
from tests.usage_rows import TOKENS, Made, book
from tests.web.usage_world import UsageWorld, acme_with_usage, cost

HOSTILE = (
    "=cmd|' /C calc'!A0",
    "http://evil.example/",
    "a\x01\x1f\ufffe\x0b",
    "_x0041_ 雪\U0001f600",
    "007",
)


@pytest.fixture
async def world(scene: Scene) -> UsageWorld:
    """Acme with calls whose texts are hostile, and a correction that takes one back."""
    acme = await acme_with_usage(scene)
    bob, key = acme.members["bob"], acme.keys["bob"]
    at = acme.now.replace(microsecond=123_456)
    odd = [Made(at, bob, key, text, text, cost_micro=1) for text in HOSTILE]
    (first, *_rest) = await book(scene.database, acme.account, odd)
    back = Made(at, bob, key, HOSTILE[0], tokens=(-1000, 0, 0, 0, 0), cost_micro=-1, corrects=first)
    await book(scene.database, acme.account, [back])
    acme.calls += [*odd, back]
    return acme


async def totals(scene: Scene, world: UsageWorld, asked: object) -> dict[str, int]:
    """Ask for the totals that the Usage page shows."""
    ann = await scene.person("ann")
    page = await usage_overviews.record_list(ann, world.account, asked, 1)
    return page.totals._asdict()


async def test_a_workbook_of_records_holds_the_page_to_the_last_decimal(
    scene: Scene, world: UsageWorld
) -> None:
    ann = await scene.person("ann")
    asked = records(world)
    (rows,), about = workbook(await written(ann, world, asked))
    expected = await totals(scene, world, asked.records)
    assert expected["cost_micro"] == cost(world.calls)
    exact = [Decimal(row["cost_exact"]) for row in rows]
    assert sum(exact) == Decimal(expected["cost_micro"]).scaleb(-6)
    assert [round(Decimal(row["cost"]), 6) for row in rows] == exact
    for name in TOKENS:
        assert sum(row[name] for row in rows) == expected[name]
    assert sum(row["corrects"] is None for row in rows) == expected["requests"]
    assert about["Cost"] == credits_text(expected["cost_micro"])
    assert (about["Rows"], about["Requests"]) == (str(len(rows)), str(expected["requests"]))
    assert (about["Organization"], about["Whose"]) == ("Acme", "everybody")
    assert about["From"].endswith(" 00:00:00 UTC")
    assert about["As of"].endswith(" UTC")
    newest = rows[0]
    assert newest["occurred_at (UTC)"] == datetime.fromisoformat(
        world.now.strftime("%Y-%m-%d %H:%M:%S.123000")
    )
    assert (newest["member_name"], newest["member_email"]) == ("Bob", "bob@example.com")
    assert newest["corrects"] == rows[len(HOSTILE)]["id"]
    # Control characters stand in Excel's own notation, which its reader here leaves as it is.
    shown = {row["model"] for row in rows}
    assert {HOSTILE[0], HOSTILE[1], HOSTILE[4]} <= shown
    assert "a_x0001__x001F__xFFFE__x000B_" in shown
    assert any("雪\U0001f600" in one for one in shown)


async def test_parquet_has_exact_types(scene: Scene, world: UsageWorld) -> None:
    ann = await scene.person("ann")
    member = (world.members["bob"],)
    asked = records(world, PARQUET, which=UsageFilter(member_ids=member, tags=(HOSTILE[3],)))
    everything = table(await written(ann, world, records(world, PARQUET)))
    whole = everything.read()
    expected = await totals(scene, world, asked.records)
    assert sum(whole["cost"].to_pylist()) == Decimal(cost(world.calls)).scaleb(-6)
    assert {str(one.type) for one in whole.schema if "cost" in one.name} == {"decimal128(19, 6)"}
    assert str(whole.schema.field("occurred_at").type) == "timestamp[us, tz=UTC]"
    assert whole["occurred_at"][0].as_py() == world.now.replace(microsecond=123_456)
    assert {*HOSTILE} <= {*whole["model"].to_pylist()}
    some = table(await written(ann, world, asked)).read()
    assert some.num_rows == expected["requests"] == 1
    told = {name.decode(): value.decode() for name, value in some.schema.metadata.items()}
    assert (told["filter_member"], told["filter_tag"]) == ("Bob", HOSTILE[3])
    assert told["cost"] == "0.000001"


@pytest.mark.parametrize("split", [Dimension.MODEL, Dimension.MEMBER, Dimension.TAG])
async def test_sums_are_those_of_the_dashboard(
    scene: Scene, world: UsageWorld, split: Dimension
) -> None:
    ann = await scene.person("ann")
    asked = sums(world, split=split, granularity=Granularity.MONTH)
    (rows,), about = workbook(await written(ann, world, asked))
    plain = table(await written(ann, world, replace(asked, format=PARQUET))).read()
    assert sum(Decimal(row["cost_exact"]) for row in rows) == Decimal(cost(world.calls)).scaleb(-6)
    assert sum(plain["cost"].to_pylist()) == Decimal(about["Cost"])
    assert sum(plain["requests"].to_pylist()) == int(about["Requests"])
    assert about["Split by"] == split.value.capitalize()
    assert plain.num_rows == len(rows) == int(about["Rows"])
    if split is Dimension.MEMBER:
        by_name = dict.fromkeys((row["member_name"] for row in rows), Decimal())
        for row in rows:
            by_name[row["member_name"]] += Decimal(row["cost_exact"])
        bobs = [one for one in world.calls if one.member_id == world.members["bob"]]
        assert by_name["Bob"] == Decimal(cost(bobs)).scaleb(-6)
        assert wire_id("member", world.members["bob"]) in plain["member_id"].to_pylist()


async def test_a_range_with_nothing_and_one_of_many_sheets_are_whole_files(
    scene: Scene, world: UsageWorld
) -> None:
    ann = await scene.person("ann")
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    nothing = replace(records(world), start=long_ago, end=long_ago + timedelta(days=1))
    (rows,), about = workbook(await written(ann, world, nothing))
    assert (rows, about["Rows"], about["Cost"]) == ([], "0", "0.000000")
    none = table(await written(ann, world, replace(nothing, format=PARQUET)))
    assert (none.metadata.num_rows, none.schema_arrow.metadata[b"rows"]) == (0, b"0")
    sheets, about = workbook(await written(ann, world, records(world), sheet_rows=41))
    assert [len(one) for one in sheets] == [40, 40, len(world.calls) - 80]
    exact = sum(Decimal(row["cost_exact"]) for sheet in sheets for row in sheet)
    assert exact == Decimal(cost(world.calls)).scaleb(-6) == Decimal(about["Cost"])


def test_the_largest_amounts_are_exact(tmp_path: Path) -> None:
    columns = [Column("n", Kind.COUNT), Column("cost", Kind.CREDITS)]
    amounts = [2**63 - 1, -(2**63), 0, -1]
    exact = [Decimal(one).scaleb(-6) for one in amounts]
    for kind, name in ((Parquet, "a.parquet"), (Workbook, "a.xlsx")):
        file = kind(tmp_path / name, columns, {"what": "=1+1"})
        file.add([(1, one) for one in amounts])
        file.close()
    assert table((tmp_path / "a.parquet").read_bytes()).read()["cost"].to_pylist() == exact
    sheet = openpyxl.load_workbook(tmp_path / "a.xlsx").worksheets[0]
    assert [Decimal(row[0]) for row in sheet.iter_rows(2, 5, 3, 3, values_only=True)] == exact
