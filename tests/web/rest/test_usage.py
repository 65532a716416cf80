"""`GET /usage`: one set of rows in three formats, totals that add up, a feed that loses nothing."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import product
from typing import Any
from urllib.parse import urlencode

import pytest

from app.ids import wire_id
from app.models import Hold
from app.resolvers import members, sessions
from tests.usage_rows import Made, book
from tests.web.rest.conftest import Finance
from tests.web.rest.test_ledger_and_members import as_text

DAY = datetime(2026, 10, 24, tzinfo=UTC)
RANGE = "from=2026-10-01&to=2026-11-01"
SUMMED = (
    *("prompt_tokens", "cached_tokens", "cache_write_tokens"),
    *("completion_tokens", "reasoning_tokens"),
)
RECORD_COLUMNS = [
    "id",
    "event_id",
    "occurred_at",
    "recorded_at",
    "corrects",
    "model",
    "member_id",
    "member_email",
    "member_name",
    "api_key_id",
    "api_key_name",
    "tag",
    "prompt_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "completion_tokens",
    "reasoning_tokens",
    "cost",
]
BUCKET_COLUMNS = [
    "start",
    "end",
    "model",
    "member_id",
    "member_email",
    "member_name",
    "api_key_id",
    "api_key_name",
    "tag",
    "requests",
    "prompt_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "completion_tokens",
    "reasoning_tokens",
    "cost",
]


async def some_calls(finance: Finance, count: int = 23) -> None:
    """Let three people call models around the end of summer time, with one correction."""
    names = list(finance.members)
    calls = [
        Made(
            DAY + timedelta(hours=3 * n, microseconds=n),
            finance.members[names[n % 3]],
            finance.keys[names[n % 3]],
            model=("openai/gpt-4.1", "=cmd|' /C calc'!A0", 'a "quoted", model')[n % 3],
            tag=(None, "-1+1", "@sum", "plain", "ä\u00e9 ,;")[n % 5],
            tokens=(1000 + n, n, 2, 30 + n, 4),
            cost_micro=1_000_001 * n,
            event_id=f"+event {n}",
        )
        for n in range(count)
    ]
    made = await book(finance.scene.database, finance.account_id, calls)
    first = calls[1]
    undo = Made(
        first.occurred_at,
        first.member_id,
        first.api_key_id,
        first.model,
        first.tag,
        tuple(-one for one in first.tokens),
        -first.cost_micro,
        made[1],
    )
    await book(finance.scene.database, finance.account_id, [undo])


def guarded(rows: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Show rows as CSV does."""
    texts = {"event_id", "model", "member_email", "member_name", "api_key_name", "tag"}
    shown = as_text(rows)
    for row in shown:
        for name in texts & row.keys():
            if row[name][:1] in tuple("=+-@"):
                row[name] = f"'{row[name]}"
    return shown


def total(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Sum rows up, records or buckets."""
    requests = [row.get("requests", int(row.get("corrects") is None)) for row in rows]
    cost = sum((Decimal(row["cost"]) for row in rows), Decimal(0))
    sums = {name: sum(row[name] for row in rows) for name in SUMMED}
    return {"requests": sum(requests), **sums, "cost": f"{cost:.6f}"}


ASKED = (
    "granularity=record",
    "granularity=hour&group_by=model",
    "granularity=day",
    "granularity=day&group_by=tag,model,member,api_key&time_zone=Europe/Berlin",
    "granularity=month&group_by=member",
    "granularity=total&group_by=api_key",
)


async def test_pages_csv_and_ndjson_hold_the_same_rows_and_add_up(finance: Finance) -> None:
    await some_calls(finance)
    for asked, order in product(ASKED, ("asc", "desc")):
        await _check_forms(finance, asked, order)


async def _check_forms(finance: Finance, asked: str, order: str) -> None:
    path = f"/usage?{RANGE}&{asked}&order={order}"
    rows = await finance.pages(f"{path}&limit=2")
    assert rows
    assert list(rows[0]) == (RECORD_COLUMNS if "record" in asked else BUCKET_COLUMNS)
    assert await finance.lines(path) == rows
    assert await finance.table(path) == guarded(rows)
    body = await finance.json(f"{path}&limit=5")
    assert body["totals"] == total(rows)
    assert body["totals"]["requests"] == 23
    other = path.replace(order, "asc" if order == "desc" else "desc")
    assert (await finance.pages(f"{other}&limit=7"))[::-1] == rows


async def test_totals_are_of_the_whole_range_on_every_page(finance: Finance) -> None:
    await some_calls(finance)
    for granularity in ("record", "day"):
        path: str | None = f"/usage?{RANGE}&granularity={granularity}&limit=2"
        seen = []
        while path is not None:
            answer = await finance.get(path)
            seen.append(answer.json()["totals"])
            link = answer.headers.get("link", "")
            path = link.removeprefix("<").removesuffix('>; rel="next"') or None
        assert len(seen) > 1
        assert all(one == seen[0] for one in seen)


async def test_a_feed_gives_late_records_once_and_never_ends(
    finance: Finance, shift_clock: Callable[[timedelta], None]
) -> None:
    now = await sessions.clock(finance.scene.signed_out())
    member, key = finance.members["mia"], finance.keys["mia"]

    async def call(at: datetime) -> None:
        await book(finance.scene.database, finance.account_id, [Made(at, member, key)])

    start = (now - timedelta(days=5)).date()
    path = f"/usage?from={start}&limit=2"
    cursor = None
    seen: list[str] = []

    async def poll() -> int:
        nonlocal cursor
        count = 0
        while True:
            more = f"&cursor={cursor}" if cursor else ""
            body = await finance.json(path + more)
            seen.extend(row["event_id"] for row in body["data"])
            count += len(body["data"])
            assert body["next_cursor"], "a feed always goes on"
            cursor = body["next_cursor"]
            if not body["has_more"]:
                return count

    assert await poll() == 0
    for hours in (1, 2, 3):
        await call(now - timedelta(hours=hours))
    assert await poll() == 3
    assert await poll() == 0
    # Late ones, one before all others, and one from a clock that is ahead.
    for at in (now - timedelta(days=3), now - timedelta(hours=2), now + timedelta(minutes=4)):
        await call(at)
    await call(now - timedelta(days=30))
    assert await poll() == 3
    shift_clock(timedelta(days=40))
    await call(now + timedelta(days=39))
    assert await poll() == 1
    assert len(seen) == len(set(seen)) == 7


async def test_a_stream_names_where_the_feed_goes_on_and_how_complete_it_is(
    finance: Finance,
) -> None:
    await some_calls(finance)
    for form in ("csv", "ndjson"):
        answer = await finance.get(f"/usage?{RANGE}&format={form}&limit=1")
        assert answer.headers["x-complete-through"].endswith("Z")
        assert answer.headers["content-disposition"] == f'attachment; filename="usage.{form}"'
        assert answer.headers["cache-control"] == "no-store"
        cursor = answer.headers["x-next-cursor"]
        assert (await finance.json(f"/usage?{RANGE}&cursor={cursor}"))["data"] == []
        late = Made(DAY, finance.members["adam"], finance.keys["adam"])
        await book(finance.scene.database, finance.account_id, [late])
        rows = await finance.lines(f"/usage?{RANGE}&cursor={cursor}")
        assert [row["occurred_at"] for row in rows] == ["2026-10-24T00:00:00.000000Z"]
    descending = await finance.get(f"/usage?{RANGE}&format=csv&order=desc")
    assert "x-next-cursor" not in descending.headers


async def test_an_empty_list_has_its_header_row_and_no_next_page(finance: Finance) -> None:
    for asked, columns in (("", RECORD_COLUMNS), ("&granularity=day", BUCKET_COLUMNS)):
        answer = await finance.get(f"/usage?{RANGE}{asked}&format=csv")
        assert answer.text == ",".join(columns) + "\r\n"
        body = await finance.json(f"/usage?{RANGE}{asked}")
        assert (body["data"], body["has_more"]) == ([], False)
        assert (body["next_cursor"] is None) is bool(asked)
        assert body["totals"] == total([])
    assert (await finance.get(f"/usage?{RANGE}&format=ndjson")).text == ""


async def test_filters_are_alternatives_within_a_kind_and_unknown_texts_find_nothing(
    finance: Finance,
) -> None:
    await some_calls(finance)
    rows = await finance.pages(f"/usage?{RANGE}")
    adam, mia = (wire_id("member", finance.members[name]) for name in ("adam", "mia"))
    key = wire_id("api_key", finance.keys["mia"])
    for asked, expected in (
        ([("member_id", adam)], lambda row: row["member_id"] == adam),
        ([("member_id", adam), ("member_id", mia)], lambda row: row["member_id"] in (adam, mia)),
        (
            [("api_key_id", key), ("tag", "@sum"), ("tag", "plain")],
            lambda row: row["api_key_id"] == key and row["tag"] in ("@sum", "plain"),
        ),
        ([("model", 'a "quoted", model')], lambda row: row["model"] == 'a "quoted", model'),
        ([("model", "no/such")], lambda _row: False),
    ):
        path = f"/usage?{RANGE}&{urlencode(asked)}"
        chosen = [row for row in rows if expected(row)]
        assert await finance.pages(f"{path}&limit=4") == chosen
        assert await finance.lines(path) == chosen
        assert (await finance.json(path))["totals"] == total(chosen)
        days = await finance.pages(f"{path}&granularity=day&limit=1")
        assert total(days) == total(chosen)
    other = await finance.scene.organization(finance.owner, "Other")
    foreign = wire_id("member", await finance.scene.member_id(other, finance.owner))
    for form in ("json", "csv", "ndjson"):
        for granularity in ("record", "day"):
            path = f"/usage?{RANGE}&format={form}&granularity={granularity}"
            answer = await finance.get(f"{path}&member_id={adam}&member_id={foreign}")
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_dates_and_days_follow_the_time_zone(finance: Finance) -> None:
    await some_calls(finance)
    asked = "from=2026-10-25&to=2026-10-27&time_zone=Europe/Berlin&granularity=day"
    body = await finance.json(f"/usage?{asked}")
    assert body["range"] == {
        "from": "2026-10-24T22:00:00Z",
        "to": "2026-10-26T23:00:00Z",
        "time_zone": "Europe/Berlin",
        "granularity": "day",
        "group_by": [],
    }
    assert [(one["start"], one["end"]) for one in body["data"]] == [
        ("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
        ("2026-10-25T23:00:00Z", "2026-10-26T23:00:00Z"),
    ]


async def test_the_range_is_this_month_until_now_unless_another_is_given(
    finance: Finance,
) -> None:
    now = await sessions.clock(finance.scene.signed_out())
    body = await finance.json("/usage")
    assert body["range"]["from"] == f"{now:%Y-%m}-01T00:00:00Z"
    assert body["range"]["to"][:10] == f"{now:%Y-%m-%d}"
    assert body["range"]["granularity"] == "record"
    assert body["unit"] == "credit"


async def test_what_nobody_has_settled_is_told(finance: Finance) -> None:
    now = await sessions.clock(finance.scene.signed_out())
    async with finance.scene.database.write() as session:
        for ago, amount in ((timedelta(hours=5), 250), (timedelta(hours=80), 7), (timedelta(), 9)):
            hold = Hold(
                account_id=finance.account_id,
                member_id=finance.members["mia"],
                api_key_id=finance.keys["mia"],
                gateway_id=finance.keys["mia"],
                request_id=str(amount),
                request_hash=b"hash",
                asked_micro=amount,
                amount_micro=amount,
                month=now.date().replace(day=1),
                authorized_at=now - ago,
                expires_at=now - ago + timedelta(minutes=10),
            )
            session.add(hold)
    body = await finance.json("/usage")
    assert body["unsettled"] == {"holds": 1, "amount": "0.000250"}
    through = datetime.fromisoformat(body["complete_through"])
    assert timedelta(hours=71) < now - through <= timedelta(hours=72)


async def test_names_are_those_of_today_also_of_people_who_have_left(finance: Finance) -> None:
    await some_calls(finance)
    await members.remove_member(finance.scene.fresh(finance.owner), finance.members["mia"])
    rows = await finance.pages(f"/usage?{RANGE}&granularity=total&group_by=member,api_key")
    named = {(row["member_email"], row["member_name"], row["api_key_name"]) for row in rows}
    assert ("mia@example.com", "Mia", "mia") in named


async def test_cursors_are_bound_to_what_was_asked_for(finance: Finance) -> None:
    await some_calls(finance)
    cursor = (await finance.json(f"/usage?{RANGE}&limit=2"))["next_cursor"]
    for path in (
        f"/usage?{RANGE}&granularity=day&cursor={cursor}",
        f"/usage?{RANGE}&order=desc&cursor={cursor}",
        f"/usage?{RANGE}&model=zeta&cursor={cursor}",
        f"/usage?cursor={cursor}",
        f"/usage?{RANGE}&cursor={cursor[:-1]}",
    ):
        answer = await finance.get(path)
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


@pytest.mark.parametrize("limit", [1, 20])
async def test_a_page_is_one_statement_beside_the_keys(finance: Finance, limit: int) -> None:
    await some_calls(finance)
    await finance.traces.flush()
    for asked in ("", "&granularity=day&group_by=model,member,api_key,tag"):
        path = f"/usage?{RANGE}&limit={limit}{asked}"
        await finance.get(path)
        seen: list[str] = []
        finance.app.state.services.database.on_statement(seen.append)
        await finance.get(path)
        reading = [one for one in seen if "usage_" in one and "key_secrets" not in one]
        assert len([one for one in reading if one.lstrip().startswith(("SELECT", "WITH"))]) == 1
