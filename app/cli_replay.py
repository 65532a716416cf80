"""`r9s replay`: a trace of real calls, sent through the metering API now and compared with what `/usage` says."""

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from app import migrations
from app.cli_work import AsJson, print_json
from app.errors import Invalid
from app.logs import set_up_logs
from app.money import credits_text
from app.replay import Access, Outcome, Replay, Sums, Task, client_of
from app.settings import Settings, load_settings
from app.trace import first_of, read_traces, span_of

MODELS = ("openai/gpt-5-mini", "openai/gpt-4.1-nano", "google/gemini-2.5-flash")
SHOWN = 10
"""How many differences are printed."""
CONNECTIONS = 32

app = typer.Typer()
Files = Annotated[
    list[Path],
    typer.Argument(
        help="CSV files with TIMESTAMP, ContextTokens and GeneratedTokens, a row a call.",
        exists=True,
        dir_okay=False,
        readable=True,
    ),
]
Url = Annotated[str, typer.Option(help="The service's address; else the base URL of the settings.")]
GatewayToken = Annotated[
    str, typer.Option(envvar="REPLAY_GATEWAY_TOKEN", help="A gateway's token.", show_envvar=True)
]
Keys = Annotated[
    list[str],
    typer.Option("--key", envvar="REPLAY_KEYS", help="A standard key; give as many as you like."),
]
ManagementKey = Annotated[
    str, typer.Option(envvar="REPLAY_MANAGEMENT_KEY", help="A management key of the same account.")
]
Models = Annotated[list[str], typer.Option("--model", help="A model; give as many as you like.")]
Tag = Annotated[str, typer.Option(help="The calls' tag.")]
Run = Annotated[str, typer.Option(help="Name it anew to send the same calls once more.")]
Calls = Annotated[int | None, typer.Option(min=1, help="So many of the calls; else all.")]
Connections = Annotated[int, typer.Option(min=1, max=256, help="Requests at the same time.")]


@app.command()
def replay(  # noqa: PLR0913 - an option each
    files: Files,
    *,
    url: Url = "",
    gateway_token: GatewayToken = "",
    keys: Keys = [],  # noqa: B006 - typer copies it
    management_key: ManagementKey = "",
    models: Models = list(MODELS),  # noqa: B006 - typer copies it
    tag: Tag = "replay",
    run: Run = "1",
    calls: Calls = None,
    connections: Connections = CONNECTIONS,
    as_json: AsJson = False,
) -> None:
    """Send a trace's calls through a gateway's door, now, and compare them with what /usage says; exit 1 where they differ.

    Repeat it after a stop: what is booked is not sent again. In the sandbox it finds its own keys, those
    of the demo; elsewhere give a gateway's token, keys and a management key.
    """
    settings = load_settings()
    set_up_logs(settings)
    task = Task(tuple(files), tuple(models), tag, run, calls, connections)
    given = [bool(one) for one in (gateway_token, keys, management_key)]
    if any(given) != all(given):
        raise Invalid(key="Give a gateway's token, keys and a management key, or none of them.")
    if settings.sandbox and not keys:
        migrations.upgrade(settings.database_url)
    at = url or settings.base_url
    access = Access(at, gateway_token, tuple(keys), management_key)
    outcome = asyncio.run(_replay(settings, access, task, quiet=as_json))
    _tell(outcome, as_json=as_json)
    if outcome.differences:
        raise typer.Exit(1)


async def _replay(settings: Settings, access: Access, task: Task, *, quiet: bool) -> Outcome:
    span = span_of(first_of(read_traces(task.files), task.calls))
    if not access.keys:
        # Made for this replay: they need the database, and the demo in it.
        from app.demo_keys import demo_access  # noqa: PLC0415 - needed in the sandbox only

        access = await demo_access(settings, access.url)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True, quiet=quiet)
    async with client_of(access, task) as client:
        with Progress(*columns, console=console, transient=True) as progress:
            bar = progress.add_task("calls", total=span.calls)
            return await Replay(
                client, access, task, lambda done: progress.update(bar, completed=done)
            ).run()


def _tell(outcome: Outcome, *, as_json: bool) -> None:
    if as_json:
        facts = {
            "equal": not outcome.differences,
            "sent": _facts(outcome.sent),
            "usage": _facts(outcome.told),
            "booked_before": outcome.before,
            "refused": dict(outcome.refused),
            "differences": outcome.differences,
        }
        print_json(facts)
        return
    table = Table("", "Calls", "Prompt tokens", "Completion tokens", "Credits")
    for name, sums in (("Sent", outcome.sent), ("/usage", outcome.told)):
        counts = (f"{one:,}" for one in sums[:3])
        table.add_row(name, *counts, credits_text(sums.cost_micro))
    Console().print(table)
    if outcome.before:
        typer.echo(f"{outcome.before:,} of them were booked before.")
    for code, count in outcome.refused.items():
        typer.echo(f"Refused, and not booked: {count:,} as {code}.")
    for one in outcome.differences[:SHOWN]:
        typer.echo(one, err=True)
    if len(outcome.differences) > SHOWN:
        typer.echo(f"… and {len(outcome.differences) - SHOWN:,} differences more.", err=True)
    if not outcome.differences:
        typer.echo("Every call is there, once, and adds up.")


def _facts(sums: Sums) -> dict[str, Any]:
    return {
        "requests": sums.requests,
        "prompt_tokens": sums.prompt_tokens,
        "completion_tokens": sums.completion_tokens,
        "cost": credits_text(sums.cost_micro),
    }
