"""Node: everything that has a global id."""

from uuid import UUID

import strawberry

from app.ids import wire_id


@strawberry.interface(description="Anything that has a global id.")
class Node:
    """Anything that has a global id."""

    id: strawberry.ID


def node_id(kind: str, value: UUID) -> strawberry.ID:
    """Write a global id."""
    return strawberry.ID(wire_id(kind, value))
