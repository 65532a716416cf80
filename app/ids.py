"""Ids: UUIDv7 inside, opaque global ids on the wire (`mem_…`), so that a `node` look-up knows the kind."""

from uuid import UUID

from uuid_utils.compat import uuid7

from app.errors import NotFound

KINDS = {
    "account": "acc",
    "user": "usr",
    "member": "mem",
    "invitation": "inv",
    "audit_event": "aud",
    "api_key": "key",
    "management_key": "mgk",
    "usage_record": "use",
    "ledger_entry": "led",
    "hold": "hld",
    "top_up": "top",
    "invoice": "ivc",
    "balance_alert": "alt",
    "export": "exp",
}
_PREFIXES = {prefix: kind for kind, prefix in KINDS.items()}
_HEX = frozenset("0123456789abcdef")
_DIGITS = 32


def new_id() -> UUID:
    """Make a fresh id that sorts by time."""
    return uuid7()


def wire_id(kind: str, value: UUID) -> str:
    """Write an id for the outside."""
    return f"{KINDS[kind]}_{value.hex}"


def read_wire_id(text: str) -> tuple[str, UUID] | None:
    """Read any global id as (kind, id); None for what no id of ours looks like."""
    prefix, _, digits = text.partition("_")
    if prefix not in _PREFIXES or len(digits) != _DIGITS or not _HEX.issuperset(digits):
        return None
    return _PREFIXES[prefix], UUID(digits)


def id_of(kind: str, text: str) -> UUID:
    """Read a global id of one kind. Raises `NotFound`, since an id of another kind names nothing here."""
    found = read_wire_id(text)
    if found is None or found[0] != kind:
        raise NotFound
    return found[1]
