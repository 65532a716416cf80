"""The stand-in issuer's people: any address is somebody, and the same one after every start."""

import hashlib
from typing import Any

from app.text import seen_text

MOST_PEOPLE = 10_000
# The demo's people under the names that they have there: signing in must rename nobody.
DEMO = {
    "jane@acme.example": "Jane Miller",
    "adam@acme.example": "Adam Osei",
    "priya@acme.example": "Priya Raman",
    "tomas@acme.example": "Tomás Herrera",
    "yuki@acme.example": "Yuki Tanaka",
    "lena@acme.example": "Lena Vogt",
    "chidi@acme.example": "Chidi Eze",
    "marta@acme.example": "Marta Kowalska",
    "seun@acme.example": "Oluwaseun Adeyemi",
    "ingrid@acme.example": "Ingrid Sørensen",
    "noor@acme.example": "Noor Haddad",
}


def subject_of(email: str) -> str:
    """Name a person for ever: the same address is the same person after every start."""
    return hashlib.sha256(email.strip().casefold().encode()).hexdigest()[:32]


class People:
    """Who has signed in at this issuer, the last ten thousand."""

    def __init__(self) -> None:
        self._known: dict[str, dict[str, Any]] = {}

    def remember(self, email: str, name: str, *, verified: bool) -> dict[str, Any]:
        """Take somebody in, by the name given now, or before, or made of the address; give their claims."""
        subject = subject_of(email)
        known = self._known.pop(subject, {})
        words = email.split("@", maxsplit=1)[0].replace(".", " ").replace("_", " ").title()
        claims = {
            "sub": subject,
            "email": email,
            "email_verified": verified,
            "name": seen_text(name) or known.get("name") or DEMO.get(email.casefold(), words),
        }
        while len(self._known) >= MOST_PEOPLE:
            self._known.pop(next(iter(self._known)))
        self._known[subject] = claims
        return claims

    def claims_of(self, subject: str) -> dict[str, Any]:
        """Tell what is known of somebody; of a stranger the subject alone."""
        return self._known.get(subject, {"sub": subject})
