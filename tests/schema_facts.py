"""What a database really has, read from its own catalog: what `alembic check` does not compare."""

import re
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, inspect, text

from app.migrations import VERSION_TABLE

Facts = dict[str, set[str]]

_COLUMNS = """
    SELECT c.relname, a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
        || CASE WHEN a.attnotnull THEN ' not null' ELSE '' END
        || CASE WHEN a.attcollation <> t.typcollation THEN ' collate ' || l.collname ELSE '' END
        || coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '')
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_collation l ON l.oid = a.attcollation
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
        AND a.attnum > 0 AND NOT a.attisdropped"""
# NOT NULL stands with the columns.
_CONSTRAINTS = """
    SELECT conrelid::regclass::text, conname || ' ' || pg_get_constraintdef(oid)
    FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace AND contype <> 'n' AND conrelid <> 0"""
_INDEXES = "SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = 'public'"


def schema_facts(connection: Connection) -> Facts:
    """List for each table its columns, constraints and indexes, each as one line of text."""
    facts = (_sqlite if connection.dialect.name == "sqlite" else _postgresql)(connection)
    facts.pop(VERSION_TABLE, None)
    return facts


def _postgresql(connection: Connection) -> Facts:
    facts: Facts = {}
    for statement in (_COLUMNS, _CONSTRAINTS, _INDEXES):
        for table, fact in connection.execute(text(statement)):
            facts.setdefault(table, set()).add(fact)
    return facts


def _sqlite(connection: Connection) -> Facts:
    inspector = inspect(connection)
    facts: Facts = {}
    for table in inspector.get_table_names():
        columns = connection.execute(text(f"PRAGMA table_xinfo({table})"))
        found = {
            f"{row[1]} {row[2]} notnull={row[3]} default={row[4]} pk={row[5]}" for row in columns
        }
        for kind in ("check_constraints", "foreign_keys", "unique_constraints"):
            found |= set(_lines(kind, getattr(inspector, f"get_{kind}")(table)))
        found.add(f"primary key {inspector.get_pk_constraint(table)}")
        indexes = connection.execute(
            text("SELECT sql FROM sqlite_master WHERE type = 'index' AND tbl_name = :table"),
            {"table": table},
        )
        found |= {_plain(row[0]) for row in indexes if row[0]}
        facts[table] = found
    return facts


def _lines(kind: str, found: Iterable[Any]) -> Iterable[str]:
    for one in found:
        yield f"{kind} " + " ".join(f"{name}={_plain(str(one[name]))}" for name in sorted(one))


def _plain(sql: str) -> str:
    return re.sub(r"\s+", " ", sql.replace('"', "")).strip()


def trigger_names(connection: Connection) -> set[tuple[str, str]]:
    """List (table, trigger), without those that PostgreSQL makes for foreign keys."""
    statement = (
        "SELECT tbl_name, name FROM sqlite_master WHERE type = 'trigger'"
        if connection.dialect.name == "sqlite"
        else "SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE NOT tgisinternal"
    )
    return {(table, name) for table, name in connection.execute(text(statement))}
