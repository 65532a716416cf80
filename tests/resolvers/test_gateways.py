"""Gateways: tokens are made, found, changed and ended."""

import pytest
from sqlalchemy import select

from app.credentials import BASE62, KeyKind, key_kind, new_key_secret
from app.errors import Invalid, NotFound
from app.models import GatewayToken
from app.resolvers import gateways
from tests.resolvers.test_races import outcomes
from tests.scene import Scene


async def test_a_token_finds_its_gateway_and_is_stored_as_a_hash_only(scene: Scene) -> None:
    operator = scene.signed_out()
    token = await gateways.create_gateway(operator, "Frankfurt")
    assert key_kind(token) is KeyKind.GATEWAY
    (row,) = await gateways.list_gateways(operator)
    assert (row.name, row.tokens) == ("Frankfurt", 1)
    assert await gateways.gateway_of_token(scene.signed_out(), token) == row.id
    assert token[3:] not in repr(await scene.snapshot())


async def test_a_second_token_works_beside_the_first_until_the_older_ones_are_revoked(
    scene: Scene,
) -> None:
    operator = scene.signed_out()
    old = await gateways.create_gateway(operator, "Frankfurt")
    new = await gateways.create_gateway(operator, "Frankfurt")
    other = await gateways.create_gateway(operator, "Oslo")
    by_name = {row.name: row for row in await gateways.list_gateways(operator)}
    frankfurt = by_name["Frankfurt"].id
    assert [await gateways.gateway_of_token(operator, one) for one in (old, new)] == [frankfurt] * 2
    assert await gateways.revoke_gateway(operator, "Frankfurt", keep_newest=True) == 1
    assert await gateways.gateway_of_token(operator, old) is None
    assert await gateways.gateway_of_token(operator, new) == frankfurt
    assert await gateways.revoke_gateway(operator, "Frankfurt") == 1
    assert await gateways.revoke_gateway(operator, "Frankfurt") == 0
    assert await gateways.gateway_of_token(operator, new) is None
    assert await gateways.gateway_of_token(operator, other) == by_name["Oslo"].id
    assert [row.tokens for row in await gateways.list_gateways(operator)] == [0, 1]


async def test_what_is_no_token_is_refused_without_a_statement(scene: Scene) -> None:
    operator = scene.signed_out()
    token = await gateways.create_gateway(operator, "Frankfurt")
    statements: list[str] = []
    scene.database.on_statement(statements.append)
    for place, was in enumerate(token):
        other = next(one for one in BASE62 if one != was)
        changed = token[:place] + other + token[place + 1 :]
        assert await gateways.gateway_of_token(operator, changed) is None
    for text in ("", "gw_", new_key_secret("sk_"), new_key_secret("sk_mg_")):
        assert await gateways.gateway_of_token(operator, text) is None
    assert statements == []
    assert await gateways.gateway_of_token(operator, new_key_secret("gw_")) is None
    assert len(statements) == 1


async def test_nameless_and_unknown_gateways_are_refused_and_nothing_is_made(scene: Scene) -> None:
    operator = scene.signed_out()
    for name in ("", " ", "x" * 81):
        with pytest.raises(Invalid):
            await gateways.create_gateway(operator, name)
    with pytest.raises(NotFound):
        await gateways.revoke_gateway(operator, "Nowhere")
    assert await gateways.list_gateways(operator) == []
    assert await scene.database.rows(select(GatewayToken)) == []


async def test_made_many_times_at_once_there_is_one_gateway(scene: Scene) -> None:
    got = await outcomes(
        *(gateways.create_gateway(scene.signed_out(), "Frankfurt") for _ in range(10))
    )
    assert set(got) == {"ok"}
    (row,) = await gateways.list_gateways(scene.signed_out())
    assert row.tokens == 10
