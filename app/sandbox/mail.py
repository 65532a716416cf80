"""A stand-in mailbox: an SMTP server on loopback, and pages to read what it took."""

import re
import socket
from collections import deque
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from typing import Any

from aiosmtpd.controller import Controller
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from app.errors import NotFound
from app.sandbox.pages import page, style_sheet
from app.settings import Settings

KEPT = 200
MOST_BYTES = 1_048_576
STYLE = "/sandbox/mail/style.css"
# What ends a sentence belongs to no link.
LINK = re.compile(r"https?://[^\s<>\"]*[^\s<>\".,;:!?)\]]")
UNREADABLE = "(This part cannot be read.)"


@dataclass(frozen=True, slots=True)
class Received:
    """A letter as it came."""

    id: int
    to: str
    sender: str
    subject: str
    date: str
    text: str
    html: str
    links: list[str] = field(default_factory=list)

    def parts(self) -> list[tuple[str, bool]]:
        """Cut the text into what is a link and what is not."""
        cut, at = [], 0
        for found in LINK.finditer(self.text):
            cut += [(self.text[at : found.start()], False), (found.group(), True)]
            at = found.end()
        return [*cut, (self.text[at:], False)]


class _Handler:
    def __init__(self, kept: deque[Received]) -> None:
        self._kept = kept
        self._count = 0

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        """Keep a letter."""
        message: Any = message_from_bytes(envelope.content, policy=policy.default)
        text = _body_of(message, "plain")
        self._count += 1
        self._kept.appendleft(
            Received(
                self._count,
                ", ".join(envelope.rcpt_tos),
                _header_of(message, "From"),
                _header_of(message, "Subject"),
                _header_of(message, "Date"),
                text,
                _body_of(message, "html"),
                LINK.findall(text),
            )
        )
        return "250 OK"


def _header_of(message: Any, name: str) -> str:
    try:
        return str(message[name] or "")
    except (ValueError, LookupError, AttributeError):
        return UNREADABLE


def _body_of(message: Any, kind: str) -> str:
    try:
        part = message.get_body((kind,))
        return str(part.get_content()) if part else ""
    except (ValueError, LookupError, AttributeError):
        # A mail program shows the rest of a broken letter too.
        return UNREADABLE


class Mailbox:
    """The last 200 letters, in memory."""

    def __init__(self, settings: Settings) -> None:
        self._kept: deque[Received] = deque(maxlen=KEPT)
        self._port = settings.sandbox_smtp_port
        self._controller: Controller | None = None

    @property
    def smtp_url(self) -> str:
        """Where letters are taken."""
        return f"smtp://127.0.0.1:{self._port}" if self._controller else ""

    def start(self) -> None:
        """Listen."""
        # aiosmtpd visits its own port to see that it is up, so the port is chosen here.
        self._port = self._port or _free_port()
        self._controller = Controller(
            _Handler(self._kept),
            hostname="127.0.0.1",
            port=self._port,
            data_size_limit=MOST_BYTES,
            enable_SMTPUTF8=True,
        )
        self._controller.start()

    def stop(self) -> None:
        """Listen no more."""
        if self._controller is not None:
            self._controller.stop()

    def routes(self) -> list[BaseRoute]:
        """List what is served."""
        return [
            Route("/sandbox/mail", self.index),
            Route("/sandbox/mail.json", self.as_json),
            Route("/sandbox/mail/style.css", style_sheet),
            Route("/sandbox/mail/{id:int}", self.letter),
        ]

    def _to(self, request: Request) -> list[Received]:
        wanted = request.query_params.get("to", "").strip().casefold()
        # Letters arrive in another thread: what is shown is a copy.
        kept = tuple(self._kept)
        return [one for one in kept if not wanted or wanted in one.to.casefold().split(", ")]

    async def index(self, request: Request) -> Response:
        """List letters, newest first; `?to=` an address."""
        if "application/json" in request.headers.get("accept", ""):
            return await self.as_json(request)
        to = request.query_params.get("to", "")
        return page("mailbox.html", STYLE, letters=self._to(request), to=to)

    async def as_json(self, request: Request) -> Response:
        """Give letters to scripts."""
        names = ("id", "to", "sender", "subject", "date", "text", "html", "links")
        letters = [{name: getattr(one, name) for name in names} for one in self._to(request)]
        return JSONResponse({"letters": letters}, headers={"Cache-Control": "no-store"})

    async def letter(self, request: Request) -> Response:
        """Show one letter: its text, with working links. Raises `NotFound`."""
        wanted = request.path_params["id"]
        found = next((one for one in tuple(self._kept) if one.id == wanted), None)
        if found is None:
            raise NotFound
        return page("letter.html", STYLE, letter=found)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
