"""Group commit: gathered while a group runs, answered after it, and a poisoned call fails alone."""

import asyncio
from collections.abc import Sequence

import pytest

from app.batcher import Batcher
from app.errors import Unavailable


class Work:
    """Doubles numbers, when it is let."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.may = asyncio.Event()
        self.poison: dict[int, Exception] = {}

    async def __call__(self, calls: Sequence[int]) -> list[int]:
        self.groups.append(list(calls))
        await self.may.wait()
        for call in calls:
            if call in self.poison:
                raise self.poison[call]
        return [call * 2 for call in calls]


def batcher(work: Work, **given: float) -> Batcher[int, int]:
    """Make a batcher."""
    limits = {"group_size": 4, "queue_size": 100, "patience_seconds": 100.0} | given
    return Batcher(work, **limits)  # type: ignore[arg-type]


async def ready(one: Batcher[int, int], calls: Sequence[int]) -> list[asyncio.Task[int]]:
    """Submit calls in order."""
    tasks = [asyncio.create_task(one.submit(call)) for call in calls]
    for _turn in range(5):
        await asyncio.sleep(0)
    return tasks


async def test_what_arrives_while_a_group_runs_is_the_next_group() -> None:
    work = Work()
    one = batcher(work)
    one.start()
    first = await ready(one, [1])
    later = await ready(one, [2, 3, 4, 5, 6])
    assert not first[0].done()
    work.may.set()
    assert await asyncio.gather(*first, *later) == [2, 4, 6, 8, 10, 12]
    assert work.groups == [[1], [2, 3, 4, 5], [6]]
    await one.stop()


async def test_where_nobody_waits_for_a_quick_answer_more_calls_are_let_come() -> None:
    work = Work()
    work.may.set()
    one = batcher(work, gather_seconds=0.01)
    one.start()
    first = await ready(one, [1])
    assert work.groups == []
    assert await asyncio.gather(*first, *await ready(one, [2, 3])) == [2, 4, 6]
    assert work.groups == [[1, 2, 3]]
    # Nobody is let come once it ends: what waits is served.
    last = await ready(one, [4])
    await one.stop()
    assert await asyncio.gather(*last) == [8]


async def test_those_who_were_answered_together_are_let_come_again_together() -> None:
    work = Work()
    work.may.set()
    one = batcher(work, again_seconds=1000.0)
    one.start()
    # A lone caller never waits, and the next one neither.
    assert [await one.submit(1), await one.submit(2)] == [2, 4]
    await asyncio.gather(*await ready(one, [3, 4, 5]))
    again = await ready(one, [6, 7])
    assert work.groups == [[1], [2], [3, 4, 5]]
    assert await asyncio.gather(*again, *await ready(one, [8])) == [12, 14, 16]
    assert work.groups[3:] == [[6, 7, 8]]
    # Nobody is let come once it ends: who waits is served.
    last = await ready(one, [9])
    await one.stop()
    assert await asyncio.gather(*last) == [18]


async def test_those_who_do_not_come_again_are_not_waited_for_long() -> None:
    work = Work()
    work.may.set()
    one = batcher(work, again_seconds=0.01)
    one.start()
    await asyncio.gather(*await ready(one, [1, 2, 3]))
    assert await one.submit(4) == 8
    await one.stop()


async def test_a_poisoned_call_fails_alone() -> None:
    work = Work()
    work.may.set()
    work.poison[3] = RuntimeError("a bug")
    one = batcher(work, group_size=8)
    one.start()
    answers = await asyncio.gather(*(one.submit(n) for n in range(1, 7)), return_exceptions=True)
    assert [type(answer).__name__ for answer in answers].count("RuntimeError") == 1
    assert [answer for answer in answers if isinstance(answer, int)] == [2, 4, 8, 10, 12]
    await one.stop()


async def test_a_database_that_is_away_fails_the_group_at_once() -> None:
    work = Work()
    work.may.set()
    work.poison[1] = Unavailable()
    one = batcher(work)
    one.start()
    answers = await asyncio.gather(*(one.submit(n) for n in range(1, 6)), return_exceptions=True)
    assert [isinstance(answer, Unavailable) for answer in answers] == [True] * 4 + [False]
    await one.stop()


async def test_a_full_queue_refuses_and_the_others_are_served() -> None:
    work = Work()
    one = batcher(work, queue_size=2)
    one.start()
    running = await ready(one, [1])
    waiting = await ready(one, [2, 3])
    with pytest.raises(Unavailable):
        await one.submit(4)
    work.may.set()
    assert await asyncio.gather(*running, *waiting) == [2, 4, 6]
    await one.stop()


async def test_what_waited_too_long_is_not_done() -> None:
    work = Work()
    one = batcher(work, patience_seconds=-1.0)
    one.start()
    work.may.set()
    with pytest.raises(Unavailable):
        await one.submit(1)
    assert work.groups == []
    await one.stop()


async def test_a_heavy_call_goes_alone() -> None:
    work = Work()
    work.may.set()
    one: Batcher[int, int] = Batcher(
        work, group_size=4, queue_size=9, patience_seconds=9, weight=lambda n: n
    )
    one.start()
    assert await asyncio.gather(*(one.submit(n) for n in (1, 9, 2, 2))) == [2, 18, 4, 4]
    assert work.groups == [[1], [9], [2, 2]]
    await one.stop()


async def test_stopping_serves_what_waits_and_takes_no_more() -> None:
    work = Work()
    one = batcher(work)
    one.start()
    waiting = await ready(one, [1, 2])
    work.may.set()
    await one.stop()
    assert await asyncio.gather(*waiting) == [2, 4]
    with pytest.raises(Unavailable):
        await one.submit(3)


async def test_a_caller_that_went_away_is_not_served() -> None:
    work = Work()
    one = batcher(work)
    one.start()
    running = await ready(one, [1])
    gone, stays = await ready(one, [2, 3])
    gone.cancel()
    work.may.set()
    assert await asyncio.gather(*running, stays) == [2, 6]
    assert work.groups == [[1], [3]]
    await one.stop()
