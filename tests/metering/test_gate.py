"""The gate: holds, settlements, releases and reports, on both databases, with the books checked after each."""

from collections.abc import Callable
from datetime import timedelta

from app.metering.calls import Event
from tests.metering.desk import MODEL, TOKENS, Desk, code_of


async def test_a_call_is_authorized_and_settled_and_the_books_agree(desk: Desk) -> None:
    secret = await desk.key()
    granted = await desk.authorize(secret, 100)
    assert granted.amount_micro == 100
    await desk.scene.promises()
    booked = await desk.settle(granted.hold_id, 30)
    assert booked.cost_micro == 30
    await desk.scene.promises()
    assert await code_of(desk.authorize(secret, 971)) == "insufficient_credits"
    assert (await desk.authorize(secret, 970)).amount_micro == 970
    await desk.scene.promises()


async def test_a_released_hold_frees_what_it_held(desk: Desk) -> None:
    secret = await desk.key()
    granted = await desk.authorize(secret, 1000)
    assert await code_of(desk.authorize(secret, 1)) == "insufficient_credits"
    await desk.release(granted.hold_id)
    await desk.release(granted.hold_id)
    assert await code_of(desk.settle(granted.hold_id)) == "hold_not_open"
    assert (await desk.authorize(secret, 1000)).amount_micro == 1000
    await desk.scene.promises()


async def test_a_quota_is_spent_over_all_keys_to_its_last_credit(desk: Desk) -> None:
    await desk.quota(desk.owner, 300)
    keys = [await desk.key() for _n in range(3)]
    assert (await desk.authorize(keys[0], 200)).amount_micro == 200
    assert await code_of(desk.authorize(keys[1], 101)) == "quota_exceeded"
    assert (await desk.authorize(keys[1], 500, least_micro=1)).amount_micro == 100
    assert await code_of(desk.authorize(keys[2], 500, least_micro=0)) == "quota_exceeded"
    assert (await desk.authorize(keys[2], 0)).amount_micro == 0
    await desk.quota(desk.owner, 0)
    assert await code_of(desk.authorize(keys[2], 0)) == "quota_disabled"
    await desk.scene.promises()


async def test_a_keys_limit_is_its_own(desk: Desk) -> None:
    one, other = await desk.key(limit=10), await desk.key()
    await desk.settle((await desk.authorize(one, 6)).hold_id, 6)
    assert await code_of(desk.authorize(one, 5)) == "key_limit_exceeded"
    assert (await desk.authorize(one, 5, least_micro=1)).amount_micro == 4
    assert (await desk.authorize(other, 5)).amount_micro == 5
    await desk.scene.promises()


async def test_an_overrun_is_booked_and_refuses_what_comes_next(desk: Desk) -> None:
    secret = await desk.key()
    granted = await desk.authorize(secret, 1000)
    assert await code_of(desk.settle(granted.hold_id, 10_000_001)) == "overrun_too_large"
    await desk.scene.promises()
    await desk.settle(granted.hold_id, 10_000_000)
    assert await code_of(desk.authorize(secret, 1)) == "insufficient_credits"
    assert (await desk.authorize(secret, 0)).amount_micro == 0
    await desk.scene.promises()


async def test_an_expired_hold_frees_its_amount_and_settles_late(
    desk: Desk, shift_clock: Callable[[timedelta], None]
) -> None:
    secret = await desk.key()
    granted = await desk.authorize(secret, 1000, ttl_seconds=1)
    shift_clock(timedelta(seconds=2))
    second = await desk.authorize(secret, 1000)
    await desk.scene.promises()
    booked = await desk.settle(granted.hold_id, 10)
    assert booked.late
    await desk.scene.promises()
    shift_clock(timedelta(seconds=600))
    assert await desk.gate.end_expired_holds() == 1
    assert await desk.gate.end_expired_holds() == 0
    await desk.release(second.hold_id)
    await desk.scene.promises()
    shift_clock(timedelta(hours=72))
    assert await code_of(desk.settle(second.hold_id, 10)) == "hold_not_open"


async def test_what_ended_no_longer_authorizes_but_still_settles(desk: Desk) -> None:
    from app.resolvers import api_keys, members, operations  # noqa: PLC0415

    bob = await desk.scene.person("bob")
    member_id = await desk.scene.join(desk.account_id, bob)
    secret, owners = await desk.key(bob), await desk.key()
    granted, other = await desk.authorize(secret, 10), await desk.authorize(owners, 10)
    await members.remove_member(desk.scene.fresh(desk.owner), member_id)
    assert await code_of(desk.authorize(secret, 1)) == "invalid_api_key"
    await desk.settle(granted.hold_id, 10)
    await operations.freeze(desk.operator(), await desk.slug(), "for a test")
    assert await code_of(desk.authorize(owners, 1)) == "account_frozen"
    await operations.unfreeze(desk.operator(), await desk.slug(), "for a test")
    await api_keys.revoke_api_key(desk.scene.fresh(desk.owner), other.api_key_id)
    assert await code_of(desk.authorize(owners, 1)) == "invalid_api_key"
    await desk.settle(other.hold_id, 10)
    await desk.scene.promises()


async def test_dissolving_bears_what_open_holds_still_settle(desk: Desk) -> None:
    from app.resolvers import organizations  # noqa: PLC0415

    secret = await desk.key()
    granted = await desk.authorize(secret, 100)
    await organizations.dissolve_organization(
        desk.scene.fresh(desk.owner), desk.account_id, "Acme", 1000
    )
    assert await code_of(desk.authorize(secret, 0)) == "invalid_api_key"
    await desk.settle(granted.hold_id, 100)
    await desk.scene.promises()


async def test_a_revoked_token_is_refused_from_the_next_call_on(desk: Desk) -> None:
    from app.resolvers import gateways  # noqa: PLC0415

    secret = await desk.key()
    granted = await desk.authorize(secret, 1)
    await gateways.revoke_gateway(desk.operator(), "gateway")
    for refused in (desk.authorize(secret, 1), desk.settle(granted.hold_id)):
        assert await code_of(refused) == "unauthenticated"
    await desk.scene.promises()


async def test_events_are_booked_each_for_itself(desk: Desk) -> None:
    secret = await desk.key(tag="a tag")
    key_id = (await desk.authorize(secret, 1)).api_key_id
    at = (await desk.authorize(secret, 1)).expires_at - timedelta(seconds=600)
    hashed = desk.gate.hash_of(secret)

    def event(name: str, **more: object) -> Event:
        given = {"secret_hash": hashed, "cost_micro": 5} | more
        return Event(name, given.pop("occurred_at", at), given.pop("model", MODEL), TOKENS, **given)  # type: ignore[arg-type]

    results = await desk.report(
        event("one"),
        event("one", secret_hash=None, api_key_id=key_id),
        event("one", cost_micro=6),
        event("old", occurred_at=at - timedelta(hours=72, seconds=1)),
        event("ahead", occurred_at=at + timedelta(minutes=6)),
        event("unknown", model="nope", cost_micro=None),
        event("foreign", secret_hash=b"nothing"),
        event("computed", cost_micro=None, occurred_at=at - timedelta(hours=71)),
    )
    told = [getattr(one, "code", None) or one.duplicate for one in results]
    assert told == [
        False,
        True,
        "event_mismatch",
        "invalid",
        "invalid",
        "unknown_model",
        "invalid_api_key",
        False,
    ]
    assert results[0].usage_record_id == results[1].usage_record_id
    # 900 x 2 + 100 x 0.5 + 250 x 8 for a million.
    assert results[7].cost_micro == 3850
    again = await desk.report(event("one"))
    assert again[0].duplicate
    assert again[0].usage_record_id == results[0].usage_record_id
    await desk.scene.promises()
