"""The sandbox's pages: everything in them is escaped."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
)


def page(name: str, style: str, status: int = 200, **context: Any) -> HTMLResponse:
    """Render a page; `style` is the address of the style sheet."""
    html = ENVIRONMENT.get_template(name).render(style=style, **context)
    return HTMLResponse(html, status_code=status, headers={"Cache-Control": "no-store"})
