"""Without a connection: a worker in the browser that keeps one page, which says so. It keeps nothing of anybody's."""

import hashlib
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

from starlette.requests import Request
from starlette.responses import Response

from app.web.pages import ENVIRONMENT, TEMPLATES, render
from app.web.static import static_path

PATH = "/offline"
KEPT = ("portal.css", "icons/icons.svg", "icon.svg")


@dataclass(frozen=True, slots=True)
class OfflinePage:
    """Said where a page could not be asked for."""

    template: ClassVar[str] = "offline.html"


async def page(request: Request) -> Response:
    """Show the page that the worker keeps; it is the same for everybody."""
    return render(request, OfflinePage())


async def worker(_request: Request) -> Response:
    """Give the worker's script."""
    return Response(_script(), media_type="text/javascript", headers={"Cache-Control": "no-cache"})


@cache
def _script() -> str:
    """Write the script; it changes with what it keeps, so that browsers fetch that anew."""
    kept = [PATH, *(static_path(name) for name in KEPT)]
    looks = [(TEMPLATES / name).read_text() for name in (OfflinePage.template, "base.html")]
    name = hashlib.sha256(f"{kept}{looks}".encode()).hexdigest()[:12]
    return ENVIRONMENT.get_template("worker.js").render(kept=kept, name=f"r9s-{name}")
