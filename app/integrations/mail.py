"""Mail: one letter, as text and HTML, by SMTP."""

import asyncio
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formatdate, make_msgid, parseaddr
from urllib.parse import unquote, urlsplit

import aiosmtplib
from email_validator import EmailNotValidError, validate_email

from app.settings import LOOPBACK, Settings

SECONDS = 20
SECONDS_IN_ALL = 60
FINAL = 500
SUBMISSION, SUBMISSION_OVER_TLS = 587, 465


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
        url = urlsplit(address or sandbox_url)
        self._host, self._secure = url.hostname, url.scheme == "smtps"
        self._port = url.port or (SUBMISSION_OVER_TLS if self._secure else SUBMISSION)
        self._username = unquote(url.username) if url.username else None
        self._password = unquote(url.password) if url.password else None
        self._from = settings.mail_from

    async def send(self, letter: Letter) -> None:
        """Send a letter. Raises `MailRefused` for good, other errors when it may be tried again.

        Only what the server says of this letter or its recipient is for good: a sender, a password or
        a server that is wrong can be mended while the letter waits.
        """
        recipient = _address_of(letter.recipient)
        message = self._message(letter, recipient)
        try:
            async with asyncio.timeout(SECONDS_IN_ALL):
                await aiosmtplib.send(
                    message,
                    sender=parseaddr(self._from)[1],
                    recipients=[recipient],
                    hostname=self._host,
                    port=self._port,
                    username=self._username,
                    password=self._password,
                    use_tls=self._secure,
                    start_tls=self._start_tls,
                    timeout=SECONDS,
                )
        except aiosmtplib.SMTPRecipientsRefused as error:
            if all(one.code >= FINAL for one in error.recipients):
                raise MailRefused from error
            raise
        except aiosmtplib.SMTPDataError as error:
            if error.code >= FINAL:
                raise MailRefused from error
            raise

    @property
    def _start_tls(self) -> bool | None:
        """Ask for TLS where it is offered; where a password is sent to another machine, insist on it."""
        if self._secure:
            return False
        return True if self._username and self._host not in LOOPBACK else None

    def _message(self, letter: Letter, recipient: str) -> EmailMessage:
        message = EmailMessage()
        try:
            message["From"] = self._from
            # Not as one text: the library's parser knows no address beyond ASCII.
            name, _, domain = recipient.rpartition("@")
            message["To"] = Address(username=name, domain=domain)
            message["Subject"] = letter.subject
        except (ValueError, LookupError) as error:
            raise MailRefused from error
        message["Date"] = formatdate(usegmt=True)
        own_domain = parseaddr(self._from)[1].rpartition("@")[2]
        message["Message-ID"] = make_msgid(domain=own_domain or "r9s.invalid")
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(letter.text)
        message.add_alternative(letter.html, subtype="html")
        return message


def _address_of(recipient: str) -> str:
    """Write an address as mail servers read it, its domain in ASCII. Raises `MailRefused` for what is not one address."""
    try:
        found = validate_email(recipient, check_deliverability=False, test_environment=True)
    except EmailNotValidError as error:
        raise MailRefused from error
    return f"{found.local_part}@{found.ascii_domain}"
