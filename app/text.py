"""Texts that people type: cleaned for storing, folded for comparing."""

import re
import unicodedata

from email_validator import EmailNotValidError, validate_email

from app.errors import Invalid

NAME_LENGTH = 80
TAG_LENGTH = 64
EMAIL_LENGTH = 254
SEARCH_LENGTH = 100

# Controls, private-use and unassigned characters, and the format characters (bidi overrides
# among them) that make a text look like another one.
_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def fold(text: str) -> str:
    """Make a text comparable and sortable: no case, no accents, single spaces."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return " ".join(bare.casefold().split())


def fold_email(email: str) -> str:
    """Make addresses comparable: trimmed and case-folded, nothing else (PRODUCT.md, invitation)."""
    return email.strip().casefold()


def clean_name(text: str, field: str = "name") -> str:
    """Check a name that a person typed. Raises `Invalid` for what cannot be seen, is empty or too long."""
    return _clean(text, field, "name", NAME_LENGTH)


def clean_tag(text: str, field: str = "tag") -> str:
    """Check a tag as `clean_name` does a name. Raises `Invalid`."""
    return _clean(text, field, "tag", TAG_LENGTH)


def _clean(text: str, field: str, what: str, most: int) -> str:
    cleaned = re.sub(r"\s+", " ", unicodedata.normalize("NFC", text[: most * 20])).strip()
    if not fold(cleaned):
        raise Invalid(**{field: f"Write a {what}."})
    if len(cleaned) > most or len(text) > most * 20:
        raise Invalid(**{field: f"A {what} has at most {most} characters."})
    if any(unicodedata.category(c) in _UNSEEN for c in cleaned):
        raise Invalid(**{field: f"A {what} has visible characters only."})
    return cleaned


def clean_email(text: str, *, test_addresses: bool) -> str:
    """Check an e-mail address, trimmed. Raises `Invalid`. `test_addresses` lets reserved domains pass."""
    try:
        # What is far too long is cut, and then refused as too long.
        found = validate_email(
            text[: EMAIL_LENGTH * 4].strip(),
            check_deliverability=False,
            test_environment=test_addresses,
        )
    except EmailNotValidError:
        raise Invalid(email="This is no e-mail address.") from None
    return found.normalized


def search_text(text: str | None) -> str:
    """Fold what someone searches for; empty when there is nothing to search."""
    if not text:
        return ""
    if len(text) > SEARCH_LENGTH:
        raise Invalid(search=f"Search for at most {SEARCH_LENGTH} characters.")
    return fold(text.replace("\0", ""))


def seen_text(text: str) -> str:
    """Keep what can be seen of a name that somebody else's service gives; at most 80 characters."""
    bare = "".join(c for c in unicodedata.normalize("NFC", text[:1000]) if _is_seen(c))
    return " ".join(bare.split())[:NAME_LENGTH].strip()


def _is_seen(character: str) -> bool:
    return character.isspace() or unicodedata.category(character) not in _UNSEEN
