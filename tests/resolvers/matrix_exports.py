"""The role matrix where it speaks of exports; rows read as in `matrix`."""

from typing import Any

from app.resolvers import exports
from app.resolvers.exports import ExportAsked, ExportWhat, FileFormat
from app.resolvers.usage import UsageFilter
from app.seats import Viewer
from tests.resolvers.matrix_usage import END, START
from tests.resolvers.world import Act, Row, World

ASKED = ExportAsked(ExportWhat.RECORDS, FileFormat.XLSX, START, END, UsageFilter(), "usage")


def _of(verb: Any, *arguments: Any) -> Act:
    return lambda world, viewer: verb(viewer, world.account_id, *arguments)


def _anothers(verb: Any) -> Act:
    return lambda world, viewer: verb(viewer, world.exports["member2"])


def _own(verb: Any) -> Act:
    async def act(world: World, viewer: Viewer) -> Any:
        name = next((n for n, who in world.people.items() if who.user is viewer.user), "owner")
        return await verb(viewer, world.exports.get(name, world.exports["owner"]))

    return act


EXPORT_ROWS = [
    Row("exports.ask_export", "everybody's", _of(exports.ask_export, ASKED), "ok ok 403 404 401"),
    Row("exports.ask_own_export", "own", _of(exports.ask_own_export, ASKED), "ok ok ok 404 401"),
    Row("exports.list_exports", "own", _of(exports.list_exports), "ok ok ok 404 401"),
    Row("exports.open_export", "rows", _of(exports.open_export, ASKED), "ok ok 403 404 401"),
    Row("exports.open_own_export", "own", _of(exports.open_own_export, ASKED), "ok ok ok 404 401"),
    # None of them is written.
    Row("exports.export_file", "own", _own(exports.export_file), "409 409 409 404 401"),
    Row("exports.export_file", "another's", _anothers(exports.export_file), "404 404 404 404 401"),
    Row("exports.repeat_export", "own", _own(exports.repeat_export), "409 409 409 404 401"),
    Row(
        "exports.repeat_export",
        "another's",
        _anothers(exports.repeat_export),
        "404 404 404 404 401",
    ),
    Row("exports.delete_export", "own", _own(exports.delete_export), "ok ok ok 404 401"),
    Row(
        "exports.delete_export",
        "another's",
        _anothers(exports.delete_export),
        "404 404 404 404 401",
    ),
]
