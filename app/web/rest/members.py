"""`GET /members`: who is in the organization, with quotas and what is left of them this UTC month."""

from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID

from starlette.responses import Response

from app.errors import BadRequest
from app.ids import wire_id
from app.money import UNLIMITED
from app.resolvers import members
from app.resolvers.members import MemberRow, Place
from app.web.rest.formats import JSON, Figure, Row, amount, format_of, optional_amount, written
from app.web.rest.lists import List, page, stream
from app.web.rest.parameters import Parameters
from app.web.rest.window import Visit

KNOWN = ("order", "limit", "cursor", "format")
COLUMNS = ("id", "email", "name", "role", "quota", "used", "held", "remaining")


def member_row(row: MemberRow) -> Row:
    """Show a member; a quota of "-1" is no limit, and then nothing is said to remain."""
    return {
        "id": wire_id("member", row.id),
        "email": row.user.email,
        "name": row.user.name,
        "role": row.role.name.lower(),
        "quota": _quota(row.quota),
        "used": optional_amount(row.monthly_usage),
        "held": optional_amount(row.held),
        "remaining": optional_amount(row.remaining),
    }


def _quota(quota: int | None) -> Figure | None:
    if quota is None:
        return None
    return Figure(UNLIMITED) if quota == UNLIMITED else amount(quota)


async def show(visit: Visit) -> Response:
    """Answer members, in the order in which they came."""
    parameters = Parameters(visit.request, KNOWN)
    kind = format_of(visit.request, parameters)
    limit = parameters.limit(visit.viewer.settings.page_rows)
    which = List(visit, parameters)
    place = Place(_id(which.place()), parameters.descending())
    if kind == JSON:
        return await _page(which, place, limit)
    export = await members.export_members(visit.viewer, visit.seat.account_id, place)
    stack = AsyncExitStack()
    opened = await stack.enter_async_context(export())
    return stream(visit, stack, written(kind, COLUMNS, opened.parts, member_row), kind, COLUMNS, {})


def _id(key: list[Any] | None) -> list[UUID] | None:
    if key is None:
        return None
    try:
        (text,) = key
        return [UUID(text)]
    except (ValueError, TypeError, AttributeError):
        raise BadRequest("This cursor is not one of ours.") from None


async def _page(which: List, place: Place, limit: int) -> Response:
    visit = which.visit
    rows = await members.member_rows(visit.viewer, visit.seat.account_id, place, limit + 1)
    more, shown = len(rows) > limit, rows[:limit]
    key = [shown[-1].id.hex] if more else None
    return page(which, [member_row(row) for row in shown], has_more=more, key=key)
