"""Secrets that we hand out: how they are made, checked and hashed."""

import base64
import binascii
import hashlib
import hmac
from uuid import UUID

MAC_BYTES = 20
ID_BYTES = 16


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
