"""What every table shares: names of constraints, ids, times and enumerations."""

from collections.abc import Iterable
from datetime import datetime
from enum import Enum
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint
from sqlmodel import Field, SQLModel

from app.database import UtcDateTime
from app.ids import new_id

SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
metadata = SQLModel.metadata


class Table(SQLModel):
    """A stored thing. `KIND` is its name on the wire, `AUDITED` what an audit event shows of it."""

    KIND: ClassVar[str] = ""
    AUDITED: ClassVar[tuple[str, ...]] = ()


def id_field() -> Any:
    """Name the row by a UUIDv7."""
    return Field(default_factory=new_id, primary_key=True)


def time_field(*, optional: bool = False) -> Any:
    """Store a moment in UTC."""
    return (
        Field(default=None, sa_type=UtcDateTime, nullable=True)
        if optional
        else Field(sa_type=UtcDateTime)
    )


def one_of(column: str, kind: Iterable[Enum]) -> CheckConstraint:
    """Let the database refuse values that the enumeration does not know. For IN, SQLite makes a list at each row."""
    known = " OR ".join(f"{column} = {member.value!r}" for member in kind)
    return CheckConstraint(known, name=f"{column}_known")


def at_most(column: str, length: int) -> CheckConstraint:
    """Let the database refuse text that is too long: SQLite ignores a column's length."""
    return CheckConstraint(f"length({column}) <= {length}", name=f"{column}_length")


__all__ = ["UUID", "Table", "at_most", "datetime", "id_field", "metadata", "one_of", "time_field"]
