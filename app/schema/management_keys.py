"""Management keys: the type, and what can be done to one."""

from datetime import datetime

import strawberry

from app.ids import id_of
from app.resolvers import management_keys
from app.resolvers.management_keys import ManagementKeyRow, NewKey
from app.schema.api_keys import only_given
from app.schema.context import Info, acting, given
from app.schema.nodes import Node, node_id
from app.schema.users import User, user


@strawberry.type(
    description="A management key (sk_mg_…): reads balance and usage, never calls models."
)
class ManagementKey(Node):
    """A management key."""

    name: str
    prefix: str
    last_four: str
    created_by: User
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None


def management_key(row: ManagementKeyRow) -> ManagementKey:
    """Show a management key."""
    return ManagementKey(
        id=node_id("management_key", row.id),
        name=row.name,
        prefix=row.prefix,
        last_four=row.last_four,
        created_by=user(row.created_by),
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
    )


@strawberry.type(description="A management key with its secret, new or rotated.")
class CreatedManagementKey:
    """A key with its secret."""

    secret: str = strawberry.field(description="Shown once.")
    management_key: ManagementKey


async def _created(info: Info, made: NewKey) -> CreatedManagementKey:
    row = await info.context.load(management_keys.management_key, made.id)
    return CreatedManagementKey(secret=made.secret, management_key=management_key(row))


@strawberry.type
class ManagementKeyMutations:
    """What can be done to a management key."""

    @strawberry.mutation(
        description="Makes a management key; its secret is shown once. Needs a fresh sign-in."
    )
    async def create_management_key(
        self,
        info: Info,
        organization_id: strawberry.ID,
        name: str,
        expires_at: datetime | None = strawberry.UNSET,
    ) -> CreatedManagementKey:
        """Make one."""
        account_id = id_of("account", organization_id)
        made = await management_keys.create_management_key(
            acting(info), account_id, name, given(expires_at)
        )
        return await _created(info, made)

    @strawberry.mutation(
        description="Changes a key that the viewer made: what is left out stays, null clears."
    )
    async def update_management_key(
        self,
        info: Info,
        management_key_id: strawberry.ID,
        name: str | None = strawberry.UNSET,
        expires_at: datetime | None = strawberry.UNSET,
    ) -> ManagementKey:
        """Change it."""
        changed = id_of("management_key", management_key_id)
        news = only_given(name=name, expires_at=expires_at)
        await management_keys.update_management_key(acting(info), changed, **news)
        return management_key(await info.context.load(management_keys.management_key, changed))

    @strawberry.mutation(
        description="A new secret for a key that the viewer made; the old one goes on working for "
        "`overlapMinutes`, at most 1440. Needs a fresh sign-in."
    )
    async def rotate_management_key(
        self, info: Info, management_key_id: strawberry.ID, overlap_minutes: int = 0
    ) -> CreatedManagementKey:
        """Rotate it."""
        rotated = id_of("management_key", management_key_id)
        made = await management_keys.rotate_management_key(acting(info), rotated, overlap_minutes)
        return await _created(info, made)

    @strawberry.mutation(description="Ends a management key for ever, whoever made it.")
    async def revoke_management_key(
        self, info: Info, management_key_id: strawberry.ID
    ) -> ManagementKey:
        """Revoke it."""
        ended = id_of("management_key", management_key_id)
        await management_keys.revoke_management_key(acting(info), ended)
        return management_key(await info.context.load(management_keys.management_key, ended))
