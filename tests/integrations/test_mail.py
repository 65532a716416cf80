"""The mailer in real SMTP conversations: what arrives, and what a failure means."""

import socket
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import aiosmtplib
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from pydantic import SecretStr

from app.integrations.mail import Letter, Mailer, MailRefused
from app.settings import Settings

LETTER = Letter(
    "ann@example.com", "Join Acme", "Hello Ann,\n\nhttps://r9s.example/x\n", "<p>Hello Ann</p>"
)
INJECTED = "\r\nBcc: evil@example.com"


class Post:
    """A mail server that answers each step as told, and keeps what it takes."""

    def __init__(self) -> None:
        self.taken: list[tuple[EmailMessage, list[str], str]] = []
        self.raw: list[bytes] = []
        self.sender = self.recipient = self.data = "250 OK"
        self.logins: list[tuple[bytes, bytes]] = []

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, _s: Any, _session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        """Hear who sends."""
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return self.sender

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _s: Any, _session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        """Hear to whom."""
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return self.recipient

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        """Take a letter."""
        if self.data.startswith("250"):
            message = message_from_bytes(envelope.content, policy=policy.default)
            self.raw.append(envelope.content)
            self.taken.append((message, list(envelope.rcpt_tos), envelope.mail_from))
        return self.data

    def authenticator(
        self, _s: Any, _session: Any, _envelope: Any, _how: str, given: Any
    ) -> AuthResult:
        """Take one password."""
        self.logins.append((given.login, given.password))
        return AuthResult(success=given.password == b"p@ss:word", handled=False)


def free_port() -> int:
    """Find a free port of loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def post() -> Iterator[tuple[Post, int]]:
    """Run a mail server on loopback."""
    handler, port = Post(), free_port()
    controller = Controller(
        handler,
        hostname="127.0.0.1",
        port=port,
        enable_SMTPUTF8=True,
        authenticator=handler.authenticator,
        auth_require_tls=False,
    )
    controller.start()
    yield handler, port
    controller.stop()


def mailer(port: int, login: str = "", **given: object) -> Mailer:
    """Make a mailer that talks to it."""
    url = SecretStr(f"smtp://{login}127.0.0.1:{port}")
    return Mailer(Settings(_env_file=None, smtp_url=url, **given))


Server = tuple[Post, int]


async def test_a_letter_arrives_as_text_and_html(post: Server) -> None:
    await mailer(post[1]).send(LETTER)
    ((message, recipients, sender),) = post[0].taken
    assert (recipients, sender) == (["ann@example.com"], "no-reply@r9s.example")
    assert message["From"] == "R9S <no-reply@r9s.example>"
    assert message["To"] == "ann@example.com"
    assert message["Subject"] == "Join Acme"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Message-ID"].endswith("@r9s.example>")
    assert message["Date"]
    assert message.get_content_type() == "multipart/alternative"
    text, html = (message.get_body((kind,)).get_content() for kind in ("plain", "html"))
    assert text.splitlines() == LETTER.text.splitlines()
    assert html.strip() == LETTER.html


async def test_every_script_arrives(post: Server) -> None:
    words = "Grüße, 組織 \N{ROCKET} עברית"
    await mailer(post[1]).send(Letter("ann@example.com", words, words * 40, f"<p>{words}</p>"))
    ((message, *_rest),) = post[0].taken
    assert message["Subject"] == words
    assert message.get_body(("plain",)).get_content().strip() == words * 40
    assert words in message.get_body(("html",)).get_content()
    assert max(len(line) for line in post[0].raw[0].splitlines()) <= 998


async def test_a_line_that_is_a_dot_ends_nothing(post: Server) -> None:
    text = "first\n.\nQUIT\n..\nlast\n"
    await mailer(post[1]).send(Letter("ann@example.com", "Dots", text, "<p>.</p>"))
    ((message, *_rest),) = post[0].taken
    assert message.get_body(("plain",)).get_content().splitlines() == text.splitlines()


@pytest.mark.parametrize(
    ("given", "reached"),
    [
        ("ann@münchen.example", "ann@xn--mnchen-3ya.example"),
        ("jürgen@example.com", "jürgen@example.com"),
        ("o'brien+r9s@example.com", "o'brien+r9s@example.com"),
    ],
)
async def test_an_address_reaches_the_server_as_servers_read_it(
    post: Server, given: str, reached: str
) -> None:
    await mailer(post[1]).send(Letter(given, "Hello", "x", "x"))
    assert post[0].taken[0][1] == [reached]


@pytest.mark.parametrize(
    "recipient",
    [
        "ann@example.com, bob@example.com",
        "ann@example.com" + INJECTED,
        "ann@example.com\r\nDATA",
        "Ann <ann@example.com>",
        "ann@example.com> SIZE=1 RCPT TO:<bob@example.com",
        "ann",
        "",
        "@",
        "ann@exam\0ple.com",
    ],
)
async def test_what_is_not_one_address_gets_no_letter(post: Server, recipient: str) -> None:
    with pytest.raises(MailRefused):
        await mailer(post[1]).send(Letter(recipient, "Hello", "x", "x"))
    assert post[0].taken == []


async def test_a_subject_adds_no_header(post: Server) -> None:
    with pytest.raises(MailRefused):
        await mailer(post[1]).send(Letter("ann@example.com", "Join" + INJECTED, "x", "x"))
    assert post[0].taken == []


async def test_a_body_adds_no_header(post: Server) -> None:
    body = INJECTED + "\r\n\r\n--boundary\r\n"
    await mailer(post[1]).send(Letter("ann@example.com", "Join", body, body))
    ((message, recipients, _sender),) = post[0].taken
    assert message["Bcc"] is None
    assert recipients == ["ann@example.com"]


@pytest.mark.parametrize("step", ["recipient", "data"])
@pytest.mark.parametrize("answer", ["550 no such user", "554 no"])
async def test_a_letter_that_is_never_taken_is_given_up(
    post: Server, step: str, answer: str
) -> None:
    setattr(post[0], step, answer)
    with pytest.raises(MailRefused):
        await mailer(post[1]).send(LETTER)


@pytest.mark.parametrize(
    ("step", "answer"),
    [
        ("recipient", "450 mailbox busy"),
        ("data", "451 try later"),
        ("data", "421 closing"),
        ("sender", "451 try later"),
        # A sender or a password that is wrong is the operator's to mend; the letter waits.
        ("sender", "550 this sender may not send"),
        ("sender", "530 authentication required"),
    ],
)
async def test_a_letter_that_may_be_taken_later_is_not_given_up(
    post: Server, step: str, answer: str
) -> None:
    setattr(post[0], step, answer)
    with pytest.raises(aiosmtplib.SMTPException):
        await mailer(post[1]).send(LETTER)
    setattr(post[0], step, "250 OK")
    await mailer(post[1]).send(LETTER)
    assert len(post[0].taken) == 1


async def test_a_server_that_is_not_there_may_come_back() -> None:
    with pytest.raises(aiosmtplib.SMTPConnectError):
        await mailer(free_port()).send(LETTER)


async def test_a_password_is_read_from_the_address(post: Server) -> None:
    await mailer(post[1], "user%40example.com:p%40ss%3Aword@").send(LETTER)
    assert post[0].logins == [(b"user@example.com", b"p@ss:word")]
    assert len(post[0].taken) == 1


async def test_a_wrong_password_is_not_the_letters_fault(post: Server) -> None:
    with pytest.raises(aiosmtplib.SMTPAuthenticationError):
        await mailer(post[1], "user:wrong@").send(LETTER)
    assert post[0].taken == []


@pytest.mark.parametrize(
    ("url", "secure", "start_tls"),
    [
        ("smtps://u:p@mail.example", True, False),
        ("smtp://u:p@mail.example", False, True),
        ("smtp://mail.example", False, None),
        ("smtp://u:p@127.0.0.1:25", False, None),
    ],
)
def test_a_password_leaves_this_machine_by_tls_only(
    url: str, *, secure: bool, start_tls: bool | None
) -> None:
    one = Mailer(Settings(_env_file=None, smtp_url=SecretStr(url)))
    assert (one._secure, one._start_tls) == (secure, start_tls)


async def test_a_server_without_tls_hears_no_password(
    post: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Loopback taken for another machine: the test server offers no TLS.
    monkeypatch.setattr("app.integrations.mail.LOOPBACK", frozenset())
    with pytest.raises(aiosmtplib.SMTPException):
        await mailer(post[1], "user:p%40ss%3Aword@").send(LETTER)
    assert post[0].logins == []
    assert post[0].taken == []
