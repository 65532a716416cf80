"""The ledger as customers read it: pages, the feed for finance, exports."""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest

from app.errors import BadRequest
from app.ledger.posting import post
from app.models import LedgerKind
from app.resolvers import audit, ledger
from app.resolvers.ledger import LedgerQuery
from app.seats import Viewer
from tests.scene import Scene


async def grants(scene: Scene, name: str, count: int) -> tuple[Viewer, UUID]:
    ann = await scene.person(name)
    account_id = await scene.personal_account(ann)
    async with scene.database.write() as session:
        for n in range(count):
            await post(
                session,
                account_id,
                LedgerKind.GRANT,
                n + 1,
                description=f"Gift {n}",
                actor_id=ann.person.id,
            )
    return ann, account_id


async def test_pages_are_newest_first_and_none_is_left_out(scene: Scene) -> None:
    ann, account_id = await grants(scene, "ann", 7)
    numbers: list[int] = []
    after = None
    while True:
        page = await ledger.list_ledger(ann, account_id, 3, after)
        numbers += [row.number for row in page.rows]
        if not page.has_next:
            break
        after = page.cursor(len(page.rows) - 1)
    assert numbers == list(range(7, 0, -1))
    assert await ledger.count_ledger(ann, account_id) == 7
    newest = (await ledger.list_ledger(ann, account_id, 1)).rows[0]
    assert (newest.amount_micro, newest.balance_after_micro) == (7, 28)
    assert (newest.description, newest.actor_id) == ("Gift 6", ann.person.id)
    assert await ledger.ledger_entry(ann, newest.id) == newest


async def test_a_cursor_of_another_list_or_account_is_refused(scene: Scene) -> None:
    ann, account_id = await grants(scene, "ann", 2)
    _bob, other = await grants(scene, "bob", 2)
    foreign = (await audit.audit_log(ann, account_id, audit.AuditFilter(), 1)).cursor(0)
    theirs = (await ledger.list_ledger(_bob, other, 1)).cursor(0)
    for cursor in (foreign, theirs, "nonsense"):
        with pytest.raises(BadRequest):
            await ledger.list_ledger(ann, account_id, 1, cursor)


async def test_the_feed_leaves_out_what_still_grows_and_gives_each_entry_once(
    scene: Scene, shift_clock: Callable[[timedelta], None]
) -> None:
    ann, account_id = await grants(scene, "ann", 1)

    async def use(amount: int) -> None:
        async with scene.database.write() as session:
            await post(session, account_id, LedgerKind.USAGE, amount)

    async def feed(after: int | None) -> list[tuple[int, int]]:
        query = LedgerQuery(after=after, settled=True)
        rows = await ledger.ledger_rows(scene.fresh(ann), account_id, query, 10)
        return [(row.number, row.amount_micro) for row in rows]

    await use(2)
    assert await feed(None) == [(1, 1)]
    (growing,) = await ledger.ledger_rows(ann, account_id, LedgerQuery(after=1), 10)
    assert (growing.growing, growing.amount_micro) == (True, -2)
    await use(3)
    assert await feed(1) == []
    shift_clock(timedelta(days=1))
    assert await feed(1) == [(2, -5)]
    await use(4)
    assert await feed(2) == []


async def test_a_range_is_half_open_and_goes_both_ways(
    scene: Scene, shift_clock: Callable[[timedelta], None]
) -> None:
    ann, account_id = await grants(scene, "ann", 1)
    for _n in range(3):
        shift_clock(timedelta(hours=1))
        async with scene.database.write() as session:
            await post(session, account_id, LedgerKind.GRANT, 1)
    rows = await ledger.ledger_rows(ann, account_id, LedgerQuery(), 10)
    query = LedgerQuery(start=rows[1].created_at, end=rows[3].created_at, descending=True)
    found = await ledger.ledger_rows(ann, account_id, query, 10)
    assert [row.number for row in found] == [3, 2]


async def test_an_export_gives_all_entries_from_one_snapshot(scene: Scene) -> None:
    ann, account_id = await grants(scene, "ann", 7)
    export = await ledger.export_ledger(ann, account_id, LedgerQuery())
    async with export() as opened:
        await grants(scene, "ann", 1)
        assert opened.head == 7
        numbers = [row.number async for part in opened.parts for row in part]
        assert numbers == [1, 2, 3, 4, 5, 6, 7]
    async with scene.database.write() as session:
        await post(session, account_id, LedgerKind.USAGE, 1)
    async with export() as opened:
        assert opened.head == 8, "what still grows is not settled"
    older = LedgerQuery(descending=True, after=5)
    async with (await ledger.export_ledger(ann, account_id, older))() as opened:
        numbers = [row.number async for part in opened.parts for row in part]
        assert numbers == [4, 3, 2, 1]
