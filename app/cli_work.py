"""How commands of `r9s` work: on a database that is ready, as the operator, their answers in JSON where asked."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

import typer

from app import migrations
from app.database import Database
from app.errors import Conflict
from app.logs import set_up_logs
from app.models import AuditActorKind
from app.seats import Viewer
from app.settings import Settings, load_settings

R = TypeVar("R")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def ready() -> Settings:
    """Load the settings and see to the database's migrations. Raises `Conflict` where an operator has to run them."""
    settings = load_settings()
    set_up_logs(settings)
    if settings.sandbox:
        migrations.upgrade(settings.database_url)
    elif not migrations.is_current(settings.database_url):
        raise Conflict("The database has not this version's migrations. Run `r9s migrate` first.")
    return settings


def on_database(settings: Settings, work: Callable[[Database], Awaitable[R]]) -> R:
    """Open the database for some work, and close it."""

    async def run() -> R:
        database = Database(settings.database_url)
        try:
            return await work(database)
        finally:
            await database.dispose()

    return asyncio.run(run())


def as_operator(work: Callable[[Viewer], Awaitable[R]]) -> R:
    """Do what verbs do for an operator."""
    settings = ready()
    return on_database(
        settings, lambda database: work(Viewer(database, settings, kind=AuditActorKind.OPERATOR))
    )


def print_json(value: Any) -> None:
    """Print an answer for programs."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))
