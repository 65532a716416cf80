"""Addresses as people paste them, and what is said of each before it is sent."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from app.errors import AlreadyMember, CapReached, Invalid
from app.resolvers.invitations import InviteOutcome
from app.text import fold_email
from app.web.words import counted

# Between separators; a name in quotes may hold one: "Doe, Jane" <jane@acme.example>.
_PIECE = re.compile(r'(?:"[^"\n]*"|[^,;\n])+')
_IN_BRACKETS = re.compile(r"<\s*([^<>\s]+@[^<>\s]+)\s*>")
_HALF_BRACKET = re.compile(r"^[^<>]*<[^<>]*$")
REFUSED = {
    AlreadyMember.code: "is a member already",
    CapReached.code: "was not invited: the limit of waiting invitations or members is reached",
    Invalid.code: "is no e-mail address",
}
ONESELF = "is your own address"


def addresses(text: str) -> list[str]:
    """Take addresses out of what somebody pasted, each once, in their order."""
    found: dict[str, str] = {}
    for piece in _PIECE.findall(text):
        for one in _of_piece(piece.strip()):
            found.setdefault(fold_email(one), one)
    return list(found.values())


def _of_piece(piece: str) -> list[str]:
    """Take one line or entry apart: "Jane <jane@acme.example>", addresses apart by spaces, cells of a sheet."""
    bracketed = _IN_BRACKETS.findall(piece)
    words = _IN_BRACKETS.sub(" ", piece).split()
    if bracketed:
        return bracketed + [word for word in words if "@" in word]
    if not piece or _HALF_BRACKET.match(piece) or "@" not in piece:
        return [piece] if piece else []
    # The other cells of a sheet's row are names and the like.
    return [word for word in words if "@" in word] if "\t" in piece else words


def unfinished(text: str) -> str:
    """Give the entry at the end that somebody may still be typing; empty where a separator has ended it."""
    last = re.split(r"[,;\n]", text)[-1]
    found = _of_piece(last.strip())
    ended = last[-1:].isspace() and "@" in last
    return "" if ended or not found else found[-1]


def without(text: str, email: str) -> str:
    """Write the addresses of a text again, all but one, ready for the next."""
    kept = [one for one in addresses(text) if fold_email(one) != fold_email(email)]
    return "".join(f"{one}\n" for one in kept)


@dataclass(frozen=True, slots=True)
class Chip:
    """An address, what would become of it, and where the focus goes when it is taken away."""

    email: str
    words: str
    style: str
    after: str


def chips(outcomes: Sequence[InviteOutcome], typing: str, own: str) -> list[Chip]:
    """Say of each address what would become of it; `typing` may still become one, `own` is the viewer's."""
    said = [_said(one, typing, own) for one in outcomes]
    last = len(said) - 1
    return [
        # The next one stands in its place then, and before the first one is the entry.
        Chip(one.email, words, style, f"#chip-{min(n, last - 1)}" if last else "#field-emails")
        for n, (one, (words, style)) in enumerate(zip(outcomes, said, strict=True))
    ]


def _said(outcome: InviteOutcome, typing: str, own: str) -> tuple[str, str]:
    if outcome.code == Invalid.code:
        if outcome.email == typing:
            return "is no e-mail address yet", "calm"
        return REFUSED[Invalid.code], "bad"
    if outcome.code == CapReached.code:
        return "is beyond the limit of waiting invitations or members", "bad"
    if outcome.code is not None:
        return refused(outcome, own), "bad"
    if outcome.again:
        return "was invited before: gets a new letter", "warn"
    return "", "good"


def refused(outcome: InviteOutcome, own: str) -> str:
    """Say why an address is not invited; `own` is the folded address of who invites."""
    if outcome.code == AlreadyMember.code and fold_email(outcome.email) == own:
        return ONESELF
    return REFUSED[outcome.code or Invalid.code]


def summary(shown: Sequence[Chip]) -> str:
    """Say of all of them in a sentence how many there are, and who cannot be invited."""
    if not shown:
        return ""
    cannot = [one for one in shown if one.style == "bad"]
    total = counted(len(shown), "address", "addresses")
    if not cannot:
        return f"{total}."
    if len(cannot) > 1:
        return f"{total}. {len(cannot)} of them cannot be invited."
    return f"{total}. {cannot[0].email} {cannot[0].words}."
