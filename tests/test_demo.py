"""The demo: made through the real verbs, whole or taken up again."""

from typing import Any

import pytest

from app import demo
from app.access import Viewer
from app.database import Database
from app.errors import Refusal
from app.money import DISABLED
from app.permissions import Role
from app.resolvers import accounts, invitations, members
from app.resolvers.members import MemberQuery
from app.settings import Settings
from tests.scene import Scene


async def _jane(database: Database, settings: Settings) -> Viewer:
    return await demo._person(database, settings, demo.PEOPLE[0])


async def test_the_demo_has_its_people_quotas_and_waiting_invitations(
    database: Database, settings: Settings, scene: Scene
) -> None:
    assert await demo.make_demo(database, settings) is True
    jane = await _jane(database, settings)
    seats = await accounts.list_accounts(jane)
    assert [seat.name for seat in seats] == ["Jane Miller", demo.ACME, demo.OTHER]
    acme = seats[1]
    assert acme.role is Role.OWNER
    page = await members.list_members(jane, acme.account_id, MemberQuery())
    rows = {row.user.name: row for row in page.rows}
    assert rows["Adam Osei"].role is Role.ADMIN
    assert rows["Lena Vogt"].quota == DISABLED
    assert rows["Marta Kowalska"].quota == demo.DEFAULT_QUOTA
    assert await invitations.count_invitations(jane, acme.account_id) == len(demo.WAITING)
    await scene.promises()


async def test_the_demo_made_twice_changes_nothing(
    database: Database, settings: Settings, scene: Scene
) -> None:
    await demo.make_demo(database, settings)
    before = await scene.snapshot()
    assert await demo.make_demo(database, settings) is False
    assert await scene.snapshot() == before


async def test_a_demo_that_was_stopped_is_taken_up_again(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = invitations.invite_members
    sent = []

    async def stops(*arguments: Any, **named: Any) -> Any:
        sent.append(1)
        if len(sent) == 4:
            raise Refusal("stopped")
        return await real(*arguments, **named)

    monkeypatch.setattr(invitations, "invite_members", stops)
    with pytest.raises(Refusal):
        await demo.make_demo(database, settings)
    assert await demo.make_demo(database, settings) is True
    jane = await _jane(database, settings)
    acme = (await accounts.list_accounts(jane))[1].account_id
    assert await members.count_members(jane, acme, None, None) == len(demo.PEOPLE)
