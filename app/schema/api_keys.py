"""Standard keys: the type, and what can be done to one."""

from datetime import datetime
from typing import Any

import strawberry

from app.ids import id_of
from app.money import UNLIMITED
from app.resolvers import api_keys
from app.resolvers.api_keys import ApiKeyRow, NewKey
from app.schema.context import Info, acting, given
from app.schema.nodes import Node, node_id
from app.schema.scalars import Credits, Quota
from app.schema.users import User, user


@strawberry.type(description="A standard key (sk_…): calls models, nothing else.")
class ApiKey(Node):
    """A standard key."""

    name: str
    prefix: str = strawberry.field(
        description="First characters and last four, for telling keys apart; the secret is never shown again."
    )
    last_four: str
    owner: User
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None
    tag: str | None
    monthly_limit: Quota = strawberry.field(
        description="Own monthly limit within the member's quota."
    )
    monthly_usage: Credits = strawberry.field(
        description="Credits used this calendar month (UTC), holds left out."
    )


def api_key(row: ApiKeyRow) -> ApiKey:
    """Show a standard key."""
    return ApiKey(
        id=node_id("api_key", row.id),
        name=row.name,
        prefix=row.prefix,
        last_four=row.last_four,
        owner=user(row.owner),
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        tag=row.tag,
        monthly_limit=Quota(row.monthly_limit),
        monthly_usage=Credits(row.monthly_usage),
    )


@strawberry.type(description="A key with its secret, new or rotated.")
class CreatedApiKey:
    """A key with its secret."""

    secret: str = strawberry.field(description="Shown once.")
    api_key: ApiKey


async def _created(info: Info, made: NewKey) -> CreatedApiKey:
    row = await info.context.load(api_keys.api_key, made.id)
    return CreatedApiKey(secret=made.secret, api_key=api_key(row))


def only_given(**arguments: Any) -> dict[str, Any]:
    """Keep the arguments that were given, null among them; the rest keep their values."""
    return {name: value for name, value in arguments.items() if value is not strawberry.UNSET}


@strawberry.type
class ApiKeyMutations:
    """What can be done to a standard key."""

    @strawberry.mutation(
        description="Makes a standard key for the viewer; its secret is shown once."
    )
    async def create_api_key(
        self,
        info: Info,
        account_id: strawberry.ID,
        name: str,
        expires_at: datetime | None = strawberry.UNSET,
        monthly_limit: Quota = Quota(UNLIMITED),  # noqa: B008 - a plain number
        tag: str | None = strawberry.UNSET,
    ) -> CreatedApiKey:
        """Make one."""
        made = await api_keys.create_api_key(
            acting(info),
            id_of("account", account_id),
            name,
            given(expires_at),
            monthly_limit,
            given(tag),
        )
        return await _created(info, made)

    @strawberry.mutation(description="Changes one's own key: what is left out stays, null clears.")
    async def update_api_key(
        self,
        info: Info,
        api_key_id: strawberry.ID,
        name: str | None = strawberry.UNSET,
        expires_at: datetime | None = strawberry.UNSET,
        monthly_limit: Quota | None = strawberry.UNSET,
        tag: str | None = strawberry.UNSET,
    ) -> ApiKey:
        """Change it."""
        changed = id_of("api_key", api_key_id)
        news = only_given(name=name, expires_at=expires_at, monthly_limit=monthly_limit, tag=tag)
        await api_keys.update_api_key(acting(info), changed, **news)
        return api_key(await info.context.load(api_keys.api_key, changed))

    @strawberry.mutation(
        description="A new secret for the same key; the old one goes on working for `overlapMinutes`, at most 1440."
    )
    async def rotate_api_key(
        self, info: Info, api_key_id: strawberry.ID, overlap_minutes: int = 0
    ) -> CreatedApiKey:
        """Rotate it."""
        rotated = id_of("api_key", api_key_id)
        made = await api_keys.rotate_api_key(acting(info), rotated, overlap_minutes)
        return await _created(info, made)

    @strawberry.mutation(
        description="Ends a key for ever: one's own, or with MANAGE_ALL_KEYS one of somebody of a lower role."
    )
    async def revoke_api_key(self, info: Info, api_key_id: strawberry.ID) -> ApiKey:
        """Revoke it."""
        ended = id_of("api_key", api_key_id)
        await api_keys.revoke_api_key(acting(info), ended)
        return api_key(await info.context.load(api_keys.api_key, ended))
