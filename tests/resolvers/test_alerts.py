"""Alerts: a letter at each crossing, and none again before more was paid in; a member's at 80 and 100 % of a month."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlmodel import col

from app.errors import Invalid
from app.ledger.posting import post
from app.models import (
    BalanceAlert,
    CounterKind,
    LedgerKind,
    MonthCounter,
    OutboxLetter,
    QuotaAlert,
    Wallet,
)
from app.money import MICRO
from app.permissions import Role
from app.resolvers.alert_letters import send_balance_alerts, send_quota_alerts
from app.resolvers.alerts import list_alerts, set_balance_alerts
from app.resolvers.letters import take_due_letters
from app.resolvers.members import set_member_quota
from app.resolvers.sessions import clock
from app.web.letters import render_letter
from tests.scene import Scene


async def _letters(scene: Scene, kind: str) -> list[tuple[str, dict[str, Any]]]:
    rows = await scene.database.rows(
        select(col(OutboxLetter.recipient), col(OutboxLetter.fields))
        .where(col(OutboxLetter.kind) == kind)
        .order_by(col(OutboxLetter.created_at), col(OutboxLetter.recipient))
    )
    return [tuple(row) for row in rows]


async def _move(scene: Scene, account_id: Any, kind: LedgerKind, credits_: int) -> None:
    async with scene.database.write() as session:
        await post(session, account_id, kind, credits_ * MICRO)


async def _hold(scene: Scene, account_id: Any, credits_: int) -> None:
    async with scene.database.write() as session:
        await session.execute(
            update(Wallet)
            .where(col(Wallet.account_id) == account_id)
            .values(held_micro=credits_ * MICRO)
        )


async def test_a_crossing_is_told_once_and_again_only_after_more_was_paid_in(scene: Scene) -> None:
    ann, bob, cy = [await scene.person(name) for name in ("ann", "bob", "cy")]
    account_id = await scene.organization(ann, "Acme")
    await scene.join(account_id, bob, role=Role.ADMIN)
    await scene.join(account_id, cy)
    await _move(scene, account_id, LedgerKind.GRANT, 100)
    await set_balance_alerts(ann, account_id, [10 * MICRO, 20 * MICRO])
    us = ann.as_system()
    assert await send_balance_alerts(us) == 0
    # A running call holds what is left, and gives it back, and so does the next one.
    for held in (95, 0, 95):
        await _hold(scene, account_id, held)
        await asyncio.gather(*(send_balance_alerts(us) for _ in range(3)))
    await _hold(scene, account_id, 0)
    fields = {
        "account_name": "Acme",
        "threshold": "10",
        "available": "5",
        "path": "/a/acme/credits",
    }
    told = [("ann@example.com", fields), ("bob@example.com", fields)]
    assert await _letters(scene, "balance_alert") == told
    await _move(scene, account_id, LedgerKind.USAGE, 95)
    assert await send_balance_alerts(us) == 0
    await _move(scene, account_id, LedgerKind.GRANT, 10)
    assert await send_balance_alerts(us) == 1
    await _move(scene, account_id, LedgerKind.USAGE, 6)
    assert await send_balance_alerts(us) == 1
    assert [one[1]["available"] for one in await _letters(scene, "balance_alert")] == [
        *("5", "5"),
        *("9", "9"),
    ]


async def test_alerts_are_set_as_a_whole_and_go_to_whom_somebody_named(scene: Scene) -> None:
    ann = await scene.person("ann")
    account_id = await scene.organization(ann, "Acme")
    await set_balance_alerts(ann, account_id, [10 * MICRO, 20 * MICRO])
    first = await list_alerts(ann, account_id)
    assert [one.emails for one in first] == [("ann@example.com",)] * 2
    named = ["Finance@example.com", "finance@example.com "]
    await set_balance_alerts(ann, account_id, [20 * MICRO, 30 * MICRO], named)
    second = await list_alerts(ann, account_id)
    assert [one.threshold_micro for one in second] == [20 * MICRO, 30 * MICRO]
    assert second[0].id == first[1].id
    assert len(second[0].emails) == 1
    before = await scene.snapshot()
    for thresholds, emails in (
        ([-1], None),
        ([n * MICRO for n in range(11)], None),
        ([MICRO], []),
        ([MICRO], ["nobody"]),
        ([MICRO], [f"{n}@example.com" for n in range(11)]),
    ):
        with pytest.raises(Invalid):
            await set_balance_alerts(ann, account_id, thresholds, emails)
    assert await scene.snapshot() == before
    await set_balance_alerts(ann, account_id, [])
    assert await list_alerts(ann, account_id) == []
    rows = await scene.database.rows(select(BalanceAlert.id))
    assert rows == []


async def test_a_member_is_told_at_80_and_100_percent_once_each(scene: Scene) -> None:
    ann, bob, cy = [await scene.person(name) for name in ("ann", "bob", "cy")]
    account_id = await scene.organization(ann, "Acme")
    bob_id, cy_id = [await scene.join(account_id, one) for one in (bob, cy)]
    for member_id in (bob_id, cy_id):
        await set_member_quota(ann, member_id, 50 * MICRO)
    month = (await clock(ann)).date().replace(day=1)

    async def used(member_id: Any, micro: int) -> None:
        async with scene.database.write() as session:
            await session.merge(
                MonthCounter(
                    subject_id=member_id,
                    month=month,
                    account_id=account_id,
                    kind=CounterKind.MEMBER,
                    used_micro=micro,
                )
            )

    us = ann.as_system()
    for micro, percents in (
        (40 * MICRO - 1, []),
        (40 * MICRO, [80]),
        (49 * MICRO, [80]),
        (50 * MICRO, [80, 100]),
        (90 * MICRO, [80, 100]),
    ):
        await used(bob_id, micro)
        await asyncio.gather(*(send_quota_alerts(us) for _ in range(3)))
        letters = await _letters(scene, "quota_alert")
        assert [one[1]["percent"] for one in letters] == percents
    # Who passes both at once gets the last one only.
    await used(cy_id, 60 * MICRO)
    assert await send_quota_alerts(us) == 1
    letters = await _letters(scene, "quota_alert")
    assert [(one[0], one[1]["percent"]) for one in letters][2:] == [("cy@example.com", 100)]
    assert len(await scene.database.rows(select(QuotaAlert.member_id))) == 3
    # A quota too large to multiply, and none at all, are passed over.
    await set_member_quota(ann, bob_id, 10**18)
    await set_member_quota(ann, cy_id, -1)
    assert await send_quota_alerts(us) == 0


async def test_the_letters_say_what_to_do_in_text_and_html(scene: Scene) -> None:
    ann, bob = [await scene.person(name) for name in ("ann", "bob")]
    account_id = await scene.organization(ann, "Acme & Sons")
    await set_balance_alerts(ann, account_id, [MICRO])
    await send_balance_alerts(ann.as_system())
    member_id = await scene.join(account_id, bob)
    await set_member_quota(ann, member_id, MICRO)
    async with scene.database.write() as session:
        month = (await clock(ann)).date().replace(day=1)
        session.add(
            MonthCounter(
                subject_id=member_id,
                month=month,
                account_id=account_id,
                kind=CounterKind.MEMBER,
                used_micro=MICRO,
            )
        )
    await send_quota_alerts(ann.as_system())
    due = {one.kind: one for one in await take_due_letters(ann.as_system(), 10)}
    low = render_letter(scene.settings, due["balance_alert"])
    assert low.subject == "Acme & Sons: 0 credits left"
    assert f"{scene.settings.base_url}/a/acme-sons/credits" in low.text
    assert "Acme &amp; Sons" in low.html
    used = render_letter(scene.settings, due["quota_alert"])
    assert used.subject == "100 % of your quota in Acme & Sons is used"
    assert "starts again on 1" in used.text
    assert f'href="{scene.settings.base_url}/a/acme-sons"' in used.html
