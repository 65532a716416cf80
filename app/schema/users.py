"""Users, as far as the viewer may see them."""

import strawberry

from app.resolvers.users import UserRow
from app.schema.nodes import Node, node_id


@strawberry.type(
    description="A person. The e-mail is for oneself and for VIEW_MEMBERS in an account that both belong to."
)
class User(Node):
    """A person."""

    name: str
    email: str | None
    row: strawberry.Private[UserRow]

    @strawberry.field
    def avatar_url(self) -> str | None:
        """Sign the picture's address, when asked for it."""
        return self.row.avatar_url


def user(row: UserRow) -> User:
    """Show a person."""
    return User(id=node_id("user", row.id), name=row.name, email=row.email, row=row)
