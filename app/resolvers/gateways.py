"""Gateways: the services that run the models, and the tokens by which they ask us. For the operator alone."""

import hmac
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy import func, select
from sqlmodel import col

from app.access import Actor, Viewer, anyone, system
from app.credentials import KeyKind, key_kind, new_key_secret, secret_hash
from app.database import insert_or_ignore, locked
from app.errors import NotFound
from app.models.metering import Gateway, GatewayToken
from app.text import clean_name

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class GatewayRow:
    """A gateway, how many of its tokens work, and when the newest of all was made."""

    id: UUID
    name: str
    created_at: datetime
    tokens: int
    newest_token_at: datetime | None


@system
async def create_gateway(actor: Actor, name: str) -> str:
    """Make a gateway, or give the one of this name a further token; the token is told this once.

    A gateway has two tokens while they are changed: make the new one, let the gateway use it,
    then revoke the older ones. Raises `Invalid`.
    """
    name = clean_name(name)
    await insert_or_ignore(actor.session, Gateway(name=name, created_at=actor.now), ("name",))
    gateway = await _locked(actor, name)
    token = new_key_secret("gw_")
    pepper = actor.settings.key_pepper.get_secret_value()
    actor.session.add(
        GatewayToken(
            gateway_id=gateway.id,
            secret_hash=secret_hash(pepper, token),
            created_at=actor.now,
        )
    )
    log.info("gateway_token_created", gateway=name, gateway_id=str(gateway.id))
    return token


@system
async def list_gateways(actor: Actor) -> list[GatewayRow]:
    """List all gateways by name."""
    live = func.count(col(GatewayToken.id)).filter(col(GatewayToken.revoked_at).is_(None))
    statement = (
        select(
            col(Gateway.id),
            col(Gateway.name),
            col(Gateway.created_at),
            live,
            func.max(col(GatewayToken.created_at)),
        )
        .outerjoin(GatewayToken, col(GatewayToken.gateway_id) == col(Gateway.id))
        .group_by(col(Gateway.id), col(Gateway.name), col(Gateway.created_at))
        .order_by(col(Gateway.name))
    )
    return [GatewayRow(*row) for row in (await actor.session.execute(statement)).all()]


@system
async def revoke_gateway(actor: Actor, name: str, *, keep_newest: bool = False) -> int:
    """End a gateway's tokens, all of them or all but the newest; tells how many ended. Raises `NotFound`.

    The gateway itself stays, since holds and usage name it.
    """
    gateway = await _locked(actor, clean_name(name))
    newest_first = col(GatewayToken.created_at).desc(), col(GatewayToken.id).desc()
    statement = (
        select(GatewayToken)
        .where(col(GatewayToken.gateway_id) == gateway.id, col(GatewayToken.revoked_at).is_(None))
        .order_by(*newest_first)
    )
    live = (await actor.session.execute(statement)).scalars().all()
    ended = live[1:] if keep_newest else live
    for token in ended:
        token.revoked_at = actor.now
    log.info("gateway_tokens_revoked", gateway=gateway.name, ended=len(ended))
    return len(ended)


async def _locked(actor: Actor, name: str) -> Gateway:
    statement = locked(select(Gateway).where(col(Gateway.name) == name))
    gateway: Gateway | None = (await actor.session.execute(statement)).scalar_one_or_none()
    if gateway is None:
        raise NotFound(f"There is no gateway called {name}.")
    return gateway


@anyone
async def gateway_of_token(viewer: Viewer, token: str) -> UUID | None:
    """Find the gateway that a token stands for, by one statement; None for what is none or has ended.

    Asked anew at every request: a revoked token is refused from the next one on.
    """
    if key_kind(token) is not KeyKind.GATEWAY:
        return None
    hashed = secret_hash(viewer.settings.key_pepper.get_secret_value(), token)
    statement = select(col(GatewayToken.gateway_id), col(GatewayToken.secret_hash)).where(
        col(GatewayToken.secret_hash) == hashed, col(GatewayToken.revoked_at).is_(None)
    )
    row = await viewer.database.row(statement)
    if row is None or not hmac.compare_digest(row.secret_hash, hashed):
        return None
    gateway_id: UUID = row.gateway_id
    return gateway_id
