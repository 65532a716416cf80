"""A year's usage of one organization, a million calls, booked as any call is: for measurements of what reads it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice
from uuid import UUID

from app.database import Connection, Database
from app.metering.pricing import GIVEN, Tokens
from app.metering.recording import Usage, book
from app.models import AuditActorKind
from app.resolvers import accounts, api_keys, members, operations, sessions
from app.seats import Viewer
from app.settings import Settings
from bench.ground import analyze, organization_of

RECORDS = 1_000_000
YEAR = timedelta(days=360)
MEMBERS = 10
MODELS = tuple(f"openai/gpt-{n}" for n in range(8))
CREDITS = 10**15
AT_ONCE = 4_000


async def year_of_usage(
    database: Database, settings: Settings, records: int
) -> tuple[str, Viewer, UUID]:
    """Found an organization and book so many calls of the last year: its Owner's session and place, its id."""
    secret, account_id = await organization_of(database, settings, members=MEMBERS)
    nobody = Viewer(database, settings)
    facts = await sessions.session_of(nobody, secret)
    if facts is None:
        raise RuntimeError("a session that was opened just now has ended")
    owner = replace(nobody, user=facts.user, signed_in_at=facts.signed_in_at)
    seat = await accounts.account(owner, account_id)
    operator = replace(nobody, kind=AuditActorKind.OPERATOR)
    await operations.grant(operator, seat.slug, CREDITS, "to be spent")
    row = await members.own_membership(owner, account_id)
    keys = [
        (await api_keys.create_api_key(owner, account_id, f"Key {n}", tag=f"team-{n % 4}")).id
        for n in range(10)
    ]
    calls = _calls(account_id, row.id, keys, await sessions.clock(nobody), records)
    while some := list(islice(calls, AT_ONCE)):
        await _book(database, some)
    await analyze(database)
    return secret, owner, account_id


async def _book(database: Database, some: list[Usage]) -> None:
    async def work(connection: Connection) -> None:
        await book(connection, some)

    await database.in_transaction(work)


def _calls(
    account_id: UUID, member_id: UUID, keys: list[UUID], now: datetime, count: int
) -> Iterator[Usage]:
    start, step = now - YEAR, YEAR / count
    for n in range(count):
        yield Usage(
            account_id=account_id,
            member_id=member_id,
            api_key_id=keys[n % len(keys)],
            event_id=f"event-{n:09}",
            occurred_at=start + n * step,
            model=MODELS[n * 7 // 3 % len(MODELS)],
            tokens=Tokens(prompt=1000 + n % 977, cached=n % 101, completion=n % 1013),
            cost_micro=3000 + n % 9973,
            price=GIVEN,
            tag=f"team-{n % 4}",
        )
