"""Letters as text and HTML: rendered when sent, so that an invitation's secret link is stored nowhere."""

from dataclasses import dataclass
from typing import Any

from app.credentials import invitation_token
from app.integrations.mail import Letter
from app.resolvers.letters import DueLetter
from app.settings import Settings
from app.web.pages import ENVIRONMENT

SUBJECT_LENGTH = 150


@dataclass(frozen=True, slots=True)
class _Kind:
    """The subject, and the templates' name."""

    subject: str
    template: str


KINDS = {
    "balance_alert": _Kind("{account_name}: {available} credits left", "balance_alert"),
    "quota_alert": _Kind("{percent} % of your quota in {account_name} is used", "quota_alert"),
    "invitation": _Kind("{inviter_name} invites you to {organization_name}", "invitation"),
    "admin_promoted": _Kind(
        "{member_name} is now an Admin of {organization_name}", "admin_promoted"
    ),
}


def render_letter(settings: Settings, letter: DueLetter) -> Letter:
    """Write a letter. Raises `KeyError` for an unknown kind."""
    kind = KINDS[letter.kind]
    context = {**letter.fields, "link": _link(settings, letter), "days": settings.invitation_days}
    return Letter(
        recipient=letter.recipient,
        subject=_one_line(kind.subject.format_map(letter.fields)),
        text=_body(f"{kind.template}.txt", context),
        html=_body(f"{kind.template}.html", context),
    )


def _body(name: str, context: dict[str, Any]) -> str:
    return ENVIRONMENT.get_template(f"letters/{name}").render(context)


def _link(settings: Settings, letter: DueLetter) -> str:
    if letter.invitation_id is None or letter.invitation_generation is None:
        return settings.base_url + str(letter.fields.get("path", ""))
    token = invitation_token(
        settings.secret_key.get_secret_value(), letter.invitation_id, letter.invitation_generation
    )
    return f"{settings.base_url}/invitations/{token}"


def _one_line(text: str) -> str:
    """A subject is one line, whatever the names in it hold."""
    return " ".join(text.split())[:SUBJECT_LENGTH]
