"""Where to go after signing in: a path of our own, relative, nothing else. Checked when stored and when used."""

import re
from urllib.parse import urlencode, urlsplit

HOME = "/"
LONGEST = 1024
# What a path of ours is made of: one slash first, which a browser cannot take for a host; no backslash, no `@`,
# no controls, no spaces, nothing beyond ASCII.
_OURS = re.compile(r"(?!//)/[A-Za-z0-9._~!$&'()*+,;=:%/?-]*", re.ASCII)


def own_path(text: str | None) -> str:
    """Give the path back where it is one of ours, else the home page."""
    if text is None or len(text) > LONGEST or not _OURS.fullmatch(text):
        return HOME
    try:
        parts = urlsplit(text)
    except ValueError:
        return HOME
    segments = parts.path.split("/")[1:]
    empty_inside = any(part in ("", ".", "..") for part in segments[:-1])
    if parts.scheme or parts.netloc or empty_inside or segments[-1] in (".", ".."):
        return HOME
    # Signing in or out once more is no place to arrive at.
    return HOME if segments[0].startswith("sign-") else text


def sign_in_path(return_path: str, *, fresh: bool = False) -> str:
    """Link to the sign-in that comes back to a path."""
    query = {"return_to": own_path(return_path)} | ({"fresh": "1"} if fresh else {})
    return f"/sign-in?{urlencode(query)}"
