"""The role matrix of PRODUCT.md where it speaks of balance and ledger; rows read as in `matrix`."""

from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlmodel import col

from app.database import Database
from app.ledger.posting import post
from app.models import LedgerEntry, LedgerKind
from app.resolvers import balances, ledger
from app.resolvers.ledger import LedgerQuery
from tests.resolvers.world import Act, Row


async def move_to_and_fro(database: Database, account_id: UUID) -> UUID:
    """Give a ledger two entries and leave the balance at zero; the first entry's id."""
    async with database.write() as session:
        for amount in (5, -5):
            await post(session, account_id, LedgerKind.ADJUSTMENT, amount)
    row = await database.row(
        select(col(LedgerEntry.id)).where(
            col(LedgerEntry.account_id) == account_id, col(LedgerEntry.number) == 1
        )
    )
    assert row is not None
    return row[0]


def _of(verb: Any, *arguments: Any) -> Act:
    return lambda world, viewer: verb(viewer, world.account_id, *arguments)


MONEY_ROWS = [
    Row("balances.balance", "what there is", _of(balances.balance), "ok ok 403 404 401"),
    Row("ledger.list_ledger", "list", _of(ledger.list_ledger), "ok ok 403 404 401"),
    Row("ledger.count_ledger", "count", _of(ledger.count_ledger), "ok ok 403 404 401"),
    Row(
        "ledger.ledger_rows",
        "a page for finance",
        _of(ledger.ledger_rows, LedgerQuery(), 10),
        "ok ok 403 404 401",
    ),
    Row(
        "ledger.export_ledger",
        "all of it for finance",
        _of(ledger.export_ledger, LedgerQuery()),
        "ok ok 403 404 401",
    ),
    Row(
        "ledger.ledger_entry",
        "one entry",
        lambda world, viewer: ledger.ledger_entry(viewer, world.ledger_entry_id),
        "ok ok 403 404 401",
    ),
]
