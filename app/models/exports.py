"""Files that people have asked for: what is asked, how far its writing is, and the file in parts."""

from datetime import datetime
from enum import Enum
from typing import ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, Text, text
from sqlmodel import Field

from app.database import EnumText, Micro
from app.models.base import Table, at_most, id_field, one_of, time_field

PART_BYTES = 262_144
"""A part is small, so that writing one holds up nobody who decides about calls."""
UNFINISHED = text("status IN ('WAITING', 'RUNNING')")


class ExportWhat(Enum):
    """Of which page a file holds the rows."""

    RECORDS = "RECORDS"
    SUMS = "SUMS"


class FileFormat(Enum):
    """What a file is written in."""

    XLSX = "XLSX"
    PARQUET = "PARQUET"


class ExportStatus(Enum):
    """How far an export is."""

    WAITING = "WAITING"
    RUNNING = "RUNNING"
    READY = "READY"
    FAILED = "FAILED"


class Export(Table, table=True):
    """A file that a person has asked for. `needs` is the permission that its rows take; `asked` the query, as JSON."""

    __tablename__ = "exports"
    __table_args__ = (
        one_of("what", ExportWhat),
        one_of("format", FileFormat),
        one_of("status", ExportStatus),
        at_most("needs", 40),
        at_most("name", 200),
        at_most("problem", 200),
        Index(None, "account_id", "user_id", "created_at"),
        Index("ix_exports_unfinished", "id", sqlite_where=UNFINISHED, postgresql_where=UNFINISHED),
        Index(None, "expires_at"),
    )
    KIND: ClassVar[str] = "export"

    id: UUID = id_field()
    account_id: UUID = Field(foreign_key="accounts.id")
    user_id: UUID = Field(foreign_key="users.id")
    what: ExportWhat = Field(sa_type=EnumText(ExportWhat))
    format: FileFormat = Field(sa_type=EnumText(FileFormat))
    needs: str = Field(max_length=40)
    asked: str = Field(sa_type=Text)
    name: str = Field(max_length=200)
    status: ExportStatus = Field(default=ExportStatus.WAITING, sa_type=EnumText(ExportStatus))
    tries: int = 0
    """Counts takings. Who took it writes only while this is still their number."""
    rows_done: int = Field(default=0, sa_type=Micro)
    rows_total: int | None = Field(default=None, sa_type=Micro, nullable=True)
    size: int | None = Field(default=None, sa_type=Micro, nullable=True)
    problem: str | None = Field(default=None, max_length=200)
    leased_until: datetime | None = time_field(optional=True)
    created_at: datetime = time_field()
    finished_at: datetime | None = time_field(optional=True)
    expires_at: datetime = time_field()


class ExportPart(Table, table=True):
    """A part of a file, numbered from 0. Any process can serve it."""

    __tablename__ = "export_parts"
    __table_args__ = (CheckConstraint(f"length(content) <= {PART_BYTES}", name="content_size"),)

    export_id: UUID = Field(primary_key=True, foreign_key="exports.id", ondelete="CASCADE")
    number: int = Field(primary_key=True)
    content: bytes = Field(sa_type=LargeBinary)
