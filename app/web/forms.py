"""Forms and parameters: read with care, each name once."""

import hmac
from collections.abc import Mapping

from starlette.datastructures import ImmutableMultiDict
from starlette.requests import Request

from app.errors import BadRequest, Forbidden, UnsupportedMediaType
from app.web.viewers import Visit

MOST_FIELDS = 100
FORM = "application/x-www-form-urlencoded"


class StaleForm(Forbidden):
    """A form that was made for another session than the one that sends it."""

    says = "This page is out of date. Load it again, then repeat."


def only(values: ImmutableMultiDict[str, str], name: str) -> str | None:
    """Give a parameter's one value, None where it is missing. Raises `BadRequest` for two."""
    found = values.getlist(name)
    if len(found) > 1:
        raise BadRequest(f"{name} is given twice.")
    return found[0] if found else None


async def read_form(request: Request, visit: Visit) -> Mapping[str, str]:
    """Read a plain form and check that this session made it. Raises `UnsupportedMediaType`, `StaleForm`."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != FORM:
        raise UnsupportedMediaType(f"Send a form: Content-Type: {FORM}.")
    async with request.form(max_fields=MOST_FIELDS) as form:
        fields = {name: value for name, value in form.items() if isinstance(value, str)}
    given = (fields.get("form_token") or request.headers.get("x-form-token", "")).encode()
    if visit.form_token is None or not hmac.compare_digest(given, visit.form_token.encode()):
        raise StaleForm
    return fields
