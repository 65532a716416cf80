"""What was booked is never changed: the database itself refuses."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.ledger.books import APPEND_ONLY, keep_books
from tests.scene import Scene


@pytest.mark.parametrize("table", APPEND_ONLY)
@pytest.mark.parametrize("change", ["UPDATE {} SET account_id = account_id", "DELETE FROM {}"])
async def test_booked_rows_are_neither_changed_nor_taken_away(
    scene: Scene, table: str, change: str
) -> None:
    account_id = await scene.personal_account(await scene.person("ann"))
    await keep_books(scene.database, account_id)
    before = await scene.snapshot()
    with pytest.raises(DBAPIError, match=f"{table} is append-only"):
        async with scene.database.write() as session:
            await session.execute(text(change.format(table)))
    assert await scene.snapshot() == before
