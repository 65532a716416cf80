"""Each call repeated, at once and later, with the same content and with other: one effect, one answer."""

import asyncio
from datetime import timedelta

from app.errors import Refusal
from app.metering.calls import Caller, Event, Release
from app.resolvers import gateways
from tests.metering.desk import MODEL, TOKENS, Desk, code_of
from tests.metering.test_load import outcomes


async def test_an_authorization_repeated_is_one_hold(desk: Desk) -> None:
    secret = await desk.key()
    call = desk.asking(secret, 100)
    answers, refused = await outcomes(*(desk.gate.authorize(call) for _n in range(50)))
    assert not refused
    assert len(set(answers)) == 1
    before = await desk.scene.snapshot()
    assert await desk.gate.authorize(call) == answers[0]
    for other in (
        call._replace(amount_micro=99),
        call._replace(least_micro=1),
        call._replace(ttl_seconds=601),
        call._replace(tag="a tag"),
        call._replace(secret_hash=desk.gate.hash_of(await desk.key())),
    ):
        assert await code_of(desk.gate.authorize(other)) == "idempotency_mismatch"
    assert (await desk.scene.snapshot())["holds"] == before["holds"]
    await desk.settle(answers[0].hold_id, 10)
    assert await desk.gate.authorize(call) == answers[0]
    await desk.scene.promises()


async def test_at_once_with_other_content_one_wins(desk: Desk) -> None:
    secret = await desk.key()
    call = desk.asking(secret, 100)
    answers, refused = await outcomes(
        *(desk.gate.authorize(call._replace(amount_micro=100 + n % 2)) for n in range(20))
    )
    assert len(set(answers)) == 1
    assert refused == {"idempotency_mismatch": 10}
    await desk.scene.promises()


async def test_a_refusal_is_not_remembered(desk: Desk) -> None:
    secret = await desk.key()
    call = desk.asking(secret, 1001)
    assert await code_of(desk.gate.authorize(call)) == "insufficient_credits"
    await desk.grant(1)
    assert (await desk.gate.authorize(call)).amount_micro == 1001


async def test_a_settlement_repeated_is_one_record(desk: Desk) -> None:
    secret = await desk.key()
    hold = await desk.authorize(secret, 100)
    call = desk.settling(hold.hold_id, 10)
    answers, refused = await outcomes(*(desk.gate.settle(call) for _n in range(50)))
    assert not refused
    assert len({one.usage_record_id for one in answers}) == 1
    assert (await desk.gate.settle(call)).usage_record_id == answers[0].usage_record_id
    before = await desk.scene.snapshot()
    for other in (
        call._replace(cost_micro=11),
        call._replace(cost_micro=None),
        call._replace(model="another"),
        call._replace(tokens=TOKENS._replace(prompt=1001)),
    ):
        assert await code_of(desk.gate.settle(other)) == "event_mismatch"
    assert await code_of(desk.gate.settle(call._replace(event_id="another"))) == "hold_not_open"
    assert await desk.scene.snapshot() == before
    await desk.scene.promises()


async def test_two_events_for_one_hold_at_once_book_one(desk: Desk) -> None:
    hold = await desk.authorize(await desk.key(), 100)
    answers, refused = await outcomes(*(desk.settle(hold.hold_id, 10) for _n in range(20)))
    assert len(answers) == 1
    assert refused == {"hold_not_open": 19}
    await desk.scene.promises()


async def test_settle_and_release_at_once_have_one_outcome(desk: Desk) -> None:
    secret = await desk.key()
    holds = [(await desk.authorize(secret, 1)).hold_id for _n in range(50)]
    work = []
    for number, one in enumerate(holds):
        both = [desk.settle(one, 1), desk.gate.release(Release(desk.caller, one))]
        work += both if number % 2 else both[::-1]
    _answers, refused = await outcomes(*work)
    assert refused == {"hold_not_open": 50}
    await desk.scene.promises()


async def test_a_batch_repeated_books_each_event_once(desk: Desk) -> None:
    secret = await desk.key()
    hold = await desk.authorize(secret, 1)
    at = hold.expires_at - timedelta(seconds=600)
    hashed = desk.gate.hash_of(secret)
    events = [
        Event(f"event {n % 80}", at, MODEL, TOKENS, secret_hash=hashed, cost_micro=1)
        for n in range(100)
    ]
    batches = await asyncio.gather(*(desk.report(*events) for _n in range(5)))
    flat = [one for batch in batches for one in batch]
    assert not any(isinstance(one, Refusal) for one in flat)
    assert len({one.usage_record_id for one in flat}) == 80  # type: ignore[union-attr]
    assert sum(not one.duplicate for one in flat) == 80  # type: ignore[union-attr]
    await desk.scene.promises()


async def test_ids_are_unique_per_gateway_whatever_its_token(desk: Desk) -> None:
    secret = await desk.key()
    call = desk.asking(secret, 10)
    hold = await desk.gate.authorize(call)
    second = await desk.gate.caller(await gateways.create_gateway(desk.operator(), "gateway"))
    assert await desk.gate.authorize(call._replace(caller=second)) == hold
    foreign = await desk.gate.caller(await gateways.create_gateway(desk.operator(), "other"))
    other = await desk.gate.authorize(call._replace(caller=foreign))
    assert other.hold_id != hold.hold_id
    settling = desk.settling(hold.hold_id, 1)
    before = await desk.scene.snapshot()
    assert await code_of(desk.gate.settle(settling._replace(caller=foreign))) == "not_found"
    assert await code_of(desk.gate.release(Release(foreign, hold.hold_id))) == "not_found"
    nobody = Caller(desk.caller.gateway_id, b"nobody's")
    assert await code_of(desk.gate.settle(settling._replace(caller=nobody))) == "unauthenticated"
    assert await desk.scene.snapshot() == before
    await desk.gate.settle(settling._replace(caller=second))
    await desk.gate.settle(settling._replace(caller=foreign, hold_id=other.hold_id))
    await desk.scene.promises()
