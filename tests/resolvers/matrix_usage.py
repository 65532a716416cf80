"""The role matrix of PRODUCT.md where it speaks of usage; rows read as in `matrix`."""

from datetime import UTC, datetime, timedelta
from typing import Any

from app.resolvers import members, usage
from app.resolvers.usage import Place, RecordsQuery, UsageQuery
from app.seats import Viewer
from tests.resolvers.world import Act, Row, World

START = datetime(2026, 1, 1, tzinfo=UTC)
END = START + timedelta(days=31)
REPORT = UsageQuery(START, END)
RECORDS = RecordsQuery(START, END)


def _of(verb: Any, *arguments: Any) -> Act:
    return lambda world, viewer: verb(viewer, world.account_id, *arguments)


def _member(target: str) -> Act:
    return lambda world, viewer: members.known_member(viewer, world.member_ids[target])


def _record(whose: str) -> Act:
    return lambda world, viewer: usage.usage_record(viewer, world.usage_records[whose])


async def _own_record(world: World, viewer: Viewer) -> Any:
    name = next((n for n, who in world.people.items() if who.user is viewer.user), "owner")
    records = world.usage_records
    return await usage.usage_record(viewer, records.get(name, records["owner"]))


USAGE_ROWS = [
    Row("usage.usage_report", "sums", _of(usage.usage_report, REPORT), "ok ok 403 404 401"),
    Row("usage.own_usage_report", "own", _of(usage.own_usage_report, REPORT), "ok ok ok 404 401"),
    Row("usage.usage_records", "list", _of(usage.usage_records, RECORDS), "ok ok 403 404 401"),
    Row(
        "usage.count_usage_records",
        "count",
        _of(usage.count_usage_records, RECORDS),
        "ok ok 403 404 401",
    ),
    Row(
        "usage.own_usage_records",
        "list own",
        _of(usage.own_usage_records, RECORDS),
        "ok ok ok 404 401",
    ),
    Row(
        "usage.count_own_usage_records",
        "count own",
        _of(usage.count_own_usage_records, RECORDS),
        "ok ok ok 404 401",
    ),
    Row("usage.usage_record", "see own", _own_record, "ok ok ok 404 401"),
    Row("usage.usage_record", "see a Member's", _record("member2"), "ok ok 404 404 401"),
    Row("usage.usage_record", "see the Owner's", _record("owner"), "ok ok 404 404 401"),
    Row(
        "usage.record_page",
        "a page for finance",
        _of(usage.record_page, RECORDS, Place(), 10),
        "ok ok 403 404 401",
    ),
    Row(
        "usage.bucket_page",
        "a page of sums for finance",
        _of(usage.bucket_page, REPORT, Place(), 10),
        "ok ok 403 404 401",
    ),
    Row(
        "usage.export_records",
        "all of it for finance",
        _of(usage.export_records, RECORDS, Place()),
        "ok ok 403 404 401",
    ),
    Row(
        "usage.export_buckets",
        "all sums for finance",
        _of(usage.export_buckets, REPORT, Place()),
        "ok ok 403 404 401",
    ),
    Row(
        "members.member_rows",
        "a page for finance",
        _of(members.member_rows, Place(), 10),
        "ok ok 403 404 401",
    ),
    Row(
        "members.export_members",
        "all of them for finance",
        _of(members.export_members, Place()),
        "ok ok 403 404 401",
    ),
    Row("members.known_member", "whose usage it is", _member("member2"), "ok ok 404 404 401"),
    Row("members.known_member", "the Owner", _member("owner"), "ok ok 404 404 401"),
]
