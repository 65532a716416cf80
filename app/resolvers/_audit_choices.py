"""What an audit log may be filtered by: what was done lately, and by whom; and what chosen ids are called."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import cast, func, literal, null, select, union_all
from sqlalchemy.types import String
from sqlmodel import col

from app.access import Seat, Viewer
from app.errors import NotFound
from app.models import AuditEvent

LATEST = 5000
MOST_ACTORS = 50
_ACTION, _ACTOR, _NAMED = range(3)


@dataclass(frozen=True, slots=True)
class AuditChoices:
    """Actions and actors of the latest events, and the names of the ids that were asked for."""

    actions: Sequence[str]
    actors: Mapping[UUID, str]
    names: Mapping[UUID, str]


async def choices_of(viewer: Viewer, seat: Seat, ids: Sequence[UUID]) -> AuditChoices:
    """Read them by one statement. Raises `NotFound` for an id that no event of this account names."""
    event = AuditEvent
    own: Any = col(event.account_id) == seat.account_id
    newest = (col(event.at).desc(), col(event.id).desc())
    columns = (col(event.action), col(event.actor_id), col(event.actor_name))
    latest = select(*columns).where(own).order_by(*newest).limit(LATEST).subquery("latest")
    actions = select(
        literal(_ACTION), cast(null(), String), latest.c.action, func.count().label("events")
    ).group_by(latest.c.action)
    who = cast(latest.c.actor_id, String).label("who")
    actors: Any = select(
        literal(_ACTOR), who, func.max(latest.c.actor_name), func.count().label("events")
    )
    actors = actors.where(latest.c.actor_id.is_not(None)).group_by(latest.c.actor_id)
    actors = select(actors.order_by(func.count().desc(), who).limit(MOST_ACTORS).subquery())
    parts = [actions, actors]
    for column, name in ((event.actor_id, event.actor_name), (event.target_id, event.target_name)):
        text = cast(col(column), String)
        named = select(literal(_NAMED), text, func.max(col(name)), func.count())
        parts.append(named.where(own, col(column).in_(ids)).group_by(col(column)))
    found: list[list[tuple[str, str]]] = [[], [], []]
    for kind, value, name, _events in await viewer.database.rows(union_all(*parts)):
        found[kind].append((value, name or ""))
    names = {UUID(value): name for value, name in found[_NAMED]}
    if set(ids) - names.keys():
        raise NotFound
    actor_names = {UUID(value): name for value, name in found[_ACTOR]}
    return AuditChoices(sorted(name for _none, name in found[_ACTION]), actor_names, names)
