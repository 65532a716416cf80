"""What a gateway asks of us, as plain facts that have been checked, and what it is answered."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from app.errors import Refusal
from app.metering.pricing import Tokens


def content_hash(*content: object) -> bytes:
    """Hash what was said, to tell a repetition from something else under the same id."""
    return hashlib.sha256(repr(content).encode()).digest()


@dataclass(frozen=True, slots=True)
class Caller:
    """A gateway, and the hash of the token that it showed: whether that still works is decided with the call."""

    gateway_id: UUID
    token_hash: bytes


@dataclass(frozen=True, slots=True)
class Authorize:
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


@dataclass(frozen=True, slots=True)
class Settle:
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


@dataclass(frozen=True, slots=True)
class Release:
    """Free a hold whose call was not made."""

    caller: Caller
    hold_id: UUID


@dataclass(frozen=True, slots=True)
class Event:
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


@dataclass(frozen=True, slots=True)
class Report:
    """Events to be booked, each for itself."""

    caller: Caller
    events: tuple[Event, ...]


Call = Authorize | Settle | Release | Report


@dataclass(frozen=True, slots=True)
class Authorized:
    """Granted: what is held, until when, for whom."""

    hold_id: UUID
    amount_micro: int
    expires_at: datetime
    account_id: UUID
    member_id: UUID
    api_key_id: UUID


@dataclass(frozen=True, slots=True)
class Booked:
    """Booked, now or before (`duplicate`)."""

    usage_record_id: UUID
    cost_micro: int
    late: bool = False
    duplicate: bool = False


@dataclass(frozen=True, slots=True)
class Released:
    """Released, now or before, or expired."""

    hold_id: UUID


@dataclass(frozen=True, slots=True)
class Reported:
    """What became of each event, in their order."""

    results: list[Booked | Refusal] = field(default_factory=list)


Answer = Authorized | Booked | Released | Reported
