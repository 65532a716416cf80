"""What a page of usage is asked for, as its address says it: whose calls, of which range, which of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from starlette.datastructures import QueryParams

from app.errors import Invalid
from app.ids import id_of, wire_id
from app.permissions import AccountKind
from app.resolvers import usage_overviews
from app.resolvers.usage import NOUN, Dimension, UsageFilter
from app.resolvers.usage_overviews import Label, Value
from app.web.forms import only
from app.web.portal.bars import address
from app.web.portal.frame import Room
from app.web.portal.ranges import DEFAULT, Range, preset_range, read_range

PARAMETER = {
    Dimension.MODEL: "model",
    Dimension.MEMBER: "member",
    Dimension.API_KEY: "key",
    Dimension.TAG: "tag",
}
KIND_OF_ID = {Dimension.MEMBER: "member", Dimension.API_KEY: "api_key"}
NO_TAG = "no tag"
MINE, ALL = "mine", "all"

Parameters = Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Asked:
    """A view of usage. `errors` are sentences about the dates, which then are the default ones."""

    path: str
    records_path: str
    range: Range
    mine: bool
    """Only the viewer's own calls."""
    mine_by_default: bool
    filters: Mapping[Dimension, str]
    """By dimension, the one value that is filtered by, as the address has it."""
    more: Mapping[str, str]
    """What else the address says, and every link of the page keeps."""
    errors: Mapping[str, str]

    @property
    def which(self) -> UsageFilter:
        """The filter. Raises `NotFound` for an id that is none of ours."""
        member, key = (self.filters.get(one) for one in (Dimension.MEMBER, Dimension.API_KEY))
        model, tag = (self.filters.get(one) for one in (Dimension.MODEL, Dimension.TAG))
        return UsageFilter(
            models=None if model is None else (model,),
            member_ids=None if member is None else (id_of("member", member),),
            api_key_ids=None if key is None else (id_of("api_key", key),),
            tags=None if tag is None else (tag,),
        )

    def parameters(self) -> dict[str, str]:
        """Name this view."""
        whose = {} if self.mine == self.mine_by_default else {"whose": MINE if self.mine else ALL}
        chosen = {PARAMETER[one]: value for one, value in self.filters.items()}
        return {**self.range.asked, **whose, **chosen, **self.more}

    def link(self, path: str = "", **changed: str | None) -> str:
        """Give the address of this view, or of one that differs in some parameters; None leaves one out."""
        return self.address(changed, path)

    def address(self, changed: Parameters, path: str = "") -> str:
        """Give such an address, on this page or another one."""
        return address(path or self.path, {**self.parameters(), **changed})

    def records(self, changed: Parameters) -> str:
        """Give the address of the records behind this view, or a part of it."""
        view = dict.fromkeys(self.more)
        return self.address({**view, **changed}, self.records_path)

    def with_range(self, asked: Parameters) -> dict[str, str | None]:
        """Give the parameters of another range, in place of this one's."""
        return {"range": None, "from": None, "to": None, **asked}

    def narrowed(self, dimension: Dimension, value: Value) -> dict[str, str | None]:
        """Give the parameters that filter by one value of a dimension too."""
        return {PARAMETER[dimension]: written(dimension, value)}


def written(dimension: Dimension, value: Value) -> str:
    """Write a value as an address has it."""
    return value if isinstance(value, str) else wire_id(KIND_OF_ID[dimension], value)


def label_of(dimension: Dimension, name: str) -> str:
    """Name a value on a page."""
    return NO_TAG if dimension is Dimension.TAG and not name else name or "unnamed"


def sees_all(room: Room) -> bool:
    """Tell whether everybody's usage is another thing than one's own here, and the viewer may see it."""
    shared = room.seat.kind is AccountKind.ORGANIZATION
    return shared and room.can(usage_overviews.usage_overview)


def read_asked(room: Room, path: str, more: Mapping[str, str], default: str = DEFAULT) -> Asked:
    """Read an address. Raises `BadRequest` for what is given twice, `Invalid` for what is no choice."""
    given = room.request.query_params
    mine_by_default = not sees_all(room)
    whose = only(given, "whose") or (MINE if mine_by_default else ALL)
    if whose not in (MINE, ALL):
        raise Invalid(whose="Choose mine or all.")
    filters = {
        dimension: value for dimension, name in PARAMETER.items() if (value := only(given, name))
    }
    span, errors = _range(given, room.seat.now, default)
    return Asked(
        path, room.path("usage"), span, whose == MINE, mine_by_default, filters, more, errors
    )


def _range(given: QueryParams, now: datetime, default: str) -> tuple[Range, Mapping[str, str]]:
    asked = {name: only(given, name) or "" for name in ("range", "from", "to")}
    try:
        return read_range(asked, now, default), {}
    except Invalid as refusal:
        errors = {one["field"]: one["message"] for one in refusal.fields}
        if "range" in errors:
            raise
        return preset_range(default, now), errors


@dataclass(frozen=True, slots=True)
class Link:
    """A choice: what it is called, where it leads, whether it is the present one."""

    label: str
    path: str
    current: bool = False


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter that is set: of which kind, its value, and the address without it."""

    noun: str
    label: str
    path: str


def chips(asked: Asked, labels: Mapping[UUID, Label]) -> list[Chip]:
    """Show the filters that are set."""
    which = asked.which
    shown = []
    for dimension, value in asked.filters.items():
        ids = {Dimension.MEMBER: which.member_ids, Dimension.API_KEY: which.api_key_ids}
        known = ids.get(dimension)
        name = labels[known[0]].name if known else value
        path = asked.address({PARAMETER[dimension]: None})
        shown.append(Chip(NOUN[dimension], label_of(dimension, name), path))
    return shown


def crumbs(shown: Sequence[Chip], asked: Asked, dashboard: str, here: str = "") -> list[Link]:
    """Lead back step by step from a part of the dashboard, or from the calls behind a part of it (`here`).

    The first step is the dashboard without filters. From calls, a range of one bar is left behind.
    """
    if not (shown or here):
        return []
    away: dict[str, str | None] = dict.fromkeys(asked.more) if here else {}
    if here and not asked.range.preset:
        away |= asked.with_range({})
    steps = list(asked.filters)
    links = []
    for count in range(len(steps) + 1):
        off: dict[str, str | None] = {PARAMETER[one]: None for one in steps[count:]}
        label = shown[count - 1].label if count else "Dashboard"
        links.append(Link(label, asked.address({**away, **off}, dashboard)))
    last = Link(here, "", current=True) if here else replace(links.pop(), current=True)
    return [*links, last]


def preset_links(asked: Asked, presets: Mapping[str, str], default: str = DEFAULT) -> list[Link]:
    """Lead to the presets of ranges."""
    return [
        Link(
            label,
            asked.address(asked.with_range({"range": None if name == default else name})),
            asked.range.preset == name,
        )
        for name, label in presets.items()
    ]


def whose_links(asked: Asked) -> list[Link]:
    """Lead to everybody's usage and to one's own, for who may see both."""
    own = replace(asked, mine=True)
    everybody = replace(asked, mine=False)
    return [
        Link("Organization", everybody.link(), not asked.mine),
        Link("Only mine", own.link(member=None), asked.mine),
    ]
