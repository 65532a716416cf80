"""Parquet: a table with exact types, written in row groups in constant memory. Needs the extra `parquet`."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from app.resolvers.exports import Column, Kind, Values

GROUP_ROWS = 65_536
DIGITS, DECIMALS = 19, 6
"""Amounts are whole micro-credits of 64 bits, which have up to 19 digits: 18 would not hold the largest."""


class Parquet:
    """A file of Parquet; what it is about stands in its metadata, each fact by its name and all as `about`."""

    def __init__(self, path: Path, columns: Sequence[Column], about: Mapping[str, str]) -> None:
        # Loaded where it is used only: it may not be installed, and is large.
        import pyarrow as pa  # noqa: PLC0415
        from pyarrow import parquet  # noqa: PLC0415

        self._pa: Any = pa
        self._types = {
            Kind.TEXT: pa.string(),
            Kind.MOMENT: pa.timestamp("us", tz="UTC"),
            Kind.COUNT: pa.int64(),
            Kind.CREDITS: pa.decimal128(DIGITS, DECIMALS),
        }
        self._columns = columns
        told = {**about, "about": json.dumps(dict(about), ensure_ascii=False)}
        fields = [pa.field(one.name, self._types[one.kind]) for one in columns]
        self._schema = pa.schema(fields, metadata=told)
        self._writer: Any = parquet.ParquetWriter(path, self._schema)
        self._waiting: list[Any] = []
        self._rows = 0

    def add(self, rows: Sequence[Values]) -> None:
        """Write rows."""
        pairs = zip(self._columns, zip(*rows, strict=True), strict=True)
        arrays = [self._array(column.kind, values) for column, values in pairs]
        self._waiting.append(self._pa.record_batch(arrays, schema=self._schema))
        self._rows += len(rows)
        if self._rows >= GROUP_ROWS:
            self._write_group()

    def _array(self, kind: Kind, values: Sequence[Any]) -> Any:
        if kind is not Kind.CREDITS:
            return self._pa.array(values, type=self._types[kind])
        whole = self._pa.array(values, type=self._pa.int64()).cast(self._pa.decimal128(DIGITS, 0))
        # The same whole numbers, read as millionths: exact, and without an object for each.
        return self._pa.Array.from_buffers(self._types[kind], len(values), whole.buffers())

    def _write_group(self) -> None:
        table = self._pa.Table.from_batches(self._waiting, schema=self._schema)
        self._writer.write_table(table, row_group_size=GROUP_ROWS)
        self._waiting, self._rows = [], 0

    def close(self) -> None:
        """Write the last group and the end of the file."""
        if self._waiting:
            self._write_group()
        self._writer.close()
