"""How the databases go about each page of members: by an index in the page's own order, never through all."""

from typing import Any

import pytest
from sqlalchemy import event

from app.database import Database
from app.permissions import Role
from app.resolvers import members
from app.resolvers.members import MemberOrder, MemberQuery
from app.seats import Viewer
from bench.ground import organization_of
from tests.scene import Scene

INDEXED = [one for one in MemberOrder if one is not MemberOrder.MONTHLY_USAGE]
# Few of all members are of one tenant, or reading all would be the best way to find these.
TENANTS = {"Acme": 4_000, "Bench": 1_000, "Crane": 4_000}


@pytest.fixture
async def owner(scene: Scene) -> tuple[Viewer, Any]:
    """Found several organizations; the Owner of the second, and its id."""
    found = None
    for name, size in TENANTS.items():
        secret, account_id = await organization_of(scene.database, scene.settings, name, size)
        if name == "Bench":
            found = (await scene.viewer_of(secret), account_id)
    assert found is not None
    return found


async def plan_of_page(database: Database, viewer: Viewer, account_id: Any, query: Any) -> str:
    """Read a page, and ask how its statement was run, with the very same values."""
    heard: list[tuple[str, Any]] = []

    def listen(_connection: Any, _cursor: Any, statement: str, values: Any, *_more: Any) -> None:
        heard.append((statement, values))

    engine = database._quick.engine if database._quick else database._reading.sync_engine
    event.listen(engine, "before_cursor_execute", listen)
    try:
        page = await members.list_members(viewer, account_id, query)
    finally:
        event.remove(engine, "before_cursor_execute", listen)
    assert page.rows
    statement, values = heard[-1]
    explain = "EXPLAIN QUERY PLAN " if database.is_sqlite else "EXPLAIN "
    async with database.read() as connection:
        rows = (await connection.exec_driver_sql(explain + statement, values)).all()
    return "\n".join(str(row[-1]) for row in rows)


def assert_goes_by_index(plan: str, *, sorted_by_it: bool = True) -> None:
    """Refuse scans of a table, and sorts where an index has the order."""
    assert "SCAN members" not in plan, plan
    assert "Seq Scan on members" not in plan, plan
    if sorted_by_it:
        assert "SCAN users" not in plan, plan
        assert "Seq Scan on users" not in plan, plan
        assert "TEMP B-TREE" not in plan, plan
        assert "Sort" not in plan, plan


@pytest.mark.parametrize("usage", [False, True], ids=["plain", "with usage"])
async def test_each_page_of_members_goes_by_its_index(
    database: Database,
    owner: tuple[Viewer, Any],
    usage: bool,  # noqa: FBT001 - a case of the test
) -> None:
    viewer, account_id = owner
    for order in INDEXED:
        for descending in (False, True):
            query = MemberQuery(order=order, descending=descending, first=50, usage=usage)
            page = await members.list_members(viewer, account_id, query)
            later = MemberQuery(
                order=order, descending=descending, first=50, usage=usage, after=page.cursor(49)
            )
            for one in (query, later):
                assert_goes_by_index(await plan_of_page(database, viewer, account_id, one))


async def test_a_filtered_page_reads_no_other_tenants_members(
    database: Database, owner: tuple[Viewer, Any]
) -> None:
    viewer, account_id = owner
    queries = (
        MemberQuery(search="curie"),
        MemberQuery(search="hedy.eze.747"),
        MemberQuery(role=Role.ADMIN),
        MemberQuery(search="curie", role=Role.MEMBER, order=MemberOrder.EMAIL),
    )
    for query in queries:
        plan = await plan_of_page(database, viewer, account_id, query)
        assert_goes_by_index(plan, sorted_by_it=False)
