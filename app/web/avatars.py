"""Avatars: the provider's picture where we have it, else the name's initials, always from our own origin."""

from uuid import UUID
from xml.sax.saxutils import escape

from starlette.requests import Request
from starlette.responses import Response

from app.errors import NotFound, Unavailable
from app.integrations.pictures import Picture
from app.resolvers import avatars
from app.web.services import services
from app.web.viewers import nobody

SVG = "image/svg+xml"
FOR_EVER = "private, max-age=31536000, immutable"
# Initials follow the name, and a picture may come later: neither changes the address.
FOR_AN_HOUR = "private, max-age=3600"
NOT_AT_ALL = "no-store"
# Frontends on other origins show these too. Opened by itself, the image may do nothing.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "cross-origin",
}
# White letters on each of them have a contrast of 4.5 or more.
COLOURS = ("#2f5bd8", "#0b6e70", "#9a4f0f", "#8a4fbf", "#b3261e", "#0a6b4a", "#596372", "#a0286f")


async def avatar(request: Request) -> Response:
    """Serve a person's picture. Raises `NotFound`."""
    user_id, viewer = _user_id(request.path_params["user"]), nobody(request)
    row = await avatars.avatar(viewer, user_id, request.path_params["tag"])
    picture, cached = row.picture, FOR_AN_HOUR
    if row.fetch_from is not None:
        try:
            picture = await services(request).pictures.fetch(row.fetch_from)
        except Unavailable:
            cached = NOT_AT_ALL
        else:
            await avatars.keep_picture(viewer, user_id, row.fetch_from, picture)
    if picture is not None:
        return _image(picture, FOR_EVER)
    return _image(Picture(SVG, initials(row.name, user_id)), cached)


def initials(name: str, user_id: UUID) -> bytes:
    """Draw a name's initials, in a colour that stays with the person."""
    letters = "".join(word[0] for word in name.split()[:2]).upper() or "?"
    colour = COLOURS[user_id.int % len(COLOURS)]
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64" width="64" height="64">'
        f'<rect width="64" height="64" fill="{colour}"/>'
        '<text x="32" y="33" fill="#ffffff" font-family="system-ui, sans-serif" font-size="26" '
        'font-weight="600" text-anchor="middle" dominant-baseline="central">'
        f"{escape(letters)}</text></svg>"
    ).encode()


def _user_id(text: str) -> UUID:
    try:
        found = UUID(hex=text)
    except ValueError:
        raise NotFound from None
    if found.hex != text:
        raise NotFound
    return found


def _image(picture: Picture, cached: str) -> Response:
    headers = {**HEADERS, "Cache-Control": cached}
    return Response(picture.content, media_type=picture.media_type, headers=headers)
