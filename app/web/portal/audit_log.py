"""Audit log: who did what, to whom, when; filtered as the address says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from app.errors import Invalid, NotFound
from app.ids import KINDS, read_wire_id, wire_id
from app.models import AuditActorKind
from app.resolvers import audit
from app.resolvers.audit import AuditFilter, AuditRow
from app.web.forms import only
from app.web.portal.audit_words import Change, changes, choice, done
from app.web.portal.bars import address
from app.web.portal.frame import Room, room_of
from app.web.portal.ranges import Range, read_range
from app.web.portal.usage_asked import Chip, Link

ROWS = 50
PRESETS = {"": "All", "7d": "7 days", "30d": "30 days", "90d": "90 days"}
KIND_OF_ACTOR = {
    AuditActorKind.USER: "user",
    AuditActorKind.MANAGEMENT_KEY: "management_key",
}


@dataclass(frozen=True, slots=True)
class AuditAsked:
    """A view of the log, as its address says it. `range` is None for all times."""

    path: str
    range: Range | None
    action: str
    actor: str
    target: str
    errors: dict[str, str]

    def parameters(self) -> dict[str, str]:
        """Name this view."""
        given = {"action": self.action, "actor": self.actor, "target": self.target}
        span = self.range.asked if self.range else {}
        return {**span, **{name: value for name, value in given.items() if value}}

    def link(self, path: str = "", **changed: str | None) -> str:
        """Give the address of this view, or of one that differs in some parameters; None leaves one out."""
        return address(path or self.path, {**self.parameters(), **changed})

    @property
    def ids(self) -> tuple[UUID, ...]:
        """The ids that are filtered by. Raises `NotFound` for what is none of ours."""
        return tuple(_id_of(one) for one in (self.actor, self.target) if one)

    @property
    def which(self) -> AuditFilter:
        """The filter. Raises `NotFound` for an id that is none of ours."""
        return AuditFilter(
            actions=(self.action,) if self.action else None,
            actor_ids=(_id_of(self.actor),) if self.actor else None,
            target_ids=(_id_of(self.target),) if self.target else None,
            start=self.range.start if self.range else None,
            end=self.range.end if self.range else None,
        )


def _id_of(text: str) -> UUID:
    found = read_wire_id(text)
    if found is None:
        raise NotFound
    return found[1]


@dataclass(frozen=True, slots=True)
class EventLine:
    """One event, as a sentence: who, did what, to whom. Paths are empty where nothing is to be filtered by."""

    id: str
    at: datetime
    actor: str
    actor_kind: str
    actor_path: str
    done: str
    target: str
    target_path: str
    changes: Sequence[Change]
    ip: str
    request_id: str


@dataclass(frozen=True, slots=True)
class AuditPage:
    """The log."""

    template: ClassVar[str] = "audit.html"

    asked: AuditAsked
    now: datetime
    count: int
    presets: Sequence[Link]
    chips: Sequence[Chip]
    actions: Sequence[tuple[str, str]]
    actors: Sequence[tuple[str, str]]
    lines: Sequence[EventLine]
    first_path: str
    next_path: str
    csv_path: str


async def show(request: Request) -> Response:
    """Show the audit log of an account."""
    room = await room_of(request, "audit")
    asked = read_asked(room)
    after = only(request.query_params, "after") or None
    page = await _page(room, asked, after)
    return await room.page(page, part="audit/log.html", status=422 if asked.errors else 200)


def read_asked(room: Room) -> AuditAsked:
    """Read an address. Raises `BadRequest`, `Invalid`."""
    given = room.request.query_params
    names = ("range", "from", "to", "action", "actor", "target")
    asked = {name: only(given, name) or "" for name in names}
    span, errors = None, {}
    if asked["range"] or asked["from"] or asked["to"]:
        try:
            span = read_range(asked, room.seat.now)
        except Invalid as refusal:
            errors = {one["field"]: one["message"] for one in refusal.fields}
            if "range" in errors:
                raise
    return AuditAsked(
        room.path("management", "audit"),
        span,
        asked["action"],
        asked["actor"],
        asked["target"],
        errors,
    )


async def _page(room: Room, asked: AuditAsked, after: str | None) -> AuditPage:
    viewer, account_id, which = room.viewer, room.seat.account_id, asked.which
    choices = await audit.audit_choices(viewer, account_id, asked.ids)
    found = await audit.audit_log(viewer, account_id, which, ROWS, after)
    last = found.cursor(len(found.rows) - 1) if found.has_next else None
    return AuditPage(
        asked=asked,
        now=room.seat.now,
        count=await audit.count_audit_events(viewer, account_id, which),
        presets=_presets(asked),
        chips=_chips(asked, choices.names),
        actions=[(one, choice(one)) for one in choices.actions],
        actors=sorted(
            ((wire_id("user", one), name) for one, name in choices.actors.items()),
            key=lambda one: one[1].casefold(),
        ),
        lines=[_line(asked, row) for row in found.rows],
        first_path=asked.link() if after else "",
        next_path=asked.link(after=last) if last else "",
        csv_path=asked.link(room.path("management", "audit.csv")),
    )


def _presets(asked: AuditAsked) -> list[Link]:
    bare = {"from": None, "to": None}
    chosen = "" if asked.range is None else asked.range.preset or "own"
    return [
        Link(
            label,
            address(asked.path, {**asked.parameters(), **bare, "range": name or None}),
            chosen == name,
        )
        for name, label in PRESETS.items()
    ]


def _chips(asked: AuditAsked, names: Mapping[UUID, str]) -> list[Chip]:
    shown = []
    if asked.action:
        shown.append(Chip("Action", choice(asked.action), asked.link(action=None)))
    for noun, value in (("Actor", asked.actor), ("Target", asked.target)):
        if value:
            path = address(asked.path, {**asked.parameters(), noun.lower(): None})
            shown.append(Chip(noun, names[_id_of(value)], path))
    return shown


def _line(asked: AuditAsked, row: AuditRow) -> EventLine:
    kind = KIND_OF_ACTOR.get(row.actor_kind)
    actor = wire_id(kind, row.actor_id) if kind and row.actor_id else ""
    target = ""
    if row.target_id and row.target_kind in KINDS:
        target = wire_id(row.target_kind, row.target_id)
    return EventLine(
        id=wire_id("audit_event", row.id),
        at=row.at,
        actor=row.actor_name,
        actor_kind="" if row.actor_kind is AuditActorKind.USER else _kind_word(row.actor_kind),
        actor_path=asked.link(actor=actor) if actor else "",
        done=done(row.action).rstrip(":,"),
        target=row.target_name or "",
        target_path=asked.link(target=target) if target else "",
        changes=changes(row.before, row.after),
        ip=row.ip or "",
        request_id=row.request_id or "",
    )


def _kind_word(kind: AuditActorKind) -> str:
    return kind.value.replace("_", " ").lower()
