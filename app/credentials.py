"""Secrets that we hand out: how they are made, checked and hashed."""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
import string
import zlib
from enum import Enum
from typing import Final, Literal
from uuid import UUID

MAC_BYTES = 20
ID_BYTES = 16

BASE62: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
SECRET_LENGTH = 40
CHECK_LENGTH = 6
SHOWN_LENGTH = 4
"""How many characters of a secret are shown afterwards, at each end."""

KeyPrefix = Literal["sk_", "sk_mg_", "gw_"]


class KeyKind(Enum):
    """The kinds of keys that we make, by their prefixes."""

    STANDARD = "sk_"
    MANAGEMENT = "sk_mg_"
    GATEWAY = "gw_"


_KEY = re.compile(rf"(sk_|sk_mg_|gw_)[0-9A-Za-z]{{{SECRET_LENGTH}}}[0-9A-Za-z]{{{CHECK_LENGTH}}}")


def invitation_token(secret_key: str, invitation_id: UUID, generation: int) -> str:
    """Derive the token of an invitation's letter (PRODUCT.md, invitation): stored nowhere.

    A new generation makes every earlier letter's token worthless.
    """
    whole = invitation_id.bytes + _invitation_mac(secret_key, invitation_id, generation)
    return base64.urlsafe_b64encode(whole).decode()


def invitation_id_of(token: str) -> UUID | None:
    """Read which invitation a token speaks of; None for what no token of ours looks like."""
    whole = _token_bytes(token)
    return UUID(bytes=whole[:ID_BYTES]) if whole is not None else None


def is_invitation_token(token: str, secret_key: str, invitation_id: UUID, generation: int) -> bool:
    """Tell, in constant time, whether a token is that of this invitation's present letter."""
    whole = _token_bytes(token)
    mac = _invitation_mac(secret_key, invitation_id, generation)
    return whole is not None and hmac.compare_digest(whole, invitation_id.bytes + mac)


def _token_bytes(token: str) -> bytes | None:
    try:
        whole = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error, ValueError):
        return None
    return whole if len(whole) == ID_BYTES + MAC_BYTES else None


def _invitation_mac(secret_key: str, invitation_id: UUID, generation: int) -> bytes:
    message = b"invitation:" + invitation_id.bytes + generation.to_bytes(8, "big")
    return hmac.new(secret_key.encode(), message, hashlib.sha256).digest()[:MAC_BYTES]


def new_key_secret(prefix: KeyPrefix) -> str:
    """Make the secret of a key: the prefix, 40 random characters of base62, 6 of check sum."""
    body = prefix + "".join(secrets.choice(BASE62) for _place in range(SECRET_LENGTH))
    return body + _check_sum(body)


def key_kind(text: str) -> KeyKind | None:
    """Tell what kind of key a text is, by its form and check sum alone; None for what none of ours looks like.

    To be asked before any look-up: a mistyped key costs the database nothing.
    """
    found = _KEY.fullmatch(text)
    if found is None or not hmac.compare_digest(
        _check_sum(text[:-CHECK_LENGTH]), text[-CHECK_LENGTH:]
    ):
        return None
    return KeyKind(found[1])


def secret_hash(pepper: str, secret: str) -> bytes:
    """Hash a key's secret as it is stored: HMAC-SHA256 by the pepper, 32 bytes.

    A secret has 238 random bits, so a slow hash would add nothing.
    """
    return hmac.digest(pepper.encode(), secret.encode(), "sha256")


def shown_parts(secret: str) -> tuple[str, str]:
    """Give what of a secret may be shown ever after: the prefix with four characters, and the last four."""
    prefix = secret[: secret.rindex("_") + 1]
    return secret[: len(prefix) + SHOWN_LENGTH], secret[-SHOWN_LENGTH:]


def _check_sum(body: str) -> str:
    """Write the CRC-32 (ISO 3309) of a key's body in base62; it finds every single changed character."""
    rest = zlib.crc32(body.encode("ascii"))
    digits = ""
    for _place in range(CHECK_LENGTH):
        rest, digit = divmod(rest, len(BASE62))
        digits = BASE62[digit] + digits
    return digits
