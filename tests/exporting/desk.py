"""Asking for exports and opening what was written."""

import io
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import openpyxl
from pyarrow import parquet

from app.background import system_viewer
from app.exporting.exporter import Exporter
from app.resolvers import exports
from app.resolvers.exports import ExportAsked, ExportWhat, FileFormat
from app.resolvers.usage import UsageFilter
from app.seats import Viewer
from app.settings import Settings
from tests.web.usage_world import UsageWorld

XLSX, PARQUET = FileFormat.XLSX, FileFormat.PARQUET


def exporter(viewer: Viewer, settings: Settings, **given: Any) -> Exporter:
    """Make the exporter of a service on this viewer's database."""
    return Exporter(system_viewer(viewer.database, settings), **given)


def records(world: UsageWorld, form: FileFormat = XLSX, **given: Any) -> ExportAsked:
    """Ask for all records of the world."""
    start, end = _span(world)
    return replace(
        ExportAsked(ExportWhat.RECORDS, form, start, end, UsageFilter(), "acme-usage"), **given
    )


def sums(world: UsageWorld, form: FileFormat = XLSX, **given: Any) -> ExportAsked:
    """Ask for the sums of all of the world's days."""
    return replace(records(world, form), what=ExportWhat.SUMS, **given)


def _span(world: UsageWorld) -> tuple[datetime, datetime]:
    midnight = world.now.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight - timedelta(days=80), midnight + timedelta(days=1)


async def content(viewer: Viewer, export_id: UUID) -> bytes:
    """Fetch a file."""
    file = await exports.export_file(viewer, export_id)
    whole = b"".join([part async for part in file.parts()])
    assert len(whole) == file.size
    return whole


async def written(viewer: Viewer, world: UsageWorld, asked: ExportAsked, **given: Any) -> bytes:
    """Ask for everybody's, let it be written, and fetch it."""
    settings = viewer.settings
    export_id = await exports.ask_export(viewer, world.account, asked)
    assert await exporter(viewer, settings, **given).run_due() == 1
    return await content(viewer, export_id)


def workbook(whole: bytes) -> tuple[list[list[dict[str, Any]]], dict[str, str]]:
    """Open a workbook: the rows of each sheet, and what it says it is about."""
    book = openpyxl.load_workbook(io.BytesIO(whole))
    *sheets, about = book.worksheets
    told = {str(row[0].value): row[1].value for row in about.iter_rows()}
    found = []
    for sheet in sheets:
        assert sheet.freeze_panes == "A2"
        assert sheet.auto_filter.ref
        assert all(cell.font.bold for cell in sheet[1])
        heads = [cell.value for cell in sheet[1]]
        for row in sheet.iter_rows(min_row=2):
            assert all(cell.data_type != "f" and cell.hyperlink is None for cell in row)
        rows = sheet.iter_rows(min_row=2, values_only=True)
        found.append([dict(zip(heads, row, strict=True)) for row in rows])
    return found, told


def table(whole: bytes) -> Any:
    """Open a file of Parquet."""
    return parquet.ParquetFile(io.BytesIO(whole))
