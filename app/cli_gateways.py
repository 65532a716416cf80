"""`r9s gateway …`: gateways and their tokens, for the operator."""

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from app.cli_work import AsJson, as_operator, print_json
from app.resolvers import gateways
from app.resolvers.gateways import GatewayRow

app = typer.Typer(help="Gateways: the services that run the models.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="The gateway's name.")]
KeepNewest = Annotated[bool, typer.Option("--keep-newest", help="All tokens but the newest one.")]


@app.command()
def create(name: Name, *, as_json: AsJson = False) -> None:
    """Make a gateway, or a further token for the one of this name; the token is shown this once."""
    token = as_operator(lambda operator: gateways.create_gateway(operator, name))
    if as_json:
        print_json({"name": name, "token": token})
    else:
        # Scripts read the last word.
        typer.echo(f"Token of {name}, shown this once: {token}")


@app.command(name="list")
def list_(*, as_json: AsJson = False) -> None:
    """List the gateways and how many tokens of theirs work."""
    rows = as_operator(gateways.list_gateways)
    if as_json:
        print_json([_facts(row) for row in rows])
        return
    table = Table("Name", "Tokens", "Newest token", "Since")
    for row in rows:
        newest = f"{row.newest_token_at:%Y-%m-%d %H:%M}" if row.newest_token_at else ""
        table.add_row(row.name, str(row.tokens), newest, f"{row.created_at:%Y-%m-%d %H:%M}")
    Console().print(table)


@app.command()
def revoke(name: Name, *, keep_newest: KeepNewest = False, as_json: AsJson = False) -> None:
    """End a gateway's tokens; its next request is refused."""
    ended = as_operator(
        lambda operator: gateways.revoke_gateway(operator, name, keep_newest=keep_newest)
    )
    if as_json:
        print_json({"name": name, "revoked": ended})
    else:
        typer.echo(f"{ended} of the tokens of {name} ended.")


def _facts(row: GatewayRow) -> dict[str, Any]:
    newest = row.newest_token_at.isoformat() if row.newest_token_at else None
    return {
        "id": str(row.id),
        "name": row.name,
        "created_at": row.created_at.isoformat(),
        "tokens": row.tokens,
        "newest_token_at": newest,
    }
