"""The audit log: events, and the filter of the list."""

from datetime import datetime
from uuid import UUID

import strawberry

from app.errors import Invalid
from app.ids import KINDS, read_wire_id
from app.models import AuditActorKind
from app.resolvers.audit import AuditFilter as EventFilter
from app.resolvers.audit import AuditRow
from app.schema.context import Info, given, listed
from app.schema.nodes import Node, node_id
from app.schema.scalars import JSON

ACTOR_ID_KINDS = {AuditActorKind.USER: "user", AuditActorKind.MANAGEMENT_KEY: "management_key"}


@strawberry.type(description="One change of state: who, what, on whom, before and after, when.")
class AuditEvent(Node):
    """One event."""

    action: str
    actor_kind: AuditActorKind
    actor_id: strawberry.ID | None
    actor_name: str
    target_id: strawberry.ID | None
    target_name: str | None
    before: JSON | None
    after: JSON | None
    request_id: str | None
    ip: str | None
    at: datetime


def _optional_id(kind: str | None, value: UUID | None) -> strawberry.ID | None:
    return node_id(kind, value) if kind in KINDS and value is not None else None


def audit_event(row: AuditRow) -> AuditEvent:
    """Show one event."""
    return AuditEvent(
        id=node_id("audit_event", row.id),
        action=row.action,
        actor_kind=row.actor_kind,
        actor_id=_optional_id(ACTOR_ID_KINDS.get(row.actor_kind), row.actor_id),
        actor_name=row.actor_name,
        target_id=_optional_id(row.target_kind, row.target_id),
        target_name=row.target_name,
        before=row.before,
        after=row.after,
        request_id=row.request_id,
        ip=row.ip,
        at=row.at,
    )


@strawberry.input(description="Which events; what is left out does not filter.")
class AuditFilter:
    """Which events; `from` is inclusive, `to` exclusive."""

    actions: list[str] | None = strawberry.UNSET
    actor_ids: list[strawberry.ID] | None = strawberry.UNSET
    target_ids: list[strawberry.ID] | None = strawberry.UNSET
    from_: datetime | None = strawberry.field(
        name="from", description="Inclusive.", default=strawberry.UNSET
    )
    to: datetime | None = strawberry.field(description="Exclusive.", default=strawberry.UNSET)


def event_filter(info: Info, which: AuditFilter | None) -> EventFilter:
    """Read a filter. Raises `Invalid` for ids that are none and lists that are too long."""
    asked = given(which)
    if asked is None:
        return EventFilter()
    return EventFilter(
        _actions(info, given(asked.actions)),
        _ids(info, "actorIds", given(asked.actor_ids)),
        _ids(info, "targetIds", given(asked.target_ids)),
        given(asked.from_),
        given(asked.to),
    )


def _actions(info: Info, actions: list[str] | None) -> tuple[str, ...] | None:
    if actions is None:
        return None
    # Actions are names of verbs: whatever else is asked for would only trouble the database.
    if not all(action.isidentifier() for action in listed(info, "actions", actions)):
        raise Invalid(actions="Name actions, such as set_member_quota.")
    return tuple(actions)


def _ids(info: Info, field_name: str, texts: list[strawberry.ID] | None) -> tuple[UUID, ...] | None:
    if texts is None:
        return None
    found = [read_wire_id(text) for text in listed(info, field_name, texts)]
    ids = tuple(one[1] for one in found if one is not None)
    if len(ids) < len(found):
        raise Invalid(**{field_name: "This is no id of ours."})
    return ids
