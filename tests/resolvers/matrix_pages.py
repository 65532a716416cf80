"""The role matrix of PRODUCT.md where pages ask for usage and the audit log; rows read as in `matrix`."""

from datetime import UTC, datetime, timedelta
from typing import Any

from app.resolvers import audit, usage_overviews
from app.resolvers.usage import (
    Dimension,
    Granularity,
    Place,
    RecordsQuery,
    UsageQuery,
)
from app.resolvers.usage_overviews import OverviewQuery
from app.seats import Viewer
from tests.resolvers.world import Act, Row, World

START = datetime(2026, 1, 1, tzinfo=UTC)
END = START + timedelta(days=31)
OVERVIEW = OverviewQuery(START, END, (START, START), Granularity.DAY, Dimension.MODEL)
REPORT = UsageQuery(START, END)
RECORDS = RecordsQuery(START, END)
ALL, OWN = "ok ok 403 404 401", "ok ok ok 404 401"


def _of(verb: Any, *arguments: Any) -> Act:
    return lambda world, viewer: verb(viewer, world.account_id, *arguments)


def _record(whose: str) -> Act:
    return lambda world, viewer: usage_overviews.record_detail(viewer, world.usage_records[whose])


async def _own_record(world: World, viewer: Viewer) -> Any:
    name = next((n for n, who in world.people.items() if who.user is viewer.user), "owner")
    records = world.usage_records
    return await usage_overviews.record_detail(viewer, records.get(name, records["owner"]))


def _row(verb: Any, what: str, outcome: str, *arguments: Any) -> Row:
    return Row(f"usage_overviews.{verb.declared.name}", what, _of(verb, *arguments), outcome)


PAGE_ROWS = [
    _row(usage_overviews.usage_overview, "look at everybody's", ALL, OVERVIEW),
    _row(usage_overviews.own_usage_overview, "look at one's own", OWN, OVERVIEW),
    _row(usage_overviews.record_list, "go through all", ALL, RECORDS),
    _row(usage_overviews.own_record_list, "go through one's own", OWN, RECORDS),
    _row(usage_overviews.usage_choices, "filter all", ALL, RECORDS),
    _row(usage_overviews.own_usage_choices, "filter one's own", OWN, RECORDS),
    _row(
        usage_overviews.own_record_export,
        "export own records",
        OWN,
        RECORDS,
        Place(),
    ),
    _row(usage_overviews.own_bucket_export, "export own sums", OWN, REPORT, Place()),
    _row(usage_overviews.usage_mark, "whether there is news", OWN),
    Row("usage_overviews.record_detail", "open own", _own_record, OWN),
    Row(
        "usage_overviews.record_detail", "open a Member's", _record("member2"), "ok ok 404 404 401"
    ),
    Row("usage_overviews.record_detail", "open the Owner's", _record("owner"), "ok ok 404 404 401"),
    Row("audit.audit_choices", "what to filter by", _of(audit.audit_choices), ALL),
]
