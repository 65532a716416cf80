"""Excel: a table as a workbook, written row by row in constant memory. Texts stay texts, whatever they look like."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import xlsxwriter

from app.money import MICRO, credits_text
from app.resolvers.exports import Column, Kind, Values

SHEET_ROWS = 1_048_576
"""What a sheet of Excel holds, its head included."""
EPOCH = datetime(1899, 12, 30, tzinfo=UTC)
SECONDS_A_DAY = 86_400
WIDTHS = {Kind.TEXT: 24, Kind.MOMENT: 23, Kind.COUNT: 14, Kind.CREDITS: 16}
OPTIONS = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}
Put = Callable[[int, int, Any], object]


class Workbook:
    """A workbook with a table on as many sheets as it takes, and a last sheet that says what it is."""

    def __init__(
        self,
        path: Path,
        columns: Sequence[Column],
        about: Mapping[str, str],
        sheet_rows: int = SHEET_ROWS,
    ) -> None:
        self._book: Any = xlsxwriter.Workbook(path, {**OPTIONS, "tmpdir": str(path.parent)})
        self._columns, self._about, self._sheet_rows = columns, about, sheet_rows
        self._bold = self._book.add_format({"bold": True})
        self._formats = {
            Kind.MOMENT: self._book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss.000"}),
            Kind.CREDITS: self._book.add_format({"num_format": "0.000000"}),
        }
        self._heads = [head for column in columns for head in _heads(column)]
        self._sheets = 0
        self._begin_sheet()

    def _begin_sheet(self) -> None:
        self._sheets += 1
        sheet = self._book.add_worksheet("Usage" if self._sheets == 1 else f"Usage {self._sheets}")
        self._sheet = sheet
        sheet.freeze_panes(1, 0)
        places = iter(range(len(self._heads)))
        self._puts: list[Put] = []
        for column in self._columns:
            self._puts.append(self._put(sheet, column.kind))
            for _head in _heads(column):
                place = next(places)
                sheet.set_column(place, place, WIDTHS[column.kind])
        for place, head in enumerate(self._heads):
            sheet.write_string(0, place, head, self._bold)
        self._row = 1

    def _put(self, sheet: Any, kind: Kind) -> Put:
        """Make what writes a value of a kind; an amount takes two columns, and is the last of a row."""
        text, number = sheet.write_string, sheet.write_number
        if kind is Kind.TEXT:
            return text  # type: ignore[no-any-return]
        if kind is Kind.COUNT:
            return number  # type: ignore[no-any-return]
        form = self._formats[kind]
        if kind is Kind.MOMENT:
            return lambda row, place, value: number(row, place, serial(value), form)

        def credits_(row: int, place: int, value: int) -> None:
            number(row, place, value / MICRO, form)
            text(row, place + 1, credits_text(value))

        return credits_

    def add(self, rows: Sequence[Values]) -> None:
        """Write rows, on further sheets where one is full."""
        for row in rows:
            if self._row == self._sheet_rows:
                self._end_sheet()
                self._begin_sheet()
            for place, (put, value) in enumerate(zip(self._puts, row, strict=True)):
                if value is not None:
                    put(self._row, place, value)
            self._row += 1

    def _end_sheet(self) -> None:
        self._sheet.autofilter(0, 0, max(1, self._row - 1), len(self._heads) - 1)

    def close(self) -> None:
        """Write what the workbook is about, and the file itself."""
        self._end_sheet()
        sheet = self._book.add_worksheet("About")
        sheet.set_column(0, 0, 26)
        sheet.set_column(1, 1, 60)
        for row, (name, value) in enumerate(self._about.items()):
            sheet.write_string(row, 0, name.replace("_", " ").capitalize(), self._bold)
            sheet.write_string(row, 1, value)
        self._book.close()


def _heads(column: Column) -> tuple[str, ...]:
    """Name a column as its head does: Excel knows no zones, and its numbers are not exact."""
    if column.kind is Kind.MOMENT:
        return (f"{column.name} (UTC)",)
    return (column.name, f"{column.name}_exact") if column.kind is Kind.CREDITS else (column.name,)


def serial(moment: datetime) -> float:
    """Give a moment as Excel counts: days since the end of 1899."""
    since = moment - EPOCH
    return since.days + (since.seconds + since.microseconds / 1_000_000) / SECONDS_A_DAY
