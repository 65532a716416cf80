"""Health: whether the process lives, and whether it can serve. Public, without detail."""

import asyncio

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app import migrations
from app.errors import Unavailable
from app.web import metrics
from app.web.services import services

READY = {"status": "ok"}


async def live(_request: Request) -> Response:
    """Answer while the process serves at all."""
    return JSONResponse(READY)


async def ready(request: Request) -> Response:
    """Answer 200 when the database answers and has every migration, else 503."""
    shared = services(request)
    try:
        await shared.database.ping()
        current = shared.migrated or await asyncio.to_thread(
            migrations.is_current, shared.settings.database_url
        )
    except Exception:  # noqa: BLE001 - whatever keeps us from the database: not ready
        metrics.count_database_outage()
        current = False
    if not current:
        raise Unavailable
    # Migrations only go forward under running code: what is current stays so.
    shared.migrated = True
    return JSONResponse(READY)
