"""GraphiQL, the sandbox's page for trying queries: our own files, nothing inline."""

import re
from collections.abc import Awaitable, Callable
from functools import cache

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from app.seats import Viewer
from app.settings import Settings
from app.web.headers import content_policy
from app.web.return_paths import sign_in_path
from app.web.static import static_path

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>GraphiQL · R9S Organizations</title>
<link rel="icon" href="{icon.svg}" type="image/svg+xml">
<link rel="stylesheet" href="{graphiql.min.css}">
<link rel="stylesheet" href="{page.css}">
</head>
<body>
<div id="graphiql"><p class="waiting">GraphiQL needs JavaScript.</p></div>
<script src="{react.production.min.js}"></script>
<script src="{react-dom.production.min.js}"></script>
<script src="{graphiql.min.js}"></script>
<script src="{boot.js}"></script>
</body>
</html>
"""


_FILES = re.compile(r"\{([a-z0-9.-]+)\}")


@cache
def _page() -> str:
    return _FILES.sub(lambda found: static_path(f"graphiql/{found[1]}"), _PAGE)


def wanted(request: Request) -> bool:
    """Tell whether a browser asks for a page."""
    return "text/html" in request.headers.get("accept", "").lower()


async def page(
    request: Request, settings: Settings, viewer_of: Callable[[Request], Awaitable[Viewer]]
) -> Response:
    """Show GraphiQL to the signed-in; lead everybody else to sign-in and back."""
    viewer = await viewer_of(request)
    if viewer.user is None:
        return RedirectResponse(sign_in_path("/graphql"), status_code=303)
    # GraphiQL's style sheet carries its fonts as data.
    policy = content_policy(settings).replace("font-src 'self'", "font-src 'self' data:")
    headers = {"Content-Security-Policy": policy, "Cache-Control": "no-store", "Vary": "Accept"}
    return HTMLResponse(_page(), headers=headers)
