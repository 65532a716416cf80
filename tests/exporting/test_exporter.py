"""Writing exports: each once, by one process at a time, again after a crash, and never for who lost the right."""

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select
from sqlmodel import col

from app.background import sweep_exports, system_viewer
from app.errors import Forbidden, Invalid, NotFound
from app.models import Export, ExportPart, ExportStatus
from app.models.exports import PART_BYTES
from app.permissions import Role
from app.resolvers import export_work, exports, members
from app.seats import Viewer
from app.settings import Settings
from tests.exporting import crashing, endless
from tests.exporting.desk import content, exporter, records, workbook
from tests.scene import Scene
from tests.web.usage_world import UsageWorld, acme_with_usage

Shift = Callable[[timedelta], None]


@pytest.fixture
async def world(scene: Scene) -> UsageWorld:
    return await acme_with_usage(scene)


async def row_of(scene: Scene, export_id: UUID) -> Any:
    return await scene.database.row(select(Export.__table__).where(col(Export.id) == export_id))


async def parts_of(scene: Scene) -> int:
    row = await scene.database.row(select(func.count()).select_from(ExportPart))
    return row[0]


async def until(asked: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something is so, letting others work."""
    async with asyncio.timeout(60):
        while not await asked():  # noqa: ASYNC110 - what it waits for is a row's change
            await asyncio.sleep(0)


async def test_a_child_that_dies_is_tried_three_times_and_then_said_to_have_failed(
    scene: Scene, settings: Settings, world: UsageWorld
) -> None:
    ann = await scene.person("ann")
    export_id = await exports.ask_export(ann, world.account, records(world))
    broken = exporter(ann, settings, module=crashing.__name__)
    assert await broken.run_due() == 0
    (row,) = await exports.list_exports(ann, world.account)
    assert (row.status, row.problem) == (ExportStatus.FAILED, export_work.GIVEN_UP)
    assert (await row_of(scene, export_id)).tries == export_work.TRIES
    assert await exporter(ann, settings).run_due() == 0, "nobody takes it again by itself"
    await exports.repeat_export(ann, export_id)
    assert await exporter(ann, settings).run_due() == 1
    (rows,), _about = workbook(await content(ann, export_id))
    assert len(rows) == len(world.calls)


async def test_a_taking_that_was_lost_changes_nothing_more(
    scene: Scene, settings: Settings, world: UsageWorld, shift_clock: Shift
) -> None:
    ann = await scene.person("ann")
    system = system_viewer(scene.database, settings)
    ids = [await exports.ask_export(ann, world.account, records(world)) for _ in range(2)]
    takings = await asyncio.gather(*(export_work.take_export(system) for _ in range(3)))
    taken = [one for one in takings if one is not None]
    assert {one.id for one in taken} == {*ids}, "two processes never have the same one"
    lost = next(one for one in taken if one.id == ids[0])
    assert await export_work.keep_part(system, lost, 0, b"x")
    assert await export_work.keep_part(system, lost, 1, b"too long" * 30_000)
    shift_clock(export_work.LEASE + timedelta(seconds=1))
    assert await exporter(ann, settings).run_due() == 2
    before = await scene.snapshot()
    assert not await export_work.keep_export(system, lost, 5, 5)
    assert not await export_work.keep_part(system, lost, 0, b"x")
    assert not await export_work.finish_export(system, lost, 1, 1)
    assert not await export_work.export_failed(system, lost, "No.")
    await export_work.give_back_export(system, lost)
    assert await scene.snapshot() == before
    (rows,), _about = workbook(await content(ann, ids[0]))
    assert len(rows) == len(world.calls)
    sizes = await scene.database.rows(select(func.length(col(ExportPart.content))))
    assert all(0 < size <= PART_BYTES for (size,) in sizes)
    assert len(sizes) == 2, "parts of the lost taking are gone"


async def test_who_dies_with_it_every_time_is_not_followed_by_a_fourth(
    scene: Scene, settings: Settings, world: UsageWorld, shift_clock: Shift
) -> None:
    ann = await scene.person("ann")
    export_id = await exports.ask_export(ann, world.account, records(world))
    system = system_viewer(scene.database, settings)
    for _ in range(export_work.TRIES):
        assert await export_work.take_export(system) is not None
        assert await export_work.take_export(system) is None
        shift_clock(export_work.LEASE + timedelta(seconds=1))
    assert await export_work.take_export(system) is None
    assert (await row_of(scene, export_id)).status is ExportStatus.FAILED


async def test_deleting_and_stopping_end_the_child(
    scene: Scene, settings: Settings, world: UsageWorld
) -> None:
    ann = await scene.person("ann")

    async def begun(export_id: UUID) -> asyncio.Task[int]:
        work = asyncio.create_task(one.run_due())
        await until(lambda: _running(scene, export_id))
        return work

    export_id = await exports.ask_export(ann, world.account, records(world))
    one = exporter(ann, settings, module=endless.__name__)
    work = await begun(export_id)
    await exports.delete_export(scene.fresh(ann), export_id)
    assert await work == 0
    assert one._process is None
    await sweep_exports(system_viewer(scene.database, settings))
    assert await row_of(scene, export_id) is None
    kept = await exports.ask_export(ann, world.account, records(world))
    work = await begun(kept)
    one.stop()
    assert await work == 0
    assert one._process is None
    row = await row_of(scene, kept)
    assert (row.status, row.tries) == (ExportStatus.WAITING, 0), "it was not the export's fault"
    work = asyncio.create_task(exporter(ann, settings, module=endless.__name__).run_due())
    await until(lambda: _running(scene, kept))
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert await parts_of(scene) == 0


async def _running(scene: Scene, export_id: UUID) -> bool:
    return bool((await row_of(scene, export_id)).rows_total)


def test_a_child_ends_with_its_parent() -> None:
    lives = (
        "import threading; from app.exporting import child;"
        "threading.Thread(target=child._end_with_parent, daemon=True).start();"
        "threading.Event().wait()"
    )
    process = subprocess.Popen([sys.executable, "-c", lives], stdin=subprocess.PIPE)  # noqa: S603 - our own
    assert process.poll() is None
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(30) == 1


async def test_a_right_that_is_lost_while_it_waits_is_noticed_when_it_is_written(
    scene: Scene, settings: Settings, world: UsageWorld
) -> None:
    owner, adam, bob = [await scene.person(name) for name in ("ann", "adam", "bob")]
    of_all = await exports.ask_export(adam, world.account, records(world))
    own = await exports.ask_own_export(adam, world.account, records(world))
    bobs = await exports.ask_own_export(bob, world.account, records(world))
    await members.set_member_role(owner, world.members["adam"], Role.MEMBER)
    await members.remove_member(owner, world.members["bob"])
    assert await exporter(owner, settings).run_due() == 1
    states = {one: await row_of(scene, one) for one in (of_all, own, bobs)}
    assert {one: row.status.value for one, row in states.items()} == {
        of_all: "FAILED",
        own: "READY",
        bobs: "FAILED",
    }
    assert states[of_all].problem == Forbidden.says
    adam, bob = scene.fresh(adam), scene.fresh(bob)
    assert [row.id for row in await exports.list_exports(adam, world.account)] == [own]
    for verb in (exports.export_file, exports.delete_export, exports.repeat_export):
        with pytest.raises(Forbidden):
            await verb(adam, of_all)
        with pytest.raises(NotFound):
            await verb(bob, bobs)
    (rows,), about = workbook(await content(adam, own))
    assert {row["member_name"] for row in rows} == {"Adam"}
    assert about["Whose"] == "adam@example.com"


async def test_what_is_too_long_is_refused_and_a_day_later_everything_is_gone(
    scene: Scene, settings: Settings, world: UsageWorld, shift_clock: Shift
) -> None:
    ann = await scene.person("ann")
    export_id = await exports.ask_export(ann, world.account, records(world))
    few = settings.model_copy(update={"export_rows": 10})
    assert await exporter(ann, few).run_due() == 0
    (row,) = await exports.list_exports(ann, world.account)
    assert row.problem == "This is more than 10 rows. Choose a shorter range, or take CSV."
    await exports.repeat_export(ann, export_id)
    assert await exporter(ann, settings).run_due() == 1
    system = system_viewer(scene.database, settings)
    await sweep_exports(system)
    assert await content(ann, export_id)
    shift_clock(timedelta(hours=settings.export_hours, seconds=1))
    ann = scene.fresh(ann)
    assert await exports.list_exports(ann, world.account) == []
    for verb in (exports.export_file, exports.delete_export, exports.repeat_export):
        with pytest.raises(NotFound):
            await verb(ann, export_id)
    await sweep_exports(system)
    assert (await row_of(scene, export_id), await parts_of(scene)) == (None, 0)
    long_ago = records(world).start - timedelta(days=400)
    with pytest.raises(Invalid):
        await exports.ask_export(ann, world.account, records(world, start=long_ago))


async def test_asking_deleting_and_repeating_stand_in_the_audit_log(
    scene: Scene, world: UsageWorld
) -> None:
    ann: Viewer = await scene.person("ann")
    before = await scene.audit_count()
    export_id = await exports.ask_export(ann, world.account, records(world))
    await exports.delete_export(ann, export_id)
    assert await scene.audit_count() == before + 2
