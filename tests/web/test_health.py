"""Health: public, without detail, true."""

import asyncio
import shutil
from pathlib import Path

from app import migrations
from tests.web.conftest import Edge


async def test_live_and_ready_say_ok_and_nothing_else(edge: Edge) -> None:
    client = await edge()
    for path in ("/health/live", "/health/ready"):
        answer = await client.get(path)
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_a_database_that_lacks_migrations_is_not_ready(
    edge: Edge, sqlite_template: Path, tmp_path: Path
) -> None:
    path = tmp_path / "old.sqlite3"
    shutil.copy(sqlite_template, path)
    url = f"sqlite:///{path}"
    migrations.downgrade(url, "base")
    client = await edge(database_url=url)
    answer = await client.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json()["code"] == "unavailable"
    assert int(answer.headers["retry-after"]) > 0
    assert (await client.get("/health/live")).status_code == 200
    # In a thread: the service, which writes as well, goes on meanwhile.
    await asyncio.to_thread(migrations.upgrade, url)
    assert (await client.get("/health/ready")).status_code == 200, "it recovers by itself"


async def test_a_database_that_is_away_is_not_ready_and_costs_no_more_than_a_503(
    edge: Edge,
) -> None:
    client = await edge(database_url="postgresql://nobody@127.0.0.1:9/none")
    for path in ("/health/ready", "/sign-in"):
        answer = await client.get(path)
        assert answer.status_code == 503
        assert "127.0.0.1:9" not in answer.text
    page = await client.get("/", headers={"Accept": "text/html", "Cookie": "session=x"})
    assert page.status_code == 503
    assert "Try again" in page.text


async def test_the_figures_name_routes_and_no_paths(edge: Edge) -> None:
    from prometheus_client import generate_latest  # noqa: PLC0415

    client = await edge()
    await client.get("/invitations/a-secret-token")
    text = generate_latest().decode()
    assert 'route="/invitations/{token}"' in text
    assert "a-secret-token" not in text
