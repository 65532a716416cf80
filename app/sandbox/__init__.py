"""The sandbox: local stand-ins for the hosted services, speaking the same protocols."""

from functools import partial

from starlette.routing import BaseRoute, Mount

from app.database import Database
from app.resolvers import sessions
from app.sandbox.identity import Issuer
from app.sandbox.mail import Mailbox
from app.seats import Viewer
from app.settings import Settings


class Sandbox:
    """The stand-ins of one process, on loopback only (the settings see to that)."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._issuer = Issuer(settings, f"{settings.base_url}/sandbox/identity")
        self._mailbox = Mailbox(settings)

    @property
    def smtp_url(self) -> str:
        """Where the mailbox takes letters, once it has started."""
        return self._mailbox.smtp_url

    def routes(self) -> list[BaseRoute]:
        """List what is served."""
        return [
            Mount("/sandbox/identity", routes=self._issuer.routes()),
            *self._mailbox.routes(),
        ]

    def start(self, database: Database) -> None:
        """Take letters; tell the time as the database does."""
        self._issuer.clock = partial(sessions.clock, Viewer(database, self._settings))
        self._mailbox.start()

    def stop(self) -> None:
        """Take no more letters."""
        self._mailbox.stop()
