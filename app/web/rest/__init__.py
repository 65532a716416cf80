"""The finance window: balance, usage, ledger, invoices and members over REST, for management keys."""

from starlette.routing import BaseRoute, Route

from app.settings import Settings
from app.web.openapi import Document
from app.web.rest import balance, invoices, ledger, members, usage
from app.web.rest.window import Window


def routes(settings: Settings) -> list[BaseRoute]:
    """List what is served."""
    return [
        Route("/balance", Window(balance.show, with_balance=True)),
        Route("/usage", Window(usage.show)),
        Route("/ledger", Window(ledger.show)),
        Route("/invoices", Window(invoices.show)),
        Route("/members", Window(members.show)),
        Route("/openapi.json", Document(settings).show),
    ]
