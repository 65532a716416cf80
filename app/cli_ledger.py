"""`r9s grant|adjust|correct|freeze|unfreeze|verify`: what the operator does about money, and the check of all of it."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from app import migrations
from app.database import Database
from app.errors import Conflict, Invalid
from app.ids import wire_id
from app.ledger.verification import Verified, Wrong, verify
from app.logs import set_up_logs
from app.metering.pricing import Tokens
from app.models import AuditActorKind
from app.money import credits_text, parse_credits
from app.resolvers import operations
from app.resolvers.operations import Figures
from app.seats import Viewer
from app.settings import Settings, load_settings

R = TypeVar("R")

app = typer.Typer()
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Slug = Annotated[str, typer.Argument(help="The account's name in addresses, such as acme-inc.")]
Credits = Annotated[str, typer.Argument(help='Credits, such as "12.5".')]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept in the audit log.")]
EventId = Annotated[str, typer.Argument(help="The gateway's id for the call, or the record's id.")]
Cost = Annotated[str, typer.Option("--cost", help='Credits to add to its cost: "-0.5".')]
Count = Annotated[int, typer.Option(help="Tokens to add to its own; negative ones take away.")]
Everything = Annotated[bool, typer.Option("--all", help="Take back all that is left of the call.")]
GatewayName = Annotated[
    str | None, typer.Option("--gateway", help="Whose event id, where several have used it.")
]
# A first argument that starts with a minus is no option here.
SIGNED = {"ignore_unknown_options": True}


def ready() -> Settings:
    """Read the settings and see that the database is of this version. Raises `Conflict`."""
    settings = load_settings()
    set_up_logs(settings)
    if settings.sandbox:
        migrations.upgrade(settings.database_url)
    elif not migrations.is_current(settings.database_url):
        raise Conflict("The database has not this version's migrations. Run `r9s migrate` first.")
    return settings


def _on_database(settings: Settings, work: Callable[[Database], Awaitable[R]]) -> R:
    async def run() -> R:
        database = Database(settings.database_url)
        try:
            return await work(database)
        finally:
            await database.dispose()

    return asyncio.run(run())


def _as_operator(work: Callable[[Viewer], Awaitable[R]]) -> R:
    settings = ready()
    return _on_database(
        settings, lambda database: work(Viewer(database, settings, kind=AuditActorKind.OPERATOR))
    )


@app.command()
def grant(slug: Slug, amount: Credits, reason: Reason, *, as_json: AsJson = False) -> None:
    """Give an account credits that nobody paid for."""
    micro = parse_credits(amount)
    balance = _as_operator(lambda operator: operations.grant(operator, slug, micro, reason))
    _tell_balance(slug, balance, as_json=as_json)


@app.command(context_settings=SIGNED)
def adjust(slug: Slug, amount: Credits, reason: Reason, *, as_json: AsJson = False) -> None:
    """Add credits to an account, or take them away: "-2.5"."""
    micro = parse_credits(amount)
    balance = _as_operator(lambda operator: operations.adjust(operator, slug, micro, reason))
    _tell_balance(slug, balance, as_json=as_json)


def _tell_balance(slug: str, balance: int, *, as_json: bool) -> None:
    shown = credits_text(balance)
    if as_json:
        _print_json({"slug": slug, "credits": shown})
    else:
        typer.echo(f"{slug} has {shown} credits.")


@app.command()
def correct(  # noqa: PLR0913 - an option each
    event_id: EventId,
    reason: Reason,
    *,
    cost: Cost = "0",
    prompt_tokens: Count = 0,
    cached_tokens: Count = 0,
    cache_write_tokens: Count = 0,
    completion_tokens: Count = 0,
    reasoning_tokens: Count = 0,
    everything: Everything = False,
    gateway: GatewayName = None,
    as_json: AsJson = False,
) -> None:
    """Correct a call that was booked: figures to add to its own, such as --cost -0.5, or --all to take all back."""
    counts = (
        prompt_tokens,
        cached_tokens,
        cache_write_tokens,
        completion_tokens,
        reasoning_tokens,
    )
    change = Figures(Tokens(*counts), parse_credits(cost, "cost"))
    if everything and change != Figures(Tokens(0)):
        raise Invalid(all="Take all back, or name figures.")
    given = None if everything else change
    done = _as_operator(lambda one: operations.correct(one, event_id, given, reason, gateway))
    facts = {
        "usage_record_id": wire_id("usage_record", done.usage_record_id),
        "corrects": wire_id("usage_record", done.corrects),
        "left": done.left.shown(),
    }
    if as_json:
        _print_json(facts)
        return
    left = ", ".join(f"{name} {value}" for name, value in done.left.shown().items())
    typer.echo(f"{facts['usage_record_id']} corrects {facts['corrects']}. What is left: {left}.")


@app.command()
def freeze(slug: Slug, reason: Reason, *, as_json: AsJson = False) -> None:
    """Stop all spending of an account; reading goes on."""
    changed = _as_operator(lambda operator: operations.freeze(operator, slug, reason))
    _tell_frozen(slug, frozen=True, changed=changed, as_json=as_json)


@app.command()
def unfreeze(slug: Slug, reason: Reason, *, as_json: AsJson = False) -> None:
    """Let a frozen account spend again."""
    changed = _as_operator(lambda operator: operations.unfreeze(operator, slug, reason))
    _tell_frozen(slug, frozen=False, changed=changed, as_json=as_json)


def _tell_frozen(slug: str, *, frozen: bool, changed: bool, as_json: bool) -> None:
    if as_json:
        _print_json({"slug": slug, "frozen": frozen, "changed": changed})
        return
    state = "frozen" if frozen else "not frozen"
    typer.echo(f"{slug} is {state}{'' if changed else ', as it was before'}.")


@app.command("verify")
def verify_promises(*, as_json: AsJson = False) -> None:
    """Check the promises on live data, while the service runs; exit 1 names the first row that is wrong."""
    settings = ready()
    found = _on_database(settings, _verify_quietly if as_json else _verify_with_bar)
    if as_json:
        _print_json(_facts(found))
    elif found.wrong is None:
        typer.echo(
            f"All is well: {found.checks} checks over {found.accounts} accounts,"
            f" {found.transfers} transfers and {found.usage_records} usage records."
        )
    else:
        typer.echo(_sentence(found.wrong), err=True)
    if found.wrong is not None:
        raise typer.Exit(1)


def _sentence(wrong: Wrong) -> str:
    row = ", ".join(f"{name}={value}" for name, value in wrong.row.items())
    return f"Promise {wrong.promise} is broken ({wrong.check}): {wrong.says}\n{row}"


def _facts(found: Verified) -> dict[str, Any]:
    wrong = found.wrong
    return {
        "ok": wrong is None,
        "checks": found.checks,
        "accounts": found.accounts,
        "transfers": found.transfers,
        "usage_records": found.usage_records,
        "wrong": wrong
        and {
            "check": wrong.check,
            "promise": wrong.promise,
            "says": wrong.says,
            "row": dict(wrong.row),
        },
    }


async def _verify_quietly(database: Database) -> Verified:
    return await verify(database)


async def _verify_with_bar(database: Database) -> Verified:
    columns = (TextColumn("{task.description:>18}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("verify")

        def told(name: str, done: int, of: int) -> None:
            progress.update(task, description=name, completed=done, total=of)

        return await verify(database, told)


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))
