"""Secrets of new keys: shown once, with what one does with them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from starlette.responses import PlainTextResponse, Response

from app.credentials import key_kind
from app.errors import BadRequest


@dataclass(frozen=True, slots=True)
class SecretPage:
    """A secret, this once. `curl` is a line that works with it; `says` what it can do."""

    template: ClassVar[str] = "dialog.html"
    title: ClassVar[str] = "Keys"
    form: ClassVar[str] = "keys/secret.html"

    name: str
    secret: str
    back: str
    env_path: str
    curl: str
    says: str
    curl_says: str = "Try it:"


def env_file(form: Mapping[str, str], variable: str) -> Response:
    """Give a secret that its page sends back as a file to download. Raises `BadRequest` for what is none."""
    secret = form.get("secret", "")
    if key_kind(secret) is None:
        raise BadRequest("This is no key.")
    return PlainTextResponse(
        f"{variable}={secret}\n", headers={"Content-Disposition": 'attachment; filename="r9s.env"'}
    )
