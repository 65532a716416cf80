"""`r9s`: everything an operator does. `--json` where a program may read the answer."""

import os
import socket
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
import uvicorn
from dotenv import dotenv_values
from pydantic import SecretStr
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from app import cli_gateways, cli_ledger, cli_replay, cli_stripe, migrations
from app.cli_work import AsJson, on_database, print_json
from app.errors import Refusal
from app.logs import set_up_logs
from app.settings import PREFIX, Settings, load_settings

app = typer.Typer(
    name="r9s",
    help="Organizations of R9S: who may spend which credits, and who pays.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(cli_gateways.app, name="gateway")
app.add_typer(cli_ledger.app)
app.add_typer(cli_replay.app)
app.add_typer(cli_stripe.app)
console = Console()
errors = Console(stderr=True)
MASK = "••••••••"
STOP_SECONDS = 10
IfEmpty = Annotated[
    bool,
    typer.Option("--if-empty", help="Do nothing where anyone has signed in, or in production."),
]


def main() -> None:
    """Run the command; a refusal is a sentence and exit code 1."""
    try:
        app()
    except Refusal as refused:
        _fail(refused.detail)
    except migrations.MigrationRefused as refused:
        _fail(f"The migration was refused and nothing was changed: {refused}")


def _fail(sentence: str) -> None:
    errors.print(sentence, style="red", markup=False, highlight=False)
    sys.exit(1)


@app.command()
def serve() -> None:
    """Serve the portal, GraphQL and REST until stopped."""
    settings = load_settings()
    set_up_logs(settings)
    if settings.sandbox:
        migrations.upgrade(settings.database_url)
    elif not migrations.is_current(settings.database_url):
        _fail("The database does not have the migrations of this version. Run `r9s migrate` first.")
    from app.main import create_app  # noqa: PLC0415 - the other commands start faster without it
    from app.web.http import BoundedHttp  # noqa: PLC0415 - as above

    config = uvicorn.Config(
        create_app(settings),
        http=BoundedHttp,
        host=settings.host,
        port=settings.port,
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    if settings.sandbox:
        _must_be_free(settings)
        _say_where_to_go(settings)
    uvicorn.Server(config).run()


def _must_be_free(settings: Settings) -> None:
    """Refuse a port that is taken before anything is printed."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError:
            _fail(f"Port {settings.port} is taken. Set R9S_PORT to another one.")


def _say_where_to_go(settings: Settings) -> None:
    from app.demo import PEOPLE  # noqa: PLC0415 - names for the sandbox only

    url = settings.base_url
    console.print(f"\n  [bold]R9S[/bold] serves at [link={url}]{url}[/link]")
    console.print(f"  GraphiQL: {url}/graphql   letters: {url}/sandbox/mail")
    console.print("  Sign in with any address, or as one of the demo (`r9s demo`):")
    for person in PEOPLE[:4]:
        console.print(f"    {person.email:<22} {person.name}, {person.role.name.capitalize()}")
    console.print("  Stop with Ctrl+C.\n")


@app.command()
def migrate(as_json: AsJson = False) -> None:
    """Bring the database to the migrations of this version."""
    settings = load_settings()
    before = migrations.current(settings.database_url)
    migrations.upgrade(settings.database_url)
    after = migrations.current(settings.database_url)
    if as_json:
        print_json({"before": before, "after": after})
    elif before == after:
        console.print(f"The database is current: {after}.")
    else:
        console.print(f"The database went from {before or 'nothing'} to {after}.")


@app.command()
def demo(as_json: AsJson = False, if_empty: IfEmpty = False) -> None:
    """Make the demo's people, organizations and last month of usage; done twice is done once."""
    settings = load_settings()
    if not settings.sandbox:
        if if_empty:
            return
        _fail("The demo is for the sandbox only.")
    set_up_logs(settings)
    migrations.upgrade(settings.database_url)
    if if_empty and not _wants_demo(settings):
        return
    from app.demo import ACME, PEOPLE  # noqa: PLC0415 - the other commands start faster without it

    made = _make_demo(settings)
    if as_json:
        people = [{"name": one.name, "email": one.email, "role": one.role.name} for one in PEOPLE]
        print_json({"made": made, "organization": ACME, "people": people})
        return
    console.print(f"{ACME} is {'made' if made else 'there already'}.")
    for one in PEOPLE:
        console.print(f"  {one.email:<22} {one.name}, {one.role.name.capitalize()}")


def _wants_demo(settings: Settings) -> bool:
    from app.demo import is_wanted  # noqa: PLC0415 - the other commands start faster without it

    return on_database(settings, lambda database: is_wanted(database, settings))


def _make_demo(settings: Settings) -> bool:
    from app.demo import make_demo  # noqa: PLC0415 - the other commands start faster without it

    with Progress(console=errors, transient=True) as progress:
        task = progress.add_task("usage", total=None)

        def told(done: int, of: int) -> None:
            progress.update(task, completed=done, total=of)

        return on_database(settings, lambda database: make_demo(database, settings, told))


@app.command("settings")
def show_settings(as_json: AsJson = False) -> None:
    """Print every setting with its origin; secrets are masked."""
    rows = _setting_rows(load_settings())
    if as_json:
        print_json(rows)
        return
    table = Table("Setting", "Value", "From", "What it is", box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(str(row[name]) for name in ("name", "value", "origin", "says")))
    console.print(table, markup=False)


def _setting_rows(settings: Settings) -> list[dict[str, Any]]:
    dotenv = {name.upper() for name in dotenv_values(".env")}
    folder = os.environ.get("R9S_SECRETS_DIR")
    files = {path.name.upper() for path in Path(folder).iterdir()} if folder else set()
    environment = {name.upper() for name in os.environ}
    origins = (("environment", environment), (".env", dotenv), ("secret file", files))
    rows = []
    for name, field in Settings.model_fields.items():
        variable = PREFIX + name.upper()
        origin = next((origin for origin, names in origins if variable in names), "default")
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            value = MASK if value.get_secret_value() else ""
        elif isinstance(value, tuple):
            value = list(value)
        if name in ("database_url", "rate_limit_store"):
            value = _without_password(value)
        rows.append(
            {"name": variable, "value": value, "origin": origin, "says": field.description or ""}
        )
    return rows


def _without_password(url: str) -> str:
    before, at, after = url.rpartition("@")
    scheme, _, credentials = before.partition("://")
    user = credentials.partition(":")[0]
    return f"{scheme}://{user}:{MASK}@{after}" if at else url


@app.command()
def schema() -> None:
    """Print the GraphQL schema."""
    from app.schema import sdl  # noqa: PLC0415 - the other commands start faster without it

    print(sdl(), end="")
