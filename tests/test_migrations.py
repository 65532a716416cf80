"""Migrations go forward, back and forward again, lose nothing, and make exactly the models' tables."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory

from app import migrations
from app.database import append_only_ddl
from app.migrations import MigrationRefused, on_connection
from app.models import metadata
from app.permissions import Role
from tests.scene import Scene
from tests.schema_facts import schema_facts, trigger_names

ROOT = Path(__file__).resolve().parent.parent
FIRST = "2c5948d7c7ac"
# ARCHITECTURE.md and PRODUCT.md: what is written once and never changed.
APPEND_ONLY = {"audit_events", "transfers", "usage_events", "usage_records"}


def _revisions() -> list[str]:
    script = ScriptDirectory.from_config(Config(str(ROOT / "alembic.ini")))
    return [one.revision for one in script.walk_revisions()][::-1]


def _tables(connection: sa.Connection) -> dict[str, list[Any]]:
    """Read every row of every table, as the database itself shows them."""
    names = set(sa.inspect(connection).get_table_names()) - {migrations.VERSION_TABLE}
    return {
        name: sorted(
            map(repr, connection.execute(sa.select(sa.text("*")).select_from(sa.table(name))).all())
        )
        for name in names
    }


def test_migrations_go_forward_back_and_forward_again(empty_database_url: str) -> None:
    assert migrations.current(empty_database_url) is None
    assert not migrations.is_current(empty_database_url)
    for _ in range(2):
        migrations.upgrade(empty_database_url)
        assert migrations.is_current(empty_database_url)
        migrations.downgrade(empty_database_url, "base")
        assert migrations.current(empty_database_url) is None
        assert on_connection(empty_database_url, schema_facts) == {}
        assert on_connection(empty_database_url, trigger_names) == set()


def test_each_single_step_back_undoes_its_step_forward(empty_database_url: str) -> None:
    for revision in _revisions():
        before = on_connection(empty_database_url, schema_facts)
        migrations.upgrade(empty_database_url, revision)
        after = on_connection(empty_database_url, schema_facts)
        migrations.downgrade(empty_database_url, "-1")
        assert on_connection(empty_database_url, schema_facts) == before
        migrations.upgrade(empty_database_url, revision)
        assert on_connection(empty_database_url, schema_facts) == after


def test_there_is_one_history(empty_database_url: str) -> None:
    script = ScriptDirectory.from_config(Config(str(ROOT / "alembic.ini")))
    assert script.get_heads() == [migrations.head()]
    migrations.upgrade(empty_database_url)
    assert migrations.current(empty_database_url) == migrations.head()


def test_migrated_tables_are_exactly_those_of_the_models(
    new_database_url: Callable[[], str],
) -> None:
    migrated, modelled = new_database_url(), new_database_url()
    migrations.upgrade(migrated)
    on_connection(modelled, metadata.create_all)
    real, wanted = (on_connection(url, schema_facts) for url in (migrated, modelled))
    assert set(real) == set(wanted) == set(metadata.tables)
    for table in wanted:
        assert real[table] - wanted[table] == set(), f"{table}: only the migrations have this"
        assert wanted[table] - real[table] == set(), f"{table}: only the models have this"


def test_the_comparison_sees_every_check(empty_database_url: str) -> None:
    on_connection(empty_database_url, metadata.create_all)
    facts = on_connection(empty_database_url, schema_facts)
    for table in metadata.sorted_tables:
        wanted = {str(one.name) for one in table.constraints if isinstance(one, sa.CheckConstraint)}
        seen = {name for name in wanted if any(name in fact for fact in facts[table.name])}
        assert seen == wanted


def _things(
    *more: Any,
    kind: Any = None,
    nullable: bool = False,
    check: str = "size >= 0",
    where: str | None = "size > 1",
) -> sa.MetaData:
    made = sa.MetaData()
    sa.Table("owners", made, sa.Column("id", sa.Integer, primary_key=True))
    condition = sa.text(where) if where else None
    sa.Table(
        "things",
        made,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("size", kind or sa.BigInteger(), nullable=nullable),
        sa.Column("name", sa.String(80)),
        sa.Column("owner", sa.Integer),
        sa.CheckConstraint(check, name="ck_size"),
        sa.Index("ix_size", "size", sqlite_where=condition, postgresql_where=condition),
        *more,
    )
    return made


@pytest.mark.parametrize(
    "other",
    [
        _things(kind=sa.Integer()),
        _things(nullable=True),
        _things(check="size >= -1"),
        _things(where="size > 2"),
        _things(where=None),
        _things(sa.UniqueConstraint("name", name="uq_name")),
        _things(sa.CheckConstraint("length(name) < 9", name="ck_name")),
        _things(sa.ForeignKeyConstraint(["owner"], ["owners.id"], name="fk_owner")),
        _things(sa.Index("ix_name", "name")),
        _things(sa.Index("ix_name", "name", unique=True)),
        _things(sa.Column("more", sa.Integer)),
        _things(sa.Column("more", sa.String(80))),
        _things(sa.Column("more", sa.String(81))),
        _things(sa.Column("more", sa.Integer, server_default="1")),
    ],
)
def test_the_comparison_sees_a_difference(
    new_database_url: Callable[[], str], other: sa.MetaData
) -> None:
    seen = []
    for made in (_things(), _things(), other):
        url = new_database_url()
        on_connection(url, made.create_all)
        seen.append(on_connection(url, schema_facts))
    assert seen[0] == seen[1]
    assert seen[0] != seen[2]


def test_what_is_written_once_is_kept_so_by_triggers(database_url: str, backend: str) -> None:
    found = on_connection(database_url, trigger_names)
    assert {table for table, _name in found} == APPEND_ONLY
    assert len(found) == sum(
        statement.startswith("CREATE TRIGGER")
        for table in APPEND_ONLY
        for statement in append_only_ddl(table, backend)
    )


async def _filled(scene: Scene) -> None:
    """Let people do a little of everything that the first tables hold."""
    ann, bob, cy = [await scene.person(name) for name in ("ann", "bob", "cy")]
    acme = await scene.organization(ann, "Acme")
    await scene.join(acme, bob, role=Role.ADMIN)
    await scene.join(acme, cy)
    await scene.organization(bob, "Northwind")


async def test_what_people_have_is_carried_back_and_forward(
    scene: Scene, database_url: str
) -> None:
    await _filled(scene)
    await scene.database.dispose()
    before = await asyncio.to_thread(on_connection, database_url, _tables)
    await asyncio.to_thread(migrations.downgrade, database_url, FIRST)
    older = await asyncio.to_thread(on_connection, database_url, _tables)
    assert older == {name: before[name] for name in older}
    assert {"accounts", "members", "users", "invitations", "audit_events"} <= set(older)
    await asyncio.to_thread(migrations.upgrade, database_url)
    after = await asyncio.to_thread(on_connection, database_url, _tables)
    assert {name: len(rows) for name, rows in after.items()} == {
        name: len(rows) for name, rows in before.items()
    }
    assert after == before
    await scene.promises()


async def test_every_account_of_the_first_tables_gets_an_empty_wallet(
    scene: Scene, database_url: str
) -> None:
    await _filled(scene)
    await scene.database.dispose()
    await asyncio.to_thread(migrations.downgrade, database_url, FIRST)
    await asyncio.to_thread(migrations.upgrade, database_url)
    accounts = await scene.database.rows(sa.text("SELECT id FROM accounts ORDER BY id"))
    wallets = await scene.database.rows(
        sa.text(
            "SELECT account_id FROM wallets WHERE balance_micro = 0 AND held_micro = 0"
            " ORDER BY account_id"
        )
    )
    assert len(accounts) == 5
    assert accounts == wallets


async def test_a_migration_that_loses_rows_is_refused_and_undone(
    scene: Scene, database_url: str
) -> None:
    await _filled(scene)
    before = await scene.snapshot()
    await scene.database.dispose()

    def lose(connection: sa.Connection) -> None:
        connection.execute(sa.text("CREATE TABLE extra (id INTEGER PRIMARY KEY)"))
        connection.execute(sa.text("DELETE FROM outbox_letters"))

    with pytest.raises(MigrationRefused, match="outbox_letters"):
        await asyncio.to_thread(on_connection, database_url, lose)
    assert await scene.snapshot() == before
    assert "extra" not in await asyncio.to_thread(on_connection, database_url, _tables)


async def test_a_migration_that_raises_leaves_nothing_behind(
    scene: Scene, database_url: str
) -> None:
    await _filled(scene)
    before = await scene.snapshot()
    await scene.database.dispose()

    def break_off(connection: sa.Connection) -> None:
        connection.execute(sa.text("CREATE TABLE extra (id INTEGER PRIMARY KEY)"))
        connection.execute(sa.text("UPDATE members SET quota = 7"))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await asyncio.to_thread(on_connection, database_url, break_off)
    assert await scene.snapshot() == before
    assert "extra" not in await asyncio.to_thread(on_connection, database_url, _tables)


async def test_a_migration_that_breaks_references_is_refused_and_undone(
    scene: Scene, database_url: str, backend: str
) -> None:
    await _filled(scene)
    before = await scene.snapshot()
    await scene.database.dispose()
    nobody = b"\0" if backend == "sqlite" else UUID(int=0)

    def orphan(connection: sa.Connection) -> None:
        connection.execute(
            sa.text("UPDATE invitations SET account_id = :nobody"), {"nobody": nobody}
        )

    # SQLite's are checked by app/migrations.py at the end, PostgreSQL's by itself at once.
    refused = MigrationRefused if backend == "sqlite" else sa.exc.IntegrityError
    with pytest.raises(refused):
        await asyncio.to_thread(on_connection, database_url, orphan)
    assert await scene.snapshot() == before


def test_processes_that_migrate_at_once_do_it_once(empty_database_url: str) -> None:
    code = f"from app import migrations; migrations.upgrade({empty_database_url!r})"
    started = [
        subprocess.Popen(  # noqa: S603 - our own code
            [sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    told = [one.communicate(timeout=120)[1] for one in started]
    assert [one.returncode for one in started] == [0, 0, 0], told
    assert migrations.is_current(empty_database_url)
    assert set(on_connection(empty_database_url, schema_facts)) == set(metadata.tables)


def test_a_database_of_an_unknown_version_is_left_alone(database_url: str) -> None:
    def pretend(connection: sa.Connection) -> None:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = 'f00'"))

    on_connection(database_url, pretend)
    before = on_connection(database_url, schema_facts)
    assert not migrations.is_current(database_url)
    with pytest.raises(Exception, match="f00"):
        migrations.upgrade(database_url)
    assert on_connection(database_url, schema_facts) == before
