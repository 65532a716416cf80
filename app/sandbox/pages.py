"""The sandbox's pages: everything in them is escaped, and their style is a file."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response

FOLDER = Path(__file__).parent
ENVIRONMENT = Environment(
    loader=FileSystemLoader(FOLDER / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def page(template: str, style: str, status: int = 200, /, **context: Any) -> HTMLResponse:
    """Render a page; `style` is the address of the style sheet."""
    html = ENVIRONMENT.get_template(template).render(style=style, **context)
    return HTMLResponse(html, status_code=status, headers={"Cache-Control": "no-store"})


async def style_sheet(_request: Request) -> Response:
    """Serve the style sheet."""
    return FileResponse(
        FOLDER / "static" / "sandbox.css", headers={"Cache-Control": "public, max-age=60"}
    )
