"""Dissolving with a balance: below zero refused, a rest waived by its sum, what comes later borne by `dissolved`."""

from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlmodel import col

from app.errors import Dissolved, Invalid, NegativeBalance
from app.ledger.posting import post
from app.ledger.verification import verify
from app.models import AuditEvent, LedgerEntry, LedgerKind, Transfer, Wallet
from app.resolvers.organizations import dissolve_organization
from tests.ledger.books import use
from tests.scene import Scene


async def give(scene: Scene, account_id: UUID, kind: LedgerKind, micro: int) -> None:
    async with scene.database.write() as session:
        await post(session, account_id, kind, micro)


async def test_a_negative_balance_refuses_it(scene: Scene) -> None:
    ann = await scene.person("ann")
    org = await scene.organization(ann, "Acme")
    await give(scene, org, LedgerKind.USAGE, 5)
    before = await scene.snapshot()
    for name, waive in (("Acme", None), ("Acme", -5), ("Other", None)):
        with pytest.raises(NegativeBalance):
            await dissolve_organization(ann, org, name, waive)
    assert await scene.snapshot() == before


@pytest.mark.parametrize("waive", [None, 0, 1, 1_499_999, 1_500_001, -1_500_000])
async def test_a_rest_has_to_be_waived_by_naming_it(scene: Scene, waive: int | None) -> None:
    ann = await scene.person("ann")
    org = await scene.organization(ann, "Acme")
    await give(scene, org, LedgerKind.TOP_UP, 1_500_000)
    before = await scene.snapshot()
    with pytest.raises(Invalid) as refused:
        await dissolve_organization(ann, org, "Acme", waive)
    assert refused.value.fields == [
        {"field": "waive", "message": "Waive exactly what is left: 1.500000 credits."}
    ]
    assert await scene.snapshot() == before


async def test_what_is_not_there_cannot_be_waived(scene: Scene) -> None:
    ann = await scene.person("ann")
    org = await scene.organization(ann, "Acme")
    before = await scene.snapshot()
    with pytest.raises(Invalid, match=r"0\.000000"):
        await dissolve_organization(ann, org, "Acme", 1)
    assert await scene.snapshot() == before
    await dissolve_organization(ann, org, "Acme", 0)


async def test_the_rest_goes_to_dissolved_and_what_comes_later_too(scene: Scene) -> None:
    ann = await scene.person("ann")
    org = await scene.organization(ann, "Acme")
    await give(scene, org, LedgerKind.GRANT, 100)
    await use(scene.database, org, (30,))
    await dissolve_organization(ann, org, "Acme", 70)
    await use(scene.database, org, (8,))
    await give(scene, org, LedgerKind.GRANT, 11)
    transfers = await scene.database.rows(
        select(
            col(Transfer.kind),
            col(Transfer.debit),
            col(Transfer.credit),
            col(Transfer.amount_micro),
            col(Transfer.entry_number),
        ).order_by(col(Transfer.id))
    )
    assert [(*(side.value for side in row[:3]), *row[3:]) for row in transfers] == [
        ("GRANT", "GRANTS", "CREDITS", 100, 1),
        ("USAGE", "CREDITS", "REVENUE", 30, 2),
        ("DISSOLUTION", "CREDITS", "DISSOLVED", 70, 3),
        ("USAGE", "DISSOLVED", "REVENUE", 8, None),
        ("GRANT", "GRANTS", "DISSOLVED", 11, None),
    ]
    wallet = await scene.database.row(
        select(
            col(Wallet.balance_micro),
            col(Wallet.adjusted_micro),
            col(Wallet.used_micro),
            col(Wallet.dissolved_at),
        ).where(col(Wallet.account_id) == org)
    )
    assert wallet is not None
    assert tuple(wallet[:3]) == (0, -70, 30)
    assert wallet[3] is not None
    assert (await verify(scene.database)).wrong is None


async def test_waiving_is_audited_and_signed_by_who_did_it(scene: Scene) -> None:
    ann = await scene.person("ann")
    org = await scene.organization(ann, "Acme")
    await give(scene, org, LedgerKind.GRANT, 2_000_000)
    await dissolve_organization(ann, org, "Acme", 2_000_000)
    rows = await scene.database.rows(
        select(col(AuditEvent.action), col(AuditEvent.before), col(AuditEvent.after)).where(
            col(AuditEvent.action).in_(["waive_credits", "dissolve_organization"])
        )
    )
    found = {row[0]: (row[1], row[2]) for row in rows}
    assert found["waive_credits"] == ({"credits": "2.000000"}, {"credits": "0.000000"})
    assert set(found) == {"waive_credits", "dissolve_organization"}
    entry = await scene.database.row(
        select(col(LedgerEntry.actor_id)).where(col(LedgerEntry.kind) == LedgerKind.DISSOLUTION)
    )
    assert entry is not None
    assert entry[0] == ann.person.id
    with pytest.raises(Dissolved):
        await dissolve_organization(replace(ann, seats={}), org, "Acme")
