"""Flashes: what a form did, said on the page that comes after it. Signed, shown once, kept nowhere."""

from itsdangerous import BadData, URLSafeTimedSerializer
from starlette.requests import HTTPConnection
from starlette.responses import Response

from app.settings import Settings
from app.web.cookies import cookie_name, drop_cookie, set_cookie

FLASH = "flash"
SECONDS = 60
LONGEST = 1500
# Browsers refuse cookies of more than 4 kB; three bytes a character, a third more as base64.
LONGEST_SENTENCE = 300


def set_flash(settings: Settings, response: Response, sentence: str) -> None:
    """Say a sentence on the next page."""
    value = _serializer(settings).dumps(sentence[:LONGEST_SENTENCE])
    set_cookie(settings, response, FLASH, value, SECONDS)


def read_flash(settings: Settings, request: HTTPConnection) -> str:
    """Read the sentence that waits; empty where there is none, or none of ours."""
    value = request.cookies.get(cookie_name(settings, FLASH))
    if not value or len(value) > LONGEST:
        return ""
    try:
        return str(_serializer(settings).loads(value, max_age=SECONDS))
    except BadData:
        return ""


def drop_flash(settings: Settings, response: Response) -> None:
    """Take it back once it has been shown."""
    drop_cookie(settings, response, FLASH)


def _serializer(settings: Settings) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(settings.secret_key.get_secret_value(), salt="flash")
