"""The first call of a standard key leaves one event, in the transaction that books it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sqlalchemy import select
from sqlmodel import col

from app.models import AuditActorKind, AuditEvent
from tests.metering.desk import Desk, code_of


async def first_uses(desk: Desk) -> list[Any]:
    statement = select(AuditEvent).where(col(AuditEvent.action) == "use_api_key_first")
    return list(await desk.scene.database.rows(statement))


async def test_only_the_first_call_of_a_key_is_audited_whatever_the_month(
    desk: Desk, shift_clock: Callable[[timedelta], None]
) -> None:
    secret, other = await desk.key(), await desk.key()
    granted = [await desk.authorize(secret), await desk.authorize(secret)]
    assert await code_of(desk.settle(granted[0].hold_id, 10_000_001)) == "overrun_too_large"
    await desk.release((await desk.authorize(other)).hold_id)
    assert await first_uses(desk) == [], "no call has been made yet"
    for one in granted:
        await desk.settle(one.hold_id)
    (event,) = await first_uses(desk)
    assert (event.actor_kind, event.actor_id) == (AuditActorKind.USER, desk.owner.person.id)
    assert (event.target_kind, event.target_id) == ("api_key", granted[0].api_key_id)
    assert (event.account_id, event.target_name) == (desk.account_id, "a key")
    shift_clock(timedelta(days=40))
    await desk.settle((await desk.authorize(secret)).hold_id)
    assert len(await first_uses(desk)) == 1
    await desk.settle((await desk.authorize(other)).hold_id)
    assert len(await first_uses(desk)) == 2
    await desk.scene.promises()
