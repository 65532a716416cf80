"""Corrections of usage: which record is meant, what is left of its call, and what a correction would make of it."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlmodel import col

from app.database import Session
from app.errors import Conflict, Invalid, NotFound
from app.ids import read_wire_id
from app.ledger.wallets import load_wallets
from app.metering.pricing import Tokens
from app.metering.recording import Usage
from app.models.metering import Gateway
from app.models.usage import UsageEvent, UsageRecord
from app.money import MAX_MICRO, credits_text

PRICE = "correction"
"""By which price a correction is booked."""
MOST_TOKENS = 10**15
_TOKENS = tuple(f"{name}_tokens" for name in Tokens._fields)


@dataclass(frozen=True, slots=True)
class Figures:
    """Tokens and a cost in micro-credits: of a call, or, negative or positive, of what corrects it."""

    tokens: Tokens
    cost_micro: int = 0

    def plus(self, other: "Figures") -> "Figures":
        """Add figures."""
        tokens = (one + its for one, its in zip(self.tokens, other.tokens, strict=True))
        return Figures(Tokens(*tokens), self.cost_micro + other.cost_micro)

    def negative(self) -> "Figures":
        """Turn the sign of each."""
        return Figures(Tokens(*(-one for one in self.tokens)), -self.cost_micro)

    def shown(self) -> dict[str, Any]:
        """Show them as an audit event does."""
        counts = dict(zip(_TOKENS, self.tokens, strict=True))
        return {"cost": credits_text(self.cost_micro), **counts}

    def must_change_something(self) -> None:
        """Refuse a correction of nothing. Raises `Invalid`."""
        if self.cost_micro == 0 and not any(self.tokens):
            raise Invalid(cost="Correct by more or less than nothing.")
        if abs(self.cost_micro) > MAX_MICRO or any(abs(one) > MOST_TOKENS for one in self.tokens):
            raise Invalid(cost="These figures are too large.")

    def must_be_of_a_call(self) -> None:
        """Refuse what no call can have. Raises `Invalid`."""
        shown = zip(("cost", *_TOKENS), (self.cost_micro, *self.tokens), strict=True)
        below = {name: "This takes away more than there is." for name, value in shown if value < 0}
        if below:
            raise Invalid(**below)
        if self.tokens.cached + self.tokens.cache_write > self.tokens.prompt:
            raise Invalid(cached_tokens="Tokens of the cache are part of the prompt's.")
        if self.tokens.reasoning > self.tokens.completion:
            raise Invalid(reasoning_tokens="Tokens of reasoning are part of the completion's.")


async def record_meant(session: Session, name: str, gateway: str | None) -> UsageRecord:
    """Find a record by its event id, or else its own id, and lock its account's wallet.

    Raises `NotFound`; `Conflict` where several gateways have used the event id, or for a correction.
    """
    record_id = await _of_event(session, name, gateway) or _of_itself(name, gateway)
    record = None if record_id is None else await session.get(UsageRecord, record_id)
    if record is None:
        raise NotFound(f"There is no usage record of the event {name}.")
    if record.corrects is not None:
        raise Conflict("This record is a correction itself. Correct the one that it names.")
    await load_wallets(session, [record.account_id])
    return record


async def _of_event(session: Session, event_id: str, gateway: str | None) -> UUID | None:
    # By gateways, since event ids are indexed within each.
    gateways = select(col(Gateway.id))
    if gateway is not None:
        gateways = gateways.where(col(Gateway.name) == gateway)
    statement = select(col(UsageEvent.usage_record_id)).where(
        col(UsageEvent.gateway_id).in_(gateways), col(UsageEvent.event_id) == event_id
    )
    found = list((await session.execute(statement)).scalars())
    if len(found) > 1:
        raise Conflict("Several gateways have used this event id. Name one: --gateway.")
    return found[0] if found else None


def _of_itself(name: str, gateway: str | None) -> UUID | None:
    named = read_wire_id(name) if gateway is None else None
    return named[1] if named is not None and named[0] == UsageRecord.KIND else None


async def left_of(session: Session, record: UsageRecord) -> Figures:
    """Sum a record and its corrections so far. Its wallet has to be locked."""
    columns = [func.sum(col(getattr(UsageRecord, name))) for name in (*_TOKENS, "cost_micro")]
    both = or_(col(UsageRecord.id) == record.id, col(UsageRecord.corrects) == record.id)
    *tokens, cost = (await session.execute(select(*columns).where(both))).one()
    return Figures(Tokens(*(int(one) for one in tokens)), int(cost))


def correction_of(record: UsageRecord, change: Figures) -> Usage:
    """Make the usage that corrects a record: it counts when and for whom the call itself does."""
    return Usage(
        account_id=record.account_id,
        member_id=record.member_id,
        api_key_id=record.api_key_id,
        event_id=record.event_id,
        occurred_at=record.occurred_at,
        model=record.model,
        tokens=change.tokens,
        cost_micro=change.cost_micro,
        price=PRICE,
        tag=record.tag,
        corrects=record.id,
    )
