"""A group of calls: one transaction that reads what they touch, decides each in order, and writes everything in bulk."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from app.bulk import Changes, write_all
from app.database import Connection
from app.errors import (
    EventMismatch,
    IdempotencyMismatch,
    Invalid,
    InvalidApiKey,
    NotFound,
    Refusal,
    Unauthenticated,
)
from app.ids import new_id
from app.metering.books import Both, put_books
from app.metering.calls import (
    Answer,
    Authorize,
    Authorized,
    Booked,
    Call,
    Caller,
    Event,
    Release,
    Released,
    Report,
    Reported,
    Settle,
)
from app.metering.decision import (
    Settling,
    Standing,
    authorized_amount,
    may_release,
    must_be_bookable,
    must_be_countable,
    must_be_settleable,
)
from app.metering.first_uses import put_first_uses
from app.metering.loading import (
    HoldState,
    KeyState,
    Loaded,
    Wanted,
    load,
    put_holds,
)
from app.metering.pricing import GIVEN, Cost, PriceList, Tokens
from app.metering.recording import Usage, count_usage, counters_of, put_usage
from app.metering.routes import KeyRoute, Routes
from app.models.metering import HoldStatus
from app.months import month_of

OLDEST_EVENT = timedelta(hours=72)
NEWEST_EVENT = timedelta(minutes=5)


@dataclass(slots=True)
class Group:
    """Calls that are decided together, and what their decisions leave to write."""

    routes: Routes
    prices: PriceList
    found: Loaded
    new_holds: list[HoldState] = field(default_factory=list)
    ended_holds: dict[UUID, HoldState] = field(default_factory=dict)
    usages: list[tuple[UUID, Usage]] = field(default_factory=list)

    def decide(self, call: Call) -> Answer | Refusal:
        """Decide one call after those before it; a refusal changes nothing."""
        try:
            if call.caller.token_hash not in self.found.tokens:
                raise Unauthenticated
            if isinstance(call, Authorize):
                return self._authorize(call)
            if isinstance(call, Settle):
                return self._settle(call)
            if isinstance(call, Release):
                return self._release(call)
            return self._report(call)
        except Refusal as refusal:
            return refusal

    def _authorize(self, call: Authorize) -> Authorized:
        before = self.found.requests.get((call.caller.gateway_id, call.request_id))
        if before is not None:
            if before.request_hash != call.request_hash:
                raise IdempotencyMismatch
            return _authorized(before)
        route = self.routes.of_secret.get(call.secret_hash)
        key = self.found.keys.get(call.secret_hash)
        if route is None or key is None:
            raise InvalidApiKey
        books = self.found.books
        asked = self._asked(call)
        month = month_of(books.at)
        both = books.both(route.account_id, route.member_id, route.api_key_id, month)
        standing = self._standing(route, key, both)
        amount = authorized_amount(standing, asked, call.least_micro, books.at)
        # From here on nothing may refuse.
        hold = HoldState(
            id=new_id(),
            account_id=route.account_id,
            member_id=route.member_id,
            api_key_id=route.api_key_id,
            gateway_id=call.caller.gateway_id,
            request_id=call.request_id,
            request_hash=call.request_hash,
            asked_micro=asked,
            amount_micro=amount,
            tag=call.tag if call.tag is not None else key.tag,
            month=month,
            status=HoldStatus.OPEN,
            authorized_at=books.at,
            expires_at=books.at + timedelta(seconds=call.ttl_seconds),
        )
        books.hold(both, amount)
        self.found.holds[hold.id] = hold
        self.found.requests[(hold.gateway_id, hold.request_id)] = hold
        self.new_holds.append(hold)
        return _authorized(hold)

    def _asked(self, call: Authorize) -> int:
        if call.amount_micro is not None:
            return call.amount_micro
        if call.model is None or call.tokens is None:
            raise Invalid(amount="Give an amount, or a model with its most tokens.")
        return self.prices.cost(call.model, call.tokens, self.found.books.at).micro

    def _standing(self, route: KeyRoute, key: KeyState, both: Both) -> Standing:
        books = self.found.books
        wallet = books.wallets[route.account_id]
        member, its_key = both
        return Standing(
            available_micro=books.available_micro(route.account_id),
            quota=key.quota,
            member_spent_micro=member.used_micro + member.held_micro,
            key_limit=key.monthly_limit,
            key_spent_micro=its_key.used_micro + its_key.held_micro,
            secret_ends_at=key.secret_ends_at,
            key_expires_at=key.expires_at,
            key_revoked_at=key.revoked_at,
            member_ended_at=key.member_ended_at,
            dissolved_at=wallet.dissolved_at,
            frozen_at=wallet.frozen_at,
        )

    def _settle(self, call: Settle) -> Booked:
        content = call.event_hash
        before = self._booked_before(call.caller, call.event_id, content)
        if before is not None:
            return before
        hold = self._hold_of(call.caller, call.hold_id)
        how = must_be_settleable(hold.status, hold.expires_at, self.found.books.at)
        cost = self._cost(call.cost_micro, call.model, call.tokens, hold)
        must_be_bookable(cost.micro, hold.asked_micro)
        must_be_countable(cost.micro, self.found.books.used_micro(hold.account_id))
        # From here on nothing may refuse.
        counters = hold.counters(self.found.books)
        self._end(hold, HoldStatus.SETTLED, counters)
        usage = Usage(
            account_id=hold.account_id,
            member_id=hold.member_id,
            api_key_id=hold.api_key_id,
            event_id=call.event_id,
            occurred_at=hold.authorized_at,
            model=call.model,
            tokens=call.tokens,
            cost_micro=cost.micro,
            price=cost.price,
            tag=hold.tag,
            gateway_id=call.caller.gateway_id,
            hold_id=hold.id,
            content_hash=content,
            late=how is Settling.LATE,
        )
        # A call is of the month of its hold.
        return self._book(usage, counters)

    def _release(self, call: Release) -> Released:
        hold = self._hold_of(call.caller, call.hold_id)
        if may_release(hold.status):
            expired = hold.expires_at <= self.found.books.at
            status = HoldStatus.EXPIRED if expired else HoldStatus.RELEASED
            self._end(hold, status, hold.counters(self.found.books))
        return Released(hold.id)

    def _report(self, call: Report) -> Reported:
        results: list[Booked | Refusal] = []
        for event in call.events:
            try:
                results.append(self._event(call.caller, event))
            except Refusal as refusal:
                results.append(refusal)
        return Reported(results)

    def _event(self, caller: Caller, event: Event) -> Booked:
        if event.secret_hash is not None:
            route = self.routes.of_secret.get(event.secret_hash)
        else:
            route = self.routes.of_key.get(event.api_key_id) if event.api_key_id else None
        if route is None:
            raise InvalidApiKey
        content = event.event_hash(route.api_key_id)
        before = self._booked_before(caller, event.event_id, content)
        if before is not None:
            return before
        at = self.found.books.at
        if not at - OLDEST_EVENT <= event.occurred_at <= at + NEWEST_EVENT:
            raise Invalid(occurred_at="At most 72 hours ago, and 5 minutes ahead.")
        cost = (
            Cost(event.cost_micro, GIVEN)
            if event.cost_micro is not None
            else self.prices.cost(event.model, event.tokens, event.occurred_at)
        )
        must_be_countable(cost.micro, self.found.books.used_micro(route.account_id))
        # From here on nothing may refuse. The call has been made, whatever became of its key.
        usage = Usage(
            account_id=route.account_id,
            member_id=route.member_id,
            api_key_id=route.api_key_id,
            event_id=event.event_id,
            occurred_at=event.occurred_at,
            model=event.model,
            tokens=event.tokens,
            cost_micro=cost.micro,
            price=cost.price,
            tag=event.tag if event.tag is not None else self.found.tags.get(route.api_key_id),
            gateway_id=caller.gateway_id,
            content_hash=content,
        )
        return self._book(usage, counters_of(self.found.books, usage))

    def _booked_before(self, caller: Caller, event_id: str, content: bytes) -> Booked | None:
        before = self.found.events.get((caller.gateway_id, event_id))
        if before is None:
            return None
        if before.content_hash != content:
            raise EventMismatch
        return Booked(before.usage_record_id, before.cost_micro, before.late, duplicate=True)

    def _hold_of(self, caller: Caller, hold_id: UUID) -> HoldState:
        hold = self.found.holds.get(hold_id)
        if hold is None or hold.gateway_id != caller.gateway_id:
            raise NotFound
        return hold

    def _cost(self, given: int | None, model: str, tokens: Tokens, hold: HoldState) -> Cost:
        if given is not None:
            return Cost(given, GIVEN)
        return self.prices.cost(model, tokens, hold.authorized_at)

    def _book(self, usage: Usage, counters: Both) -> Booked:
        record_id = count_usage(self.found.books, usage, counters)
        self.usages.append((record_id, usage))
        if usage.gateway_id is not None:
            self.found.remember_event(record_id, usage)
        return Booked(record_id, usage.cost_micro, usage.late)

    def _end(self, hold: HoldState, status: HoldStatus, counters: Both) -> None:
        """End a hold, or settle one that has expired; what an open one held is freed."""
        if hold.status is HoldStatus.OPEN:
            self.found.books.hold(counters, -hold.amount_micro)
        hold.status = status
        hold.ended_at = self.found.books.at
        self.ended_holds[hold.id] = hold

    def expire(self, account_ids: set[UUID]) -> int:
        """End the expired holds of these accounts; tells how many."""
        expired = self.found.expired(account_ids)
        for hold in expired:
            self._end(hold, HoldStatus.EXPIRED, hold.counters(self.found.books))
        return len(expired)


def _authorized(hold: HoldState) -> Authorized:
    return Authorized(
        hold.id,
        hold.amount_micro,
        hold.expires_at,
        hold.account_id,
        hold.member_id,
        hold.api_key_id,
    )


async def serve_group(
    connection: Connection, routes: Routes, prices: PriceList, calls: Sequence[Call]
) -> list[Answer | Refusal]:
    """Decide calls in their order and write what follows, in this transaction; an answer or a refusal for each."""
    about = _Subjects(calls)
    await routes.learn(
        connection, about.secrets | about.event_secrets, about.event_keys, about.holds
    )
    wanted = about.wanted(routes)
    accounts = {one.account_id for one in (*wanted.spending.values(), *wanted.reported)}
    accounts |= {routes.of_hold[one] for one in about.holds if one in routes.of_hold}
    group = Group(routes, prices, await load(connection, accounts, wanted))
    group.expire(set(wanted.expiring))
    answers = [group.decide(call) for call in calls]
    await write_group(connection, group)
    return answers


class _Subjects:
    """What calls are about, by what they name."""

    def __init__(self, calls: Sequence[Call]) -> None:
        authorizations = [call for call in calls if isinstance(call, Authorize)]
        reports = [(one, event) for one in calls if isinstance(one, Report) for event in one.events]
        self.tokens = {call.caller.token_hash for call in calls}
        self.holds = {call.hold_id for call in calls if isinstance(call, Settle | Release)}
        self.secrets = {call.secret_hash for call in authorizations}
        self.requests = {(one.caller.gateway_id, one.request_id) for one in authorizations}
        self.event_secrets = {e.secret_hash for _call, e in reports if e.secret_hash is not None}
        self.event_keys = {e.api_key_id for _call, e in reports if e.api_key_id is not None}
        self.event_months = {month_of(event.occurred_at) for _call, event in reports}
        self.events = {(call.caller.gateway_id, event.event_id) for call, event in reports}
        self.events |= {(c.caller.gateway_id, c.event_id) for c in calls if isinstance(c, Settle)}

    def wanted(self, routes: Routes) -> Wanted:
        """Say what to load."""
        spending = {one: routes.of_secret[one] for one in self.secrets if one in routes.of_secret}
        by_secret = (routes.of_secret.get(one) for one in self.event_secrets)
        by_id = (routes.of_key.get(one) for one in self.event_keys)
        return Wanted(
            tokens=self.tokens,
            spending=spending,
            reported=[one for one in (*by_secret, *by_id) if one is not None],
            months=self.event_months,
            holds=self.holds,
            requests=self.requests,
            events=self.events,
            expiring={one.account_id for one in spending.values()},
        )


async def write_group(connection: Connection, group: Group) -> None:
    """Write what the decisions left."""
    new = {hold.id for hold in group.new_holds}
    # A hold that was made and ended in one group is written as it ended.
    ended = [hold for hold in group.ended_holds.values() if hold.id not in new]
    changes = Changes()
    put_holds(changes, group.new_holds, ended)
    put_usage(changes, group.found.books, group.usages)
    put_books(changes, group.found.books)
    await put_first_uses(connection, changes, group.found.books)
    await write_all(connection, changes)
