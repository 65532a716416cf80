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
from app.sandbox.pages import page
from app.settings import Settings

KEPT = 200
STYLE = "/sandbox/identity/style.css"
LINK = re.compile(r"https?://[^\s<>\"]+")


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
        bodies = {kind: message.get_body((kind,)) for kind in ("plain", "html")}
        text, html = (part.get_content() if part else "" for part in bodies.values())
        self._count += 1
        self._kept.appendleft(
            Received(
                self._count,
                ", ".join(envelope.rcpt_tos),
                str(message["From"]),
                str(message["Subject"]),
                str(message["Date"]),
                text,
                html,
                LINK.findall(text),
            )
        )
        return "250 OK"


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
        self._controller = Controller(_Handler(self._kept), hostname="127.0.0.1", port=self._port)
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
            Route("/sandbox/mail/{id:int}", self.letter),
        ]

    def _to(self, request: Request) -> list[Received]:
        wanted = request.query_params.get("to", "").strip().casefold()
        return [one for one in self._kept if not wanted or wanted == one.to.casefold()]

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
        found = next((one for one in self._kept if one.id == wanted), None)
        if found is None:
            raise NotFound
        return page("letter.html", STYLE, letter=found)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
