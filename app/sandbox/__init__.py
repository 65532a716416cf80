"""The sandbox: local stand-ins for the hosted services, speaking the same protocols."""

from starlette.routing import BaseRoute, Mount

from app.sandbox.identity import Issuer
from app.sandbox.mail import Mailbox
from app.settings import Settings


class Sandbox:
    """The stand-ins of one process, on loopback only (the settings see to that)."""

    def __init__(self, settings: Settings) -> None:
        self._issuer = Issuer(settings)
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

    def start(self) -> None:
        """Take letters."""
        self._mailbox.start()

    def stop(self) -> None:
        """Take no more letters."""
        self._mailbox.stop()
