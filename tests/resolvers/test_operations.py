"""What the operator does: granted, adjusted, frozen, each with its audit event."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select
from sqlmodel import col

from app.errors import Dissolved, Invalid, NotFound
from app.ledger.verification import verify
from app.models import AuditActorKind, AuditEvent, Wallet
from app.money import MICRO
from app.resolvers import operations, organizations
from app.resolvers.balances import balance
from app.seats import Viewer
from tests.scene import Scene


def operator_of(scene: Scene) -> Viewer:
    return replace(scene.signed_out(), kind=AuditActorKind.OPERATOR)


async def last_event(scene: Scene) -> Any:
    row = await scene.database.row(
        select(AuditEvent.__table__).order_by(col(AuditEvent.at).desc(), col(AuditEvent.id).desc())
    )
    assert row is not None
    return row


async def test_grants_and_adjustments_move_credits_and_are_audited(scene: Scene) -> None:
    ann, operator = await scene.person("ann"), operator_of(scene)
    account_id = await scene.organization(ann, "Acme")
    assert await operations.grant(operator, "acme", 10 * MICRO, "Welcome") == 10 * MICRO
    event = await last_event(scene)
    assert (event.action, event.actor_kind, event.account_id) == (
        "grant",
        AuditActorKind.OPERATOR,
        account_id,
    )
    assert event.before == {"credits": "0.000000", "reason": None}
    assert event.after == {"credits": "10.000000", "reason": "Welcome"}
    assert await operations.adjust(operator, "acme", -12 * MICRO, "Wrong grant") == -2 * MICRO
    assert await operations.adjust(operator, "acme", 5 * MICRO, "Once more") == 3 * MICRO
    found = await balance(ann, account_id)
    assert (found.credits, found.granted, found.adjusted) == (3 * MICRO, 10 * MICRO, -7 * MICRO)
    assert (await verify(scene.database)).wrong is None


async def test_freezing_stops_and_unfreezing_lets_go_and_twice_is_once(scene: Scene) -> None:
    ann, operator = await scene.person("ann"), operator_of(scene)
    account_id = await scene.organization(ann, "Acme")

    async def frozen() -> bool:
        row = await scene.database.row(
            select(col(Wallet.frozen_at)).where(col(Wallet.account_id) == account_id)
        )
        assert row is not None
        return row[0] is not None

    for verb, state in ((operations.freeze, True), (operations.unfreeze, False)):
        assert await verb(operator, "acme", "Complaint")
        assert await frozen() is state
        event = await last_event(scene)
        assert event.after == {"frozen": state, "reason": "Complaint"}
        count = await scene.audit_count()
        assert not await verb(operator, "acme", "Again")
        assert await scene.audit_count() == count


@pytest.mark.parametrize(
    ("verb", "arguments", "refusal"),
    [
        (operations.grant, ("acme", 0, "Why"), Invalid),
        (operations.grant, ("acme", -1, "Why"), Invalid),
        (operations.grant, ("acme", 1, " "), Invalid),
        (operations.adjust, ("acme", 0, "Why"), Invalid),
        (operations.adjust, ("acme", 1, "\u202e"), Invalid),
        (operations.freeze, ("acme", ""), Invalid),
        (operations.grant, ("nowhere", 1, "Why"), NotFound),
        (operations.adjust, ("nowhere", 1, "Why"), NotFound),
        (operations.unfreeze, ("nowhere", "Why"), NotFound),
        (operations.grant, ("gone", 1, "Why"), Dissolved),
        (operations.freeze, ("gone", "Why"), Dissolved),
    ],
)
async def test_what_makes_no_sense_is_refused_and_nothing_moves(
    scene: Scene, verb: Any, arguments: tuple[Any, ...], refusal: type[Exception]
) -> None:
    ann = await scene.person("ann")
    await scene.organization(ann, "Acme")
    gone = await scene.organization(ann, "Gone")
    await organizations.dissolve_organization(ann, gone, "Gone")
    before = await scene.snapshot()
    with pytest.raises(refusal):
        await verb(operator_of(scene), *arguments)
    assert await scene.snapshot() == before
