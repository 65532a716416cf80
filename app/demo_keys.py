"""Keys for a replay in the sandbox: of the demo's people, under one name, with new secrets each time."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlmodel import col

from app.database import Database
from app.demo import ACME, PEOPLE, DemoPerson
from app.errors import Invalid
from app.models import AuditActorKind, User
from app.replay import Access
from app.resolvers import accounts, api_keys, gateways, management_keys, sessions
from app.sandbox.people import subject_of
from app.seats import PERSON_COLUMNS, Viewer, person_from
from app.settings import Settings

NAME = "Replay"
NO_DEMO = "There is no demo whose people make the calls: run `r9s demo` first."
HOLDERS = tuple(one for one in PEOPLE if one.email.split("@")[0] in {"jane", "adam", "yuki"})


async def demo_access(settings: Settings, url: str) -> Access:
    """Make what a replay needs in the demo's organization, in a migrated database; what the last one had ends.

    Raises `Invalid` outside the sandbox, or where there is no demo.
    """
    if not settings.sandbox:
        raise Invalid(key="Give a gateway's token, keys and a management key.")
    database = Database(settings.database_url)
    try:
        at = await sessions.clock(Viewer(database, settings))
        viewers = [await _viewer(database, settings, one, at) for one in HOLDERS]
        names = {seat.name: seat.account_id for seat in await accounts.list_accounts(viewers[0])}
        if ACME not in names:
            raise Invalid(key=NO_DEMO)
        operator = Viewer(database, settings, kind=AuditActorKind.OPERATOR)
        token = await gateways.create_gateway(operator, NAME)
        await gateways.revoke_gateway(operator, NAME, keep_newest=True)
        keys = [await _key(viewer, names[ACME]) for viewer in viewers]
        return Access(url, token, tuple(keys), await _management_key(viewers[0], names[ACME]))
    finally:
        await database.dispose()


async def _viewer(
    database: Database, settings: Settings, person: DemoPerson, at: datetime
) -> Viewer:
    """Find a person of the demo, as if they had just signed in: management keys want that."""
    row = await database.row(
        select(*PERSON_COLUMNS).where(
            col(User.issuer) == settings.oidc_issuer, col(User.subject) == subject_of(person.email)
        )
    )
    if row is None:
        raise Invalid(key=NO_DEMO)
    return Viewer(database, settings, user=person_from(row), signed_in_at=at)


async def _key(viewer: Viewer, account_id: UUID) -> str:
    for row in (await api_keys.list_api_keys(viewer, account_id)).rows:
        if row.name == NAME and row.revoked_at is None:
            return (await api_keys.rotate_api_key(viewer, row.id)).secret
    return (await api_keys.create_api_key(viewer, account_id, NAME)).secret


async def _management_key(viewer: Viewer, account_id: UUID) -> str:
    for row in (await management_keys.list_management_keys(viewer, account_id)).rows:
        if row.name == NAME and row.revoked_at is None:
            return (await management_keys.rotate_management_key(viewer, row.id)).secret
    return (await management_keys.create_management_key(viewer, account_id, NAME)).secret
