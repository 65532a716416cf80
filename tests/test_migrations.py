"""Migrations go forward, back and forward again, and the tables are those of the models."""

from app import migrations
from app.database import Database


async def test_the_database_answers(database: Database) -> None:
    await database.ping()


def test_migrations_go_forward_back_and_forward_again(empty_database_url: str) -> None:
    assert migrations.current(empty_database_url) is None
    assert not migrations.is_current(empty_database_url)
    for _ in range(2):
        migrations.upgrade(empty_database_url)
        assert migrations.is_current(empty_database_url)
        migrations.downgrade(empty_database_url, "base")
        assert migrations.current(empty_database_url) is None
