"""`r9s reconcile`: Stripe's side of the books against ours."""

import asyncio
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from app.cli_work import AsJson, print_json, ready
from app.database import Database
from app.ids import wire_id
from app.models import AuditActorKind
from app.seats import Viewer
from app.settings import Settings

if TYPE_CHECKING:
    from app.resolvers.reconciliation import Reconciled

app = typer.Typer()


@app.command("reconcile")
def reconcile_stripe(*, as_json: AsJson = False) -> None:
    """Compare Stripe's last 30 days with the ledger and book what is missing; exit 1 tells of what differs."""
    done = asyncio.run(_reconcile(ready(), quiet=as_json))
    if as_json:
        print_json(_facts(done))
    else:
        typer.echo(
            f"{done.sessions} sessions and {done.events} events looked at,"
            f" {done.repaired} booked that were missing."
        )
        for one in done.problems:
            facts = ", ".join(f"{name}: {value}" for name, value in one.facts.items())
            typer.echo(f"{one.code} {one.stripe_id} {facts}", err=True)
    if done.problems:
        raise typer.Exit(1)


async def _reconcile(settings: Settings, *, quiet: bool) -> "Reconciled":
    # The other commands start faster without these.
    from app.integrations.stripe import Stripe  # noqa: PLC0415
    from app.resolvers.reconciliation import reconcile  # noqa: PLC0415

    database, stripe = Database(settings.database_url), Stripe(settings)
    operator = Viewer(database, settings, kind=AuditActorKind.OPERATOR, stripe=stripe)
    columns = (TextColumn("{task.description:>18}"), BarColumn(), TimeElapsedColumn())
    console = Console(stderr=True, quiet=quiet)
    try:
        with Progress(*columns, console=console, transient=True) as progress:
            task = progress.add_task("reconcile", total=None)

            def told(what: str, number: int) -> None:
                progress.update(task, description=f"{number} {what}")

            return await reconcile(operator, told)
    finally:
        await stripe.aclose()
        await database.dispose()


def _facts(done: "Reconciled") -> dict[str, Any]:
    return {
        "sessions": done.sessions,
        "events": done.events,
        "repaired": done.repaired,
        "problems": [
            {
                "code": one.code,
                "stripe_id": one.stripe_id,
                "account_id": one.account_id and wire_id("account", one.account_id),
                "at": one.created_at.isoformat().replace("+00:00", "Z"),
                "facts": one.facts,
            }
            for one in done.problems
        ],
    }
