"""The ledger as CSV (RFC 4180): every entry, streamed; no text that a spreadsheet would run."""

import csv
import io
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from app.money import credits_text
from app.resolvers import ledger
from app.resolvers.ledger import LedgerQuery, LedgerRow
from app.web.portal.frame import room_of

COLUMNS = ("number", "at", "kind", "amount", "balance_after", "description", "source")
RUN_AS_FORMULA = tuple("=+-@\t\r\n")


async def download(request: Request) -> Response:
    """Give the whole ledger of an account, oldest first."""
    room = await room_of(request, "credits")
    rows = await ledger.export_ledger(room.viewer, room.seat.account_id, LedgerQuery())
    name = f'attachment; filename="{room.seat.slug}-ledger.csv"'
    return StreamingResponse(
        _written(rows), media_type="text/csv", headers={"Content-Disposition": name}
    )


async def _written(rows: AsyncIterator[LedgerRow]) -> AsyncIterator[str]:
    yield _line(COLUMNS)
    async for row in rows:
        yield _line(
            (
                str(row.number),
                row.created_at.isoformat().replace("+00:00", "Z"),
                row.kind.value.lower(),
                credits_text(row.amount_micro),
                credits_text(row.balance_after_micro),
                _harmless(row.description),
                _harmless(row.source or ""),
            )
        )


def _line(values: tuple[str, ...]) -> str:
    text = io.StringIO()
    csv.writer(text).writerow(values)
    return text.getvalue()


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(RUN_AS_FORMULA) else text
