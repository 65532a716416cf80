"""`r9s grant|adjust|correct|freeze|unfreeze|verify`: what they print, and how they end."""

import asyncio
import json
from typing import Any

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from app import cli_ledger, cli_work
from app.database import Database
from app.errors import Invalid, NotFound
from app.money import MICRO
from app.settings import Settings
from tests.metering.desk import desk_of
from tests.scene import Scene


@pytest.fixture
def run(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run the command on this test's database."""
    monkeypatch.setenv("R9S_DATABASE_URL", database_url)
    # Logging is a process's own affair; other tests share this one.
    monkeypatch.setattr(cli_work, "set_up_logs", lambda _settings: None)
    return lambda *arguments: CliRunner().invoke(cli_ledger.app, list(arguments))


@pytest.fixture
def acme(database_url: str, settings: Settings) -> None:
    """Found Acme, by a loop of its own as each command has one."""

    async def found() -> None:
        database = Database(database_url)
        scene = Scene(database, settings)
        await scene.organization(await scene.person("ann"), "Acme")
        await database.dispose()

    asyncio.run(found())


def do(database_url: str, statement: str) -> None:
    """Run one statement."""

    async def execute() -> None:
        database = Database(database_url)
        async with database.write() as session:
            await session.execute(text(statement))
        await database.dispose()

    asyncio.run(execute())


def told(result: Any) -> Any:
    """Read the JSON that a command printed."""
    return json.loads(result.stdout[result.stdout.index("{\n") :])


@pytest.mark.usefixtures("acme")
def test_credits_are_given_and_taken_and_the_balance_is_told(run: Any) -> None:
    given = run("grant", "acme", "12.5", "--reason", "Welcome")
    assert given.exit_code == 0, given.output
    assert "acme has 12.500000 credits." in given.stdout
    taken = run("adjust", "acme", "-2.25", "--reason", "Too much", "--json")
    assert told(taken) == {"slug": "acme", "credits": "10.250000"}
    assert run("adjust", "acme", "1", "--reason", "Still", "--json").exit_code == 0


def test_a_call_is_corrected_by_figures_or_taken_back_whole(
    run: Any, database_url: str, settings: Settings
) -> None:
    async def use() -> None:
        database = Database(database_url)
        async with desk_of(Scene(database, settings), 10 * MICRO) as desk:
            hold = await desk.authorize(await desk.key(), MICRO)
            await desk.settle(hold.hold_id, MICRO, event_id="call 1")
        await database.dispose()

    asyncio.run(use())
    less = ("--cost", "-0.25", "--completion-tokens", "-200", "--reason", "Cut off")
    done = run("correct", "call 1", *less)
    assert done.exit_code == 0, done.output
    assert "What is left: cost 0.750000, prompt_tokens 1000" in done.stdout
    both = run("correct", "call 1", "--all", "--cost", "1", "--reason", "Both")
    assert isinstance(both.exception, Invalid)
    gone = told(run("correct", "call 1", "--all", "--reason", "Never made", "--json"))
    assert gone["left"]["cost"] == "0.000000"
    assert gone["corrects"].startswith("use_")
    assert run("verify").exit_code == 0


@pytest.mark.usefixtures("acme")
def test_freezing_says_what_was_so_before(run: Any) -> None:
    assert "acme is frozen." in run("freeze", "acme", "--reason", "Complaint").stdout
    assert "as it was before" in run("freeze", "acme", "--reason", "Complaint").stdout
    thawed = told(run("unfreeze", "acme", "--reason", "Settled", "--json"))
    assert thawed == {"slug": "acme", "frozen": False, "changed": True}


@pytest.mark.usefixtures("acme")
def test_what_makes_no_sense_is_refused(run: Any) -> None:
    assert isinstance(run("grant", "acme", "1e3", "--reason", "Why").exception, Invalid)
    assert isinstance(run("grant", "acme", "-1", "--reason", "Why").exception, Invalid | SystemExit)
    assert isinstance(run("freeze", "nowhere", "--reason", "Why").exception, NotFound)
    assert run("grant", "acme", "5").exit_code == 2


@pytest.mark.usefixtures("acme")
def test_verify_counts_what_is_right_and_names_what_is_wrong(run: Any, database_url: str) -> None:
    run("grant", "acme", "5", "--reason", "Welcome")
    right = run("verify")
    assert right.exit_code == 0, right.output
    assert "2 accounts, 1 transfers and 0 usage records" in right.stdout
    assert told(run("verify", "--json"))["ok"] is True
    do(database_url, "UPDATE wallets SET held_micro = 7 WHERE balance_micro > 0")
    wrong = run("verify")
    assert wrong.exit_code == 1
    assert "Promise 2 is broken (held)" in wrong.stderr
    assert "held_micro=7" in wrong.stderr
    found = run("verify", "--json")
    assert found.exit_code == 1
    assert told(found)["wrong"]["row"]["held_micro"] == 7
