"""The sandbox's mailbox: takes letters by SMTP, shows them as text, and keeps two hundred."""

import smtplib
from collections.abc import Iterator
from email.message import EmailMessage

import httpx2
import pytest
from starlette.applications import Starlette

from app.sandbox.mail import KEPT, Mailbox
from app.settings import Settings
from tests.integrations.serving import listening, serving

HOSTILE = "<script>alert(1)</script>"


class Post:
    """A mailbox that is served: how to write to it and to read it."""

    def __init__(self, mailbox: Mailbox, url: str) -> None:
        self.mailbox = mailbox
        self.url = url

    def get(self, path: str, **given: object) -> httpx2.Response:
        """Visit a page."""
        return httpx2.get(self.url + path, timeout=30, **given)

    def letters(self, to: str = "") -> list[dict]:
        """Read the letters as a script does."""
        return list(self.get("/sandbox/mail.json", params={"to": to}).json()["letters"])

    def send(self, *letters: bytes, to: tuple[str, ...] = ("ann@example.com",)) -> None:
        """Send letters over SMTP, byte by byte as they are."""
        host, port = self.mailbox.smtp_url.removeprefix("smtp://").split(":")
        with smtplib.SMTP(host, int(port)) as smtp:
            for letter in letters:
                smtp.sendmail("r9s@example.com", to, letter)


def letter(subject: str = "Hello", text: str = "Text", html: str = "<p>Text</p>") -> bytes:
    """Write a letter as the mailer does."""
    message = EmailMessage()
    message["From"], message["To"] = "R9S <r9s@example.com>", "ann@example.com"
    message["Subject"], message["Date"] = subject, "Tue, 24 Nov 2026 12:00:00 GMT"
    message.set_content(text)
    message.add_alternative(html, subtype="html")
    return bytes(message)


@pytest.fixture
def post() -> Iterator[Post]:
    """Serve a mailbox."""
    mailbox, port = Mailbox(Settings(_env_file=None)), listening()
    mailbox.start()
    try:
        with serving(Starlette(routes=mailbox.routes()), port):
            yield Post(mailbox, f"http://127.0.0.1:{port.getsockname()[1]}")
    finally:
        mailbox.stop()


def test_a_letter_is_shown_with_its_links(post: Post) -> None:
    post.send(
        letter(
            text="Accept: https://r9s.example/invitations/abc?x=1&y=2.\nBye (https://b.example)."
        )
    )
    (one,) = post.letters()
    assert one["links"] == ["https://r9s.example/invitations/abc?x=1&y=2", "https://b.example"]
    assert (one["to"], one["subject"]) == ("ann@example.com", "Hello")
    assert "<p>Text</p>" in one["html"]
    page = post.get(f"/sandbox/mail/{one['id']}").text
    assert 'href="https://r9s.example/invitations/abc?x=1&amp;y=2"' in page
    assert 'href="https://b.example"' in page


def test_hostile_letters_are_text(post: Post) -> None:
    post.send(
        letter(HOSTILE, f"{HOSTILE} javascript:alert(1) https://x.example/{HOSTILE}", HOSTILE)
    )
    (one,) = post.letters()
    for path in ("/sandbox/mail", f"/sandbox/mail/{one['id']}"):
        page = post.get(path).text
        assert HOSTILE not in page
        assert "&lt;script&gt;" in page
        assert 'href="javascript' not in page
    assert HOSTILE not in post.get("/sandbox/mail", params={"to": HOSTILE}).text


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"no header at all",
        b"Subject: =?utf-8?b?!!!?=\r\n\r\nx",
        b"Subject: x\r\nContent-Type: text/plain; charset=nonsense\r\n\r\nx",
        b"Subject: x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\xff\xfe",
        b"Subject: x\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n\r\n",
        b"Subject: x\r\nContent-Type: multipart/mixed\r\n\r\nx",
        b"Subject: x\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!",
        b"From: <<<\r\nTo: >>>\r\nDate: yesterday\r\nSubject:\r\n\r\nx",
        b"Content-Type: message/rfc822\r\n\r\nx",
    ],
)
def test_a_broken_letter_is_shown_as_far_as_it_goes(post: Post, raw: bytes) -> None:
    post.send(raw)
    (one,) = post.letters()
    assert post.get(f"/sandbox/mail/{one['id']}").status_code == 200
    assert post.get("/sandbox/mail").status_code == 200


def test_letters_are_found_by_their_address(post: Post) -> None:
    post.send(letter("for Ann"))
    post.send(letter("for both"), to=("bob@example.com", "Ann@Example.com"))
    assert [one["subject"] for one in post.letters("ANN@example.com ")] == ["for both", "for Ann"]
    assert [one["subject"] for one in post.letters("bob@example.com")] == ["for both"]
    assert post.letters("example.com") == []
    page = post.get("/sandbox/mail", params={"to": "bob@example.com"}).text
    assert "for both" in page
    assert "for Ann" not in page
    assert "No letters to this address" in post.get("/sandbox/mail?to=nobody").text


def test_a_script_gets_json_by_asking_for_it(post: Post) -> None:
    post.send(letter())
    answer = post.get("/sandbox/mail", headers={"Accept": "application/json"})
    assert [one["subject"] for one in answer.json()["letters"]] == ["Hello"]
    assert answer.headers["cache-control"] == "no-store"
    assert post.get("/sandbox/mail").headers["content-type"].startswith("text/html")


def test_two_hundred_letters_are_kept(post: Post) -> None:
    post.send(*(letter(f"number {number}") for number in range(KEPT + 5)))
    kept = post.letters()
    assert (len(kept), kept[0]["subject"], kept[-1]["subject"]) == (
        200,
        "number 204",
        "number 5",
    )


def test_a_huge_letter_is_not_kept(post: Post) -> None:
    with pytest.raises(smtplib.SMTPException):
        post.send(letter(text="x" * 70 + "\n") + b"x" * 70 * 20_000)
    assert post.letters() == []
