"""Mail: one letter, as text and HTML, by SMTP."""

from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from urllib.parse import unquote, urlsplit

import aiosmtplib

from app.settings import Settings

SECONDS = 20
FINAL = 500


class MailRefused(Exception):
    """The mail server will never take this letter; anything else that is raised may pass."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter to one address."""

    recipient: str
    subject: str
    text: str
    html: str


class Mailer:
    """The mail server of the settings; in the sandbox, unless one is set, the sandbox's own."""

    def __init__(self, settings: Settings, sandbox_url: str = "") -> None:
        given: object = settings.smtp_url
        address = given if isinstance(given, str) else settings.smtp_url.get_secret_value()
        self._url = urlsplit(address or sandbox_url)
        self._from = settings.mail_from

    async def send(self, letter: Letter) -> None:
        """Send a letter. Raises `MailRefused` for good, other errors when it may be tried again."""
        message = EmailMessage()
        try:
            message["From"] = self._from
            message["To"] = letter.recipient
            message["Subject"] = letter.subject
        except ValueError as error:
            raise MailRefused from error
        message["Date"] = formatdate(usegmt=True)
        message["Message-ID"] = make_msgid(domain="r9s.invalid")
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(letter.text)
        message.add_alternative(letter.html, subtype="html")
        secure = self._url.scheme == "smtps"
        try:
            await aiosmtplib.send(
                message,
                hostname=self._url.hostname,
                port=self._url.port or (465 if secure else 587),
                username=unquote(self._url.username) if self._url.username else None,
                password=unquote(self._url.password) if self._url.password else None,
                use_tls=secure,
                timeout=SECONDS,
            )
        except aiosmtplib.SMTPRecipientsRefused as error:
            if all(one.code >= FINAL for one in error.recipients):
                raise MailRefused from error
            raise
        except aiosmtplib.SMTPResponseException as error:
            if error.code >= FINAL and not isinstance(error, aiosmtplib.SMTPAuthenticationError):
                raise MailRefused from error
            raise
