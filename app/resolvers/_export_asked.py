"""What an export is asked for: the query of the page, kept as JSON until the file is written."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from app.models import ExportWhat, FileFormat
from app.resolvers._usage_query import (
    NOUN,
    Dimension,
    RecordsQuery,
    UsageFilter,
    UsageQuery,
    check_query,
)
from app.resolvers._usage_records import check_records
from app.zones import Granularity


@dataclass(frozen=True, slots=True)
class ExportAsked:
    """Rows of calls in [start, end), or, with `granularity`, their sums by `split`. `name` is the file's, without its ending.

    `filters` say in words, by noun, what is filtered by; who asks leaves them empty.
    """

    what: ExportWhat
    format: FileFormat
    start: datetime
    end: datetime
    which: UsageFilter
    name: str
    split: Dimension = Dimension.MODEL
    granularity: Granularity = Granularity.DAY
    filters: Mapping[str, str] = field(default_factory=dict)

    @property
    def records(self) -> RecordsQuery:
        """The query of records."""
        return RecordsQuery(self.start, self.end, self.which)

    @property
    def sums(self) -> UsageQuery:
        """The query of sums."""
        return UsageQuery(self.start, self.end, self.granularity, (self.split,), self.which)

    @property
    def whole(self) -> UsageQuery:
        """The query of what all rows add up to."""
        return UsageQuery(self.start, self.end, Granularity.TOTAL, which=self.which)

    def check(self) -> None:
        """Refuse what makes no sense. Raises `Invalid`."""
        if self.what is ExportWhat.RECORDS:
            check_records(self.records)
        else:
            check_query(self.sums)

    def named(self, names: Mapping[UUID, str]) -> Self:
        """Say the filters in words, with the names of members and keys."""
        which = self.which
        values: dict[Dimension, Any] = {
            Dimension.MODEL: which.models,
            Dimension.MEMBER: which.member_ids,
            Dimension.API_KEY: which.api_key_ids,
            Dimension.TAG: which.tags,
        }
        filters = {
            NOUN[dimension]: ", ".join(names[one] if isinstance(one, UUID) else one for one in some)
            for dimension, some in values.items()
            if some
        }
        return replace(self, filters=filters)

    def text(self) -> str:
        """Write it as JSON."""
        which = self.which
        plain = {
            "what": self.what.value,
            "format": self.format.value,
            "from": self.start.isoformat(),
            "to": self.end.isoformat(),
            "models": which.models,
            "members": _texts(which.member_ids),
            "keys": _texts(which.api_key_ids),
            "tags": which.tags,
            "name": self.name,
            "split": self.split.value,
            "granularity": self.granularity.value,
            "filters": self.filters,
        }
        return json.dumps(plain, ensure_ascii=False)

    @classmethod
    def read(cls, text: str) -> Self:
        """Read what `text` wrote."""
        plain = json.loads(text)
        return cls(
            what=ExportWhat(plain["what"]),
            format=FileFormat(plain["format"]),
            start=datetime.fromisoformat(plain["from"]),
            end=datetime.fromisoformat(plain["to"]),
            which=UsageFilter(
                models=_tuple(plain["models"]),
                member_ids=_ids(plain["members"]),
                api_key_ids=_ids(plain["keys"]),
                tags=_tuple(plain["tags"]),
            ),
            name=plain["name"],
            split=Dimension(plain["split"]),
            granularity=Granularity(plain["granularity"]),
            filters=plain["filters"],
        )


def _texts(ids: tuple[UUID, ...] | None) -> list[str] | None:
    return None if ids is None else [one.hex for one in ids]


def _ids(texts: list[str] | None) -> tuple[UUID, ...] | None:
    return None if texts is None else tuple(UUID(one) for one in texts)


def _tuple(texts: list[str] | None) -> tuple[str, ...] | None:
    return None if texts is None else tuple(texts)
