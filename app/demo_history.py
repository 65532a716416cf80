"""The demo's last month: the calls of a real trace, dealt out to its members' keys and to models.

What is real: each call's tokens, the calls' order, and how close they came to one another; the hour
that the trace lasted is stretched evenly over the thirty days before the import was begun. What is
made up is who called which model, since the trace names nobody (`app/data/azure-llm-trace`):

* A call of the coding or of the conversation service goes to one of the service's `MODELS`, by a
  number that the hash of service and row gives: the same call is always of the same model.
* By another such number it goes to one of `KEYS`, by their shares in that service.
* Its cost is what `app/data/demo-prices.json` asks, which is how an operator's own price list looks.
* Whoever has used their quota in a UTC month makes no more calls in it, as it would be: the call goes
  to the next key in the list whose owner still may. So some members are at their quota.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import accumulate, chain, islice
from pathlib import Path
from uuid import UUID

from app.metering.pricing import PriceList, Tokens
from app.metering.recording import Usage
from app.models import AuditActorKind
from app.money import MICRO, UNLIMITED
from app.months import month_of
from app.resolvers import accounts, api_keys, history
from app.resolvers.history import Import
from app.seats import Viewer
from app.trace import (
    AZURE_CODE,
    AZURE_CONVERSATION,
    Span,
    TracedCall,
    first_of,
    read_traces,
    span_of,
)

NAME = "Demo history"
GRANTED = 500 * MICRO
LASTED = timedelta(days=30)
BATCH = 2000
PRICES = Path(__file__).parent / "data" / "demo-prices.json"
FILES = (AZURE_CODE, AZURE_CONVERSATION)
SERVICES = ("code", "chat")
MODELS = (
    (("anthropic/claude-sonnet-4-5", 60), ("openai/gpt-5", 30), ("openai/gpt-5-mini", 10)),
    (
        ("openai/gpt-5", 36),
        ("anthropic/claude-sonnet-4-5", 18),
        ("anthropic/claude-opus-4-1", 16),
        ("google/gemini-2.5-pro", 15),
        ("openai/gpt-5-mini", 15),
    ),
)


@dataclass(frozen=True, slots=True)
class DemoKey:
    """A key of the demo, and its shares of the calls of each service."""

    email: str
    name: str
    tag: str | None
    shares: tuple[int, int]
    monthly_limit: int = UNLIMITED


KEYS = (
    DemoKey("jane@acme.example", "Playground", None, (2, 4)),
    DemoKey("adam@acme.example", "Release bot", "ci", (6, 0)),
    DemoKey("adam@acme.example", "Support desk", "support", (0, 14)),
    DemoKey("priya@acme.example", "Data room", "research", (2, 6)),
    DemoKey("tomas@acme.example", "Editor", "backend", (22, 0)),
    DemoKey("tomas@acme.example", "Chat", None, (0, 10)),
    DemoKey("tomas@acme.example", "CI", "ci", (12, 0), 8 * MICRO),
    DemoKey("yuki@acme.example", "Editor", "frontend", (20, 0)),
    DemoKey("yuki@acme.example", "Assistant", None, (2, 8)),
    DemoKey("chidi@acme.example", "Editor", "backend", (18, 0)),
    DemoKey("ingrid@acme.example", "Campaign", "marketing", (0, 24)),
    DemoKey("chidi@acme.example", "Support desk", "support", (0, 12)),
    DemoKey("marta@acme.example", "Support desk", "support", (0, 24)),
    DemoKey("seun@acme.example", "Editor", "frontend", (16, 0)),
    DemoKey("seun@acme.example", "Chat", None, (0, 10)),
)
_ENDS = tuple(tuple(accumulate(key.shares[service] for key in KEYS)) for service in (0, 1))


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose key it is, and what they may use in a month, in micro-credits."""

    member_id: UUID
    api_key_id: UUID
    quota: int


class Dealer:
    """Deals calls out, in their order."""

    def __init__(self, account_id: UUID, begun: Import, span: Span, prices: PriceList) -> None:
        self._account_id = account_id
        self._begun = begun
        self._span = span
        self._prices = prices
        self._used: Counter[tuple[UUID, date]] = Counter()

    def deal(self, calls: Iterator[TracedCall], holders: Sequence[Holder]) -> Iterator[Usage]:
        """Make a usage of each call. `holders` stand in the order of `KEYS`."""
        for call in calls:
            digest = hashlib.sha256(f"{SERVICES[call.file]} {call.row}".encode()).digest()
            at = self._moment(call.at)
            model = _model(call.file, int.from_bytes(digest[:4]))
            tokens = Tokens(call.prompt_tokens, completion=call.completion_tokens)
            cost = self._prices.cost(model, tokens, at)
            place = self._place(call.file, int.from_bytes(digest[4:8]), holders, month_of(at))
            holder = holders[place]
            self._used[holder.member_id, month_of(at)] += cost.micro
            yield Usage(
                account_id=self._account_id,
                member_id=holder.member_id,
                api_key_id=holder.api_key_id,
                event_id=f"azure-2023-{SERVICES[call.file]}-{call.row}",
                occurred_at=at,
                model=model,
                tokens=tokens,
                cost_micro=cost.micro,
                price=cost.price,
                tag=KEYS[place].tag,
                gateway_id=self._begun.gateway_id,
            )

    def _moment(self, at: datetime) -> datetime:
        """Stretch the trace's time so that its last call was when the import was begun."""
        whole = self._span.last - self._span.first or timedelta(microseconds=1)
        # Whole microseconds all the way, so that no two calls change places.
        before = (self._span.last - at) // timedelta(microseconds=1) * (LASTED // whole)
        return self._begun.begun_at - timedelta(microseconds=before)

    def _place(self, service: int, number: int, holders: Sequence[Holder], month: date) -> int:
        ends = _ENDS[service]
        wanted = number % ends[-1]
        first = next(place for place, end in enumerate(ends) if wanted < end)
        for place in chain(range(first, len(KEYS)), range(first)):
            holder = holders[place]
            within = self._used[holder.member_id, month] < holder.quota
            if KEYS[place].shares[service] and (within or holder.quota == UNLIMITED):
                return place
        return first


def _model(service: int, number: int) -> str:
    rest = number % sum(share for _model, share in MODELS[service])
    for model, share in MODELS[service]:
        if rest < share:
            return model
        rest -= share
    raise AssertionError("the rest is below the sum of the shares")


async def bring_history(
    people: Mapping[str, tuple[Viewer, int]],
    account_id: UUID,
    told: Callable[[int, int], None] = lambda _done, _of: None,
    calls: int | None = None,
) -> bool:
    """Book the trace's calls, or the first so many, unless they are booked; tell whether any was.

    `people` are the demo's viewers with their quotas, by e-mail. May be stopped and run again.
    """
    viewer = next(iter(people.values()))[0]
    operator = Viewer(viewer.database, viewer.settings, kind=AuditActorKind.OPERATOR)
    span = span_of(first_of(read_traces(FILES), calls))
    begun = await history.begin_import(operator, account_id, NAME, GRANTED)
    told(begun.booked, span.calls)
    if begun.booked >= span.calls:
        return False
    holders = [await _holder(*people[key.email], account_id, key) for key in KEYS]
    dealer = Dealer(account_id, begun, span, PriceList(str(PRICES)))
    usages = dealer.deal(first_of(read_traces(FILES), calls), holders)
    # Those that are booked are dealt out again, since they have used up quotas.
    left = islice(usages, begun.booked, None)
    while batch := list(islice(left, BATCH)):
        begun = await history.import_calls(operator, begun, batch)
        told(begun.booked, span.calls)
    return True


async def is_unfinished(operator: Viewer) -> bool:
    """Tell whether the import was begun and did not come to its end."""
    return await history.unfinished(operator, NAME, span_of(read_traces(FILES)).calls)


async def _holder(viewer: Viewer, quota: int, account_id: UUID, key: DemoKey) -> Holder:
    """Give a key of a member's: the one of this name, else a new one whose secret nobody sees."""
    seat = await accounts.account(viewer, account_id)
    if seat.member_id is None:
        raise RuntimeError("a person has a membership")
    for row in (await api_keys.list_api_keys(viewer, account_id)).rows:
        if row.name == key.name:
            return Holder(seat.member_id, row.id, quota)
    made = await api_keys.create_api_key(
        viewer, account_id, key.name, monthly_limit=key.monthly_limit, tag=key.tag
    )
    return Holder(seat.member_id, made.id, quota)
