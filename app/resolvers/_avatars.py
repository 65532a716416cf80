"""Where a person's picture is served: by our own origin, at an address that nobody can guess."""

import hmac
from uuid import UUID

from app.settings import Settings

TAG_LENGTH = 24


def avatar_url(settings: Settings, user_id: UUID, picture_url: str | None) -> str:
    """Write the address of a person's picture; it changes when the picture does."""
    return f"{settings.base_url}/avatars/{user_id.hex}/{avatar_tag(settings, user_id, picture_url)}"


def avatar_tag(settings: Settings, user_id: UUID, picture_url: str | None) -> str:
    """Derive the part of the address that proves that it was shown by us."""
    message = b"avatar:" + user_id.bytes + (picture_url or "").encode()
    key = settings.secret_key.get_secret_value().encode()
    return hmac.digest(key, message, "sha256").hex()[:TAG_LENGTH]
