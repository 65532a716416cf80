"""Statements are kept compiled, those that ask for the time too; and the time is still each moment's own."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from app.database import Database, now, this_month, today
from app.ids import new_id
from app.seats import seats_of


@pytest.mark.parametrize(
    "make",
    [
        lambda: select(now()),
        lambda: select(today()),
        lambda: select(this_month()),
        lambda: seats_of(new_id()),
    ],
    ids=["now", "today", "this_month", "seats"],
)
def test_a_statement_with_a_time_has_a_cache_key(make: Callable[[], Any]) -> None:
    first, second = make()._generate_cache_key(), make()._generate_cache_key()
    assert first is not None
    assert first == second


async def test_a_kept_statement_asks_for_the_time_anew(
    database: Database, shift_clock: Callable[[timedelta], None]
) -> None:
    for clock in (now, today, this_month):
        before = (await database.row(select(clock())))[0]
        shift_clock(timedelta(days=40))
        after = (await database.row(select(clock())))[0]
        assert after - before >= timedelta(days=28)
