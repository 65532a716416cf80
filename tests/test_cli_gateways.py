"""`r9s gateway`: what it prints, and how it ends."""

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from app import cli_gateways, cli_work
from app.credentials import KeyKind, key_kind
from app.errors import NotFound


@pytest.fixture
def run(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run the command on this test's database."""
    monkeypatch.setenv("R9S_DATABASE_URL", database_url)
    # Logging is a process's own affair; other tests share this one.
    monkeypatch.setattr(cli_work, "set_up_logs", lambda _settings: None)
    return lambda *arguments: CliRunner().invoke(cli_gateways.app, list(arguments))


def test_the_token_is_the_last_word(run: Any) -> None:
    made = run("create", "Frankfurt one")
    assert made.exit_code == 0, made.output
    assert key_kind(made.stdout.split()[-1]) is KeyKind.GATEWAY


def test_json_is_told_on_request_and_a_list_tells_no_token(run: Any) -> None:
    told = run("create", "Frankfurt", "--json")
    assert told.exit_code == 0
    token = json.loads(told.stdout[told.stdout.index("{") :])["token"]
    listed = run("list", "--json")
    (row,) = json.loads(listed.stdout[listed.stdout.index("[\n") :])
    assert (row["name"], row["tokens"]) == ("Frankfurt", 1)
    assert token not in listed.output
    assert "Frankfurt" in run("list").stdout


def test_revoking_tells_how_many_tokens_ended(run: Any) -> None:
    for _token in range(3):
        run("create", "Frankfurt")
    kept = run("revoke", "Frankfurt", "--keep-newest", "--json")
    assert json.loads(kept.stdout[kept.stdout.index("{\n") :])["revoked"] == 2
    assert "1 of the tokens of Frankfurt ended." in run("revoke", "Frankfurt").stdout
    assert isinstance(run("revoke", "Nowhere").exception, NotFound)
