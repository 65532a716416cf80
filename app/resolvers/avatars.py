"""Avatars: a person's picture as we serve it, at the address that shows it was given by us."""

import hmac
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import and_, select
from sqlmodel import col

from app.access import Actor, Viewer, anyone, system
from app.database import AnySelect, now, upsert
from app.errors import NotFound
from app.integrations.pictures import Picture
from app.models import Avatar, User
from app.resolvers._avatars import avatar_tag

TRY_AGAIN_AFTER = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class AvatarRow:
    """A person's name and picture. `fetch_from` is where to ask for a picture that is not here yet."""

    name: str
    picture: Picture | None
    fetch_from: str | None


@anyone
async def avatar(viewer: Viewer, user_id: UUID, tag: str) -> AvatarRow:
    """Show a person's picture to whom its address was shown. Raises `NotFound`, for an older picture's address too."""
    kept = and_(
        col(Avatar.user_id) == col(User.id), col(Avatar.picture_url) == col(User.picture_url)
    )
    statement: AnySelect = (
        select(
            col(User.name),
            col(User.picture_url),
            col(Avatar.media_type),
            col(Avatar.content),
            col(Avatar.fetched_at),
            now().label("now"),
        )
        .join_from(User, Avatar, kept, isouter=True)
        .where(col(User.id) == user_id)
    )
    row = await viewer.database.row(statement)
    url = row.picture_url if row else None
    if row is None or not hmac.compare_digest(
        tag.encode(), avatar_tag(viewer.settings, user_id, url).encode()
    ):
        raise NotFound
    if row.content is not None:
        return AvatarRow(row.name, Picture(row.media_type, row.content), None)
    tried = row.fetched_at is not None and row.now - row.fetched_at < TRY_AGAIN_AFTER
    return AvatarRow(row.name, None, None if tried else url)


@system
async def keep_picture(actor: Actor, user_id: UUID, url: str, picture: Picture | None) -> None:
    """Keep what was found at a person's picture address, in place of what was kept before."""
    row = {
        "user_id": user_id,
        "picture_url": url,
        "media_type": picture.media_type if picture else None,
        "content": picture.content if picture else None,
        "fetched_at": actor.now,
    }
    replaced = ("picture_url", "media_type", "content", "fetched_at")
    await upsert(actor.session, Avatar, [row], unique=("user_id",), replace=replaced)
