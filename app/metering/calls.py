"""What a gateway asks of us, as plain facts that have been checked, and what it is answered."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from app.errors import Refusal
from app.metering.pricing import Tokens


def content_hash(*content: object) -> bytes:
    """Hash what was said, to tell a repetition from something else under the same id."""
    return hashlib.sha256(repr(content).encode()).digest()


class Caller(NamedTuple):
    """A gateway, and the hash of the token that it showed: whether that still works is decided with the call."""

    gateway_id: UUID
    token_hash: bytes


class Authorize(NamedTuple):
    """Ask for credits: `amount_micro`, or what `model` and `tokens` cost at most."""

    caller: Caller
    request_id: str
    secret_hash: bytes
    amount_micro: int | None
    least_micro: int | None = None
    model: str | None = None
    tokens: Tokens | None = None
    ttl_seconds: int = 600
    tag: str | None = None

    @property
    def request_hash(self) -> bytes:
        """Hash everything that was asked."""
        return content_hash(
            self.secret_hash.hex(),
            self.amount_micro,
            self.least_micro,
            self.model,
            self.tokens and tuple(self.tokens),
            self.ttl_seconds,
            self.tag,
        )


class Settle(NamedTuple):
    """Book what a call under a hold has cost: `cost_micro`, else computed."""

    caller: Caller
    hold_id: UUID
    event_id: str
    model: str
    tokens: Tokens
    cost_micro: int | None = None

    @property
    def event_hash(self) -> bytes:
        """Hash everything that was said of the call."""
        return content_hash(self.hold_id.hex, self.model, tuple(self.tokens), self.cost_micro)


class Release(NamedTuple):
    """Free a hold whose call was not made."""

    caller: Caller
    hold_id: UUID


class Event(NamedTuple):
    """A call without a hold, by the secret of its key or the key's id."""

    event_id: str
    occurred_at: datetime
    model: str
    tokens: Tokens
    secret_hash: bytes | None = None
    api_key_id: UUID | None = None
    cost_micro: int | None = None
    tag: str | None = None

    def event_hash(self, api_key_id: UUID) -> bytes:
        """Hash everything that was said of the call, by whichever name of the key."""
        return content_hash(
            api_key_id.hex,
            self.occurred_at.isoformat(),
            self.model,
            tuple(self.tokens),
            self.cost_micro,
            self.tag,
        )


class Report(NamedTuple):
    """Events to be booked, each for itself."""

    caller: Caller
    events: tuple[Event, ...]


Call = Authorize | Settle | Release | Report


class Authorized(NamedTuple):
    """Granted: what is held, until when, for whom."""

    hold_id: UUID
    amount_micro: int
    expires_at: datetime
    account_id: UUID
    member_id: UUID
    api_key_id: UUID


class Booked(NamedTuple):
    """Booked, now or before (`duplicate`)."""

    usage_record_id: UUID
    cost_micro: int
    late: bool = False
    duplicate: bool = False


class Released(NamedTuple):
    """Released, now or before, or expired."""

    hold_id: UUID


class Reported(NamedTuple):
    """What became of each event, in their order."""

    results: Sequence[Booked | Refusal] = ()


Answer = Authorized | Booked | Released | Reported
