"""Usage of the past, brought in by the operator: calls that were made and paid for before this service kept them.

An import has a gateway of its own without any token, so that each of its event ids counts once, for
ever, and that it can be taken up where it stopped.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlmodel import col

from app.access import Actor, system
from app.database import insert_or_ignore, locked
from app.errors import Conflict, NotFound
from app.ledger.posting import post
from app.ledger.wallets import lock_wallet
from app.metering.recording import Usage, book
from app.models import Account, LedgerKind, Transfer
from app.models.metering import Gateway
from app.models.usage import UsageEvent
from app.money import credits_text
from app.text import clean_name


@dataclass(frozen=True, slots=True)
class Import:
    """An import: under which gateway, since when, and how many of its calls are booked."""

    gateway_id: UUID
    begun_at: datetime
    booked: int


@system
async def begin_import(actor: Actor, account_id: UUID, name: str, granted_micro: int) -> Import:
    """Begin an import of this name for one account, or take it up again; the first time grants credits for it.

    Raises `NotFound`, `Invalid`.
    """
    name = clean_name(name)
    await insert_or_ignore(actor.session, Gateway(name=name, created_at=actor.now), ("name",))
    found = select(col(Gateway.id)).where(col(Gateway.name) == name)
    gateway_id: UUID = (await actor.session.execute(found)).scalar_one()
    account = (
        await actor.session.execute(locked(select(Account).where(col(Account.id) == account_id)))
    ).scalar_one_or_none()
    if account is None:
        raise NotFound
    source = f"import:{gateway_id.hex}:{account_id.hex}"
    granted = await post(
        actor.session,
        account_id,
        LedgerKind.GRANT,
        granted_micro,
        source=source,
        description=name,
    )
    if granted is not None:
        after = {"granted": credits_text(granted_micro), "reason": name}
        actor.record(account, name=account.name, account_id=account_id, after=after)
    begun = select(col(Transfer.created_at)).where(col(Transfer.source) == source)
    begun_at = (await actor.session.execute(begun)).scalar_one()
    return Import(gateway_id, begun_at, await _booked(actor, gateway_id))


@system
async def unfinished(actor: Actor, name: str, calls: int) -> bool:
    """Tell whether an import of this name was begun and has booked fewer calls than it has."""
    found = select(col(Gateway.id)).where(col(Gateway.name) == name)
    gateway_id = (await actor.session.execute(found)).scalar_one_or_none()
    return gateway_id is not None and await _booked(actor, gateway_id) < calls


@system
async def import_calls(actor: Actor, begun: Import, calls: Sequence[Usage]) -> Import:
    """Book the calls of one account that come after those booked so far; quotas do not refuse the past.

    Raises `Conflict` where somebody else imports at the same time, or the calls are not this import's.
    """
    accounts = {one.account_id for one in calls}
    if len(accounts) != 1 or {one.gateway_id for one in calls} != {begun.gateway_id}:
        raise Conflict("These calls are of another import, or of several accounts.")
    if await lock_wallet(actor.session, accounts.pop()) is None:
        raise NotFound
    if await _booked(actor, begun.gateway_id) != begun.booked:
        raise Conflict("Somebody else imports the same calls just now.")
    # From here on nothing may refuse.
    await book(actor.session, calls)
    return Import(begun.gateway_id, begun.begun_at, begun.booked + len(calls))


async def _booked(actor: Actor, gateway_id: UUID) -> int:
    statement = select(func.count()).where(col(UsageEvent.gateway_id) == gateway_id)
    count: int = (await actor.session.execute(statement)).scalar_one()
    return count
