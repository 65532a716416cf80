"""Imports of history: taken up by their count, in one account, and never twice."""

from typing import Any
from uuid import uuid4

import pytest

from app.errors import Conflict, NotFound
from app.metering.pricing import Tokens
from app.metering.recording import Usage
from app.money import MICRO
from app.resolvers import api_keys, balances, history
from tests.metering.desk import Desk, desk_of
from tests.scene import Scene


async def usages(desk: Desk, begun: history.Import, count: int) -> list[Usage]:
    """Make calls of the Owner's, a credit each."""
    made = await api_keys.create_api_key(desk.owner, desk.account_id, "a key")
    member_id = await desk.scene.member_id(desk.account_id, desk.owner)
    one = Usage(
        account_id=desk.account_id,
        member_id=member_id,
        api_key_id=made.id,
        event_id="",
        occurred_at=begun.begun_at,
        model="a model",
        tokens=Tokens(10),
        cost_micro=MICRO,
        price="a price",
        gateway_id=begun.gateway_id,
    )
    return [one._replace(event_id=f"old-{number}") for number in range(count)]


async def test_an_import_grants_once_and_goes_on_from_what_is_booked(scene: Scene) -> None:
    async with desk_of(scene) as desk:
        begin: Any = (desk.operator(), desk.account_id, "Old books", 5 * MICRO)
        begun = await history.begin_import(*begin)
        calls = await usages(desk, begun, 3)
        after = await history.import_calls(desk.operator(), begun, calls[:2])
        assert after.booked == 2
        assert await history.begin_import(*begin) == after
        assert await history.unfinished(desk.operator(), "Old books", 3)
        # Whoever believes that less is booked would book it again.
        before = await scene.snapshot()
        with pytest.raises(Conflict):
            await history.import_calls(desk.operator(), begun, calls[:2])
        assert await scene.snapshot() == before
        await history.import_calls(desk.operator(), after, calls[2:])
        assert not await history.unfinished(desk.operator(), "Old books", 3)
        balance = await balances.balance(scene.fresh(desk.owner), desk.account_id)
        assert balance.credits == 2 * MICRO
        await scene.promises()


async def test_calls_of_others_are_refused_and_nothing_moves(scene: Scene) -> None:
    async with desk_of(scene) as desk:
        begun = await history.begin_import(desk.operator(), desk.account_id, "Old books", MICRO)
        first, second = await usages(desk, begun, 2)
        before = await scene.snapshot()
        for mixed in (
            [],
            [first._replace(gateway_id=desk.caller.gateway_id)],
            [first, second._replace(account_id=uuid4())],
        ):
            with pytest.raises(Conflict):
                await history.import_calls(desk.operator(), begun, mixed)
        with pytest.raises(NotFound):
            await history.import_calls(desk.operator(), begun, [first._replace(account_id=uuid4())])
        with pytest.raises(NotFound):
            await history.begin_import(desk.operator(), uuid4(), "Other books", MICRO)
        assert await scene.snapshot() == before
