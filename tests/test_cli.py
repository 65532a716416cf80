"""`r9s`: what it prints, and how it ends."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from app.settings import SAMPLE_SECRET

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def r9s(tmp_path: Path) -> Run:
    """Run the command in a folder of its own, on SQLite there unless told otherwise."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        given = {name: value for name, value in os.environ.items() if not name.startswith("R9S_")}
        code = "import sys; from app.cli import main; main()"
        return subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-c", code, *arguments],
            cwd=tmp_path,
            env={**given, "COLUMNS": "200"}
            | {"PYTHONPATH": str(Path(__file__).parent.parent)}
            | environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    return run


def test_the_demo_is_made_once(r9s: Run) -> None:
    first = r9s("demo", "--json")
    assert first.returncode == 0, first.stderr
    told = json.loads(first.stdout)
    assert told["made"] is True
    assert told["organization"] == "Acme Inc."
    assert {"name": "Jane Miller", "email": "jane@acme.example", "role": "OWNER"} in told["people"]
    again = r9s("demo", "--json")
    assert json.loads(again.stdout)["made"] is False


def test_settings_are_shown_with_their_origin_and_without_secrets(r9s: Run, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("R9S_PORT=8123\n")
    shown = r9s("settings", "--json", R9S_SESSION_HOURS="5", R9S_SMTP_URL="smtp://me:pw@mail.test")
    assert shown.returncode == 0, shown.stderr
    rows = {row["name"]: row for row in json.loads(shown.stdout)}
    assert rows["R9S_SESSION_HOURS"]["origin"] == "environment"
    assert rows["R9S_SESSION_HOURS"]["value"] == 5
    assert rows["R9S_PORT"]["origin"] == ".env"
    assert rows["R9S_BODY_BYTES"]["origin"] == "default"
    assert all(row["says"] for row in rows.values())
    for text in (shown.stdout, r9s("settings", R9S_SMTP_URL="smtp://me:pw@mail.test").stdout):
        assert SAMPLE_SECRET not in text
        assert "me:pw" not in text


def test_a_wrong_setting_is_a_sentence_and_not_a_trace(r9s: Run) -> None:
    refused = r9s("settings", R9S_SESION_HOURS="5")
    assert refused.returncode == 1
    assert "R9S_SESION_HOURS" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_migrate_says_from_where_to_where(r9s: Run, database_url: str) -> None:
    told = json.loads(r9s("migrate", "--json", R9S_DATABASE_URL=database_url).stdout)
    assert told["before"] == told["after"]


def test_the_schema_is_printed(r9s: Run) -> None:
    shown = r9s("schema")
    assert shown.returncode == 0
    assert "type Query" in shown.stdout


def test_production_does_not_start_on_a_database_without_migrations(
    r9s: Run, tmp_path: Path
) -> None:
    refused = r9s(
        "serve",
        R9S_ENVIRONMENT="production",
        R9S_DATABASE_URL=f"sqlite:///{tmp_path / 'new.sqlite3'}",
        R9S_BASE_URL="https://portal.example",
        R9S_SECRET_KEY="0123456789abcdefghijklmnopqrstuv",
        R9S_KEY_PEPPER="0123456789abcdefghijklmnopqrstuv",
        R9S_OIDC_CLIENT_SECRET="0123456789abcdefghijklmnopqrstuv",
        R9S_OIDC_ISSUER="https://identity.example",
        R9S_SMTP_URL="smtp://mail.example",
        R9S_STRIPE_API_KEY="sk_live_0123456789",
        R9S_STRIPE_WEBHOOK_SECRET="whsec_0123456789abcdefghijklmnopqrstuv",
    )
    assert refused.returncode == 1
    assert "r9s migrate" in refused.stderr
