"""Our own static files, each under the hash of its content, so that browsers may keep it for ever."""

import hashlib
import mimetypes
from functools import cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from app.errors import NotFound
from app.web.compression import accepts_gzip, squeezed

FOLDER = Path(__file__).parent / "static"
HASH_DIGITS = 16
FOR_EVER = "public, max-age=31536000, immutable"


@cache
def _hashes() -> dict[str, str]:
    """Hash every file once; a name that is not here does not exist."""
    return {
        path.relative_to(FOLDER).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()[
            :HASH_DIGITS
        ]
        for path in FOLDER.rglob("*")
        if path.is_file()
    }


def static_path(name: str) -> str:
    """Link to a static file. Raises `KeyError` for a name that does not exist."""
    return f"/static/{_hashes()[name]}/{name}"


async def static_file(request: Request) -> Response:
    """Serve a file under its present hash. Raises `NotFound`."""
    name = request.path_params["name"]
    if _hashes().get(name) != request.path_params["digest"]:
        raise NotFound
    plain, small = _content(name)
    headers = {"Cache-Control": FOR_EVER, "Vary": "Accept-Encoding"}
    if small is not None and accepts_gzip(request.headers.get("accept-encoding", "")):
        return Response(
            small, media_type=_type(name), headers={**headers, "Content-Encoding": "gzip"}
        )
    return Response(plain, media_type=_type(name), headers=headers)


@cache
def _content(name: str) -> tuple[bytes, bytes | None]:
    """Read a file once, and squeeze it where that saves something."""
    plain = (FOLDER / name).read_bytes()
    small = squeezed(plain)
    return plain, small if len(small) < len(plain) * 0.9 else None


def _type(name: str) -> str:
    return mimetypes.guess_type(name)[0] or "application/octet-stream"
