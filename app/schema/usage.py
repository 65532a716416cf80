"""Usage: reports and records, and what they are asked for."""

from datetime import datetime
from typing import Any
from uuid import UUID

import strawberry

from app.errors import Invalid, NotFound
from app.ids import id_of
from app.resolvers import api_keys, members
from app.resolvers import usage as verbs
from app.resolvers.usage import RecordsQuery, UsageBucketRow, UsageQuery, UsageRecordRow
from app.schema.api_keys import ApiKey, api_key
from app.schema.context import Info, given
from app.schema.enums import Granularity, UsageDimension
from app.schema.members import Member, member
from app.schema.nodes import Node, node_id
from app.schema.scalars import BigInt, Credits


@strawberry.input(description="A half-open range of when calls happened.")
class UsageRange:
    """From when to when."""

    from_: datetime = strawberry.field(name="from", description="Inclusive.")
    to: datetime = strawberry.field(description="Exclusive.")


@strawberry.input(
    description="Which calls; what is left out does not filter, values of one kind are alternatives."
)
class UsageFilter:
    """Which calls."""

    models: list[str] | None = strawberry.UNSET
    member_ids: list[strawberry.ID] | None = strawberry.UNSET
    api_key_ids: list[strawberry.ID] | None = strawberry.UNSET
    tags: list[str] | None = strawberry.UNSET


@strawberry.type(
    description="Sums. Cached and cache-write tokens are part of the prompt tokens, reasoning tokens of "
    "the completion tokens."
)
class UsageTotals:
    """Sums."""

    requests: BigInt = strawberry.field(description="Calls; a correction is none.")
    prompt_tokens: BigInt
    cached_tokens: BigInt
    cache_write_tokens: BigInt
    completion_tokens: BigInt
    reasoning_tokens: BigInt
    cost: Credits


@strawberry.type(description="What was used in one bucket; what was not grouped by is null.")
class UsageBucket:
    """One bucket."""

    start: datetime = strawberry.field(description="Start of the bucket, in UTC.")
    model: str | None
    tag: str | None = strawberry.field(description="Null also for calls without a tag.")
    totals: UsageTotals
    member_id: strawberry.Private[UUID | None]
    api_key_id: strawberry.Private[UUID | None]

    @strawberry.field(description="Whose usage it is, also after they have left.")
    async def member(self, info: Info) -> Member | None:
        """Show the member."""
        return await _member(info, self.member_id)

    @strawberry.field(description="By which key, also after its end.")
    async def api_key(self, info: Info) -> ApiKey | None:
        """Show the key."""
        return await _api_key(info, self.api_key_id)


@strawberry.type(description="Usage by buckets and dimensions, and its sums.")
class UsageReport:
    """A report."""

    totals: UsageTotals
    buckets: list[UsageBucket] = strawberry.field(
        description="Those with usage, by start and then by dimensions; more than 10,000 are refused."
    )
    complete_through: datetime = strawberry.field(
        description="Up to here nothing comes in any more but corrections."
    )


@strawberry.type(description="One model call, or the correction of one.")
class UsageRecord(Node):
    """One record."""

    event_id: str = strawberry.field(
        description="The gateway's own id for the call; one call is recorded once."
    )
    occurred_at: datetime
    model: str
    prompt_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    completion_tokens: int
    reasoning_tokens: int
    cost: Credits
    tag: str | None
    corrects: strawberry.ID | None = strawberry.field(
        description="The record that this one corrects, with figures that are added to its."
    )
    member_id: strawberry.Private[UUID]
    api_key_id: strawberry.Private[UUID]

    @strawberry.field(description="Whose call it was, also after they have left.")
    async def member(self, info: Info) -> Member | None:
        """Show the member."""
        return await _member(info, self.member_id)

    @strawberry.field(description="By which key, also after its end.")
    async def api_key(self, info: Info) -> ApiKey | None:
        """Show the key."""
        return await _api_key(info, self.api_key_id)


async def _member(info: Info, member_id: UUID | None) -> Member | None:
    if member_id is None:
        return None
    try:
        return member(await info.context.load(members.known_member, member_id))
    except NotFound:
        return None


async def _api_key(info: Info, api_key_id: UUID | None) -> ApiKey | None:
    if api_key_id is None:
        return None
    try:
        return api_key(await info.context.load(api_keys.api_key, api_key_id))
    except NotFound:
        return None


def _totals(row: verbs.UsageTotals) -> UsageTotals:
    return UsageTotals(
        requests=BigInt(row.requests),
        prompt_tokens=BigInt(row.prompt_tokens),
        cached_tokens=BigInt(row.cached_tokens),
        cache_write_tokens=BigInt(row.cache_write_tokens),
        completion_tokens=BigInt(row.completion_tokens),
        reasoning_tokens=BigInt(row.reasoning_tokens),
        cost=Credits(row.cost_micro),
    )


def _bucket(row: UsageBucketRow) -> UsageBucket:
    return UsageBucket(
        start=row.start,
        model=row.model,
        tag=row.tag,
        totals=_totals(row.totals),
        member_id=row.member_id,
        api_key_id=row.api_key_id,
    )


def usage_report(row: verbs.UsageReport) -> UsageReport:
    """Show a report."""
    return UsageReport(
        totals=_totals(row.totals),
        buckets=[_bucket(bucket) for bucket in row.buckets],
        complete_through=row.complete_through,
    )


def usage_record(row: UsageRecordRow) -> UsageRecord:
    """Show a record."""
    return UsageRecord(
        id=node_id("usage_record", row.id),
        event_id=row.event_id,
        occurred_at=row.occurred_at,
        model=row.model,
        prompt_tokens=row.prompt_tokens,
        cached_tokens=row.cached_tokens,
        cache_write_tokens=row.cache_write_tokens,
        completion_tokens=row.completion_tokens,
        reasoning_tokens=row.reasoning_tokens,
        cost=Credits(row.cost_micro),
        tag=row.tag,
        corrects=None if row.corrects is None else node_id("usage_record", row.corrects),
        member_id=row.member_id,
        api_key_id=row.api_key_id,
    )


def usage_query(
    info: Info,
    range: UsageRange,
    granularity: Granularity,
    time_zone: str,
    group_by: list[UsageDimension],
    which: UsageFilter | None = None,
) -> UsageQuery:
    """Read what a report is asked for. Raises `Invalid`, and `NotFound` for ids that are none."""
    asked = _filter(info, which)
    return UsageQuery(range.from_, range.to, granularity, tuple(group_by), asked, time_zone)


def records_query(info: Info, range: UsageRange, which: UsageFilter | None = None) -> RecordsQuery:
    """Read which records are asked for. Raises `Invalid`, and `NotFound` for ids that are none."""
    return RecordsQuery(range.from_, range.to, _filter(info, which))


def _filter(info: Info, which: UsageFilter | None) -> verbs.UsageFilter:
    asked = given(which)
    if asked is None:
        return verbs.UsageFilter()
    return verbs.UsageFilter(
        _texts(info, "models", asked.models),
        _ids(info, "memberIds", "member", asked.member_ids),
        _ids(info, "apiKeyIds", "api_key", asked.api_key_ids),
        _texts(info, "tags", asked.tags),
    )


def _texts(info: Info, field_name: str, texts: Any) -> tuple[str, ...] | None:
    found: list[str] | None = given(texts)
    most = info.context.viewer.settings.list_input
    if found is not None and len(found) > most:
        raise Invalid(**{field_name: f"Give at most {most}."})
    return None if found is None else tuple(found)


def _ids(info: Info, field_name: str, kind: str, texts: Any) -> tuple[UUID, ...] | None:
    found = _texts(info, field_name, texts)
    return None if found is None else tuple(id_of(kind, one) for one in found)
