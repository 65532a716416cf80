"""What a usage report is asked for: range, buckets, grouping and filters, checked before any row is read."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Any
from uuid import UUID

from app.errors import Invalid
from app.zones import Granularity, zone

LONGEST = timedelta(days=366)
LONGEST_BY_HOUR = timedelta(days=92)
# A range of 366 local days may have an hour more, where summer time ended within it.
SLACK = timedelta(hours=2)
TEXT_LENGTH = 120
FIRST_YEAR, LAST_YEAR = 1970, 9000


class Dimension(Enum):
    """By what usage is told apart."""

    MODEL = "MODEL"
    MEMBER = "MEMBER"
    API_KEY = "API_KEY"
    TAG = "TAG"


NOUN = {
    Dimension.MODEL: "Model",
    Dimension.MEMBER: "Member",
    Dimension.API_KEY: "Key",
    Dimension.TAG: "Tag",
}
"""What people call each."""


@dataclass(frozen=True, slots=True)
class UsageFilter:
    """Which calls; None does not filter. Values of one kind are alternatives."""

    models: tuple[str, ...] | None = None
    member_ids: tuple[UUID, ...] | None = None
    api_key_ids: tuple[UUID, ...] | None = None
    tags: tuple[str, ...] | None = None

    def by_model_alone(self) -> bool:
        """Tell whether nothing but models is filtered by."""
        return self.member_ids is None and self.api_key_ids is None and self.tags is None

    def binding(self) -> tuple[Any, ...]:
        """Name the filter for cursors, whatever the order of its values."""
        kinds = (self.models, self.member_ids, self.api_key_ids, self.tags)
        return tuple(
            None if one is None else sorted({str(value) for value in one}) for one in kinds
        )


@dataclass(frozen=True, slots=True)
class UsageQuery:
    """A report: of calls that happened in [start, end), which is open where `end` is None."""

    start: datetime
    end: datetime
    granularity: Granularity = Granularity.DAY
    group_by: tuple[Dimension, ...] = ()
    which: UsageFilter = field(default_factory=UsageFilter)
    time_zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class RecordsQuery:
    """Records of calls that happened in [start, end); `end` None: and whatever comes later."""

    start: datetime
    end: datetime | None
    which: UsageFilter = field(default_factory=UsageFilter)


def check_range(start: datetime, end: datetime, longest: timedelta = LONGEST) -> None:
    """Refuse ranges that are none, or too long. Raises `Invalid`."""
    if not (start.year >= FIRST_YEAR and end.year <= LAST_YEAR):
        raise Invalid(**{"from": f"Ask for years from {FIRST_YEAR} on."})
    if start > end:
        raise Invalid(to="The end of the range lies before its start.")
    if end - start > longest + SLACK:
        raise Invalid(to=f"Ask for at most {longest.days} days.")


def check_query(query: UsageQuery) -> None:
    """Refuse a report that makes no sense. Raises `Invalid`."""
    by_hour = query.granularity is Granularity.HOUR
    check_range(query.start, query.end, LONGEST_BY_HOUR if by_hour else LONGEST)
    zone(query.time_zone)
    if len(set(query.group_by)) < len(query.group_by):
        raise Invalid(group_by="Group by each dimension once.")
    check_filter(query.which)


def check_filter(which: UsageFilter) -> None:
    """Refuse texts that no model and no tag can be. Raises `Invalid`."""
    for name, texts in (("model", which.models), ("tag", which.tags)):
        if texts is not None and not all(_is_text(one) for one in texts):
            raise Invalid(**{name: f"Write 1 to {TEXT_LENGTH} characters."})


def _is_text(text: str) -> bool:
    return 0 < len(text) <= TEXT_LENGTH and "\0" not in text and text.isprintable()


def ids_of(which: UsageFilter) -> tuple[Sequence[UUID], Sequence[UUID]]:
    """List the members and keys that are named."""
    return which.member_ids or (), which.api_key_ids or ()
