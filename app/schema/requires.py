"""`@requires`: the permission of a field, taken from its verb, printed into the schema and checked."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import strawberry
from strawberry.extensions import FieldExtension
from strawberry.schema_directive import Location
from strawberry.types.field import StrawberryField

from app.access import Reading
from app.errors import Forbidden
from app.permissions import Permission


@strawberry.schema_directive(
    name="requires",
    locations=[Location.FIELD_DEFINITION],
    description="The field answers only actors that hold this permission in the account. "
    "Others get null and a FORBIDDEN error.",
)
class Requires:
    """The directive of the contract."""

    permission: Permission


class HasPermissions(Protocol):
    """What `@requires` can stand on: a thing that knows what its viewer may do there."""

    viewer_permissions: list[Permission]


class RequiresPermissionOf(FieldExtension):
    """Take a field's permission from the verb behind it, so that schema and check cannot drift apart.

    The verb checks too; here a refused field costs no statement.
    """

    def __init__(self, verb: Reading[Any, Any]) -> None:
        if verb.declared.permission is None:
            raise TypeError(f"{verb.declared.name} asks for no permission")
        self.permission = verb.declared.permission

    def apply(self, field: StrawberryField) -> None:
        """Print the directive, once: a field that types inherit is one and the same object."""
        if not any(isinstance(one, Requires) for one in field.directives):
            field.directives = [*field.directives, Requires(permission=self.permission)]

    async def resolve_async(
        self,
        next_: Callable[..., Awaitable[Any]],
        source: HasPermissions,
        info: strawberry.Info,
        **kwargs: Any,
    ) -> Any:
        """Refuse, or go on. Raises `Forbidden`."""
        if self.permission not in source.viewer_permissions:
            raise Forbidden
        return await next_(source, info, **kwargs)


def requires(verb: Reading[Any, Any], description: str | None = None) -> Any:
    """Declare a field that needs the permission of its verb."""
    return strawberry.field(extensions=[RequiresPermissionOf(verb)], description=description)
