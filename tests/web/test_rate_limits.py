"""Rate limits: who asks too often waits; nobody else does."""

import pytest
from pydantic import SecretStr

from app.errors import RateLimited
from app.settings import Settings
from app.web.rate_limits import BUCKETS, RateLimits
from tests.web.conftest import Edge


def settings(**given: object) -> Settings:
    return Settings(
        _env_file=None, secret_key=SecretStr("a secret key for tests, and for tests alone"), **given
    )


async def test_an_address_that_asks_too_often_is_refused_with_a_time(edge: Edge) -> None:
    client = await edge(rate_limit_address=3)
    for _ in range(3):
        assert (await client.get("/")).status_code == 200
    answer = await client.get("/")
    assert answer.status_code == 429
    assert answer.json()["code"] == "rate_limited"
    assert 1 <= int(answer.headers["retry-after"]) <= 122
    page = await client.get("/", headers={"Accept": "text/html"})
    assert page.status_code == 429
    assert "Try again" in page.text
    assert (await client.get("/health/live")).status_code == 200
    assert (await client.get("/sandbox/stripe/v1/events")).status_code == 401, "as Stripe says it"


async def test_another_address_is_not_refused() -> None:
    limits = RateLimits(settings(rate_limit_address=1))
    await limits.of_address("192.0.2.1")
    with pytest.raises(RateLimited):
        await limits.of_address("192.0.2.1")
    await limits.of_address("192.0.2.2")


async def test_each_kind_counts_for_itself() -> None:
    limits = RateLimits(settings(rate_limit_user=1, rate_limit_sign_in=1))
    await limits.of_user("one")
    await limits.of_sign_in("one")
    for refused in (limits.of_user, limits.of_sign_in):
        with pytest.raises(RateLimited):
            await refused("one")


async def test_a_store_that_is_away_leaves_each_process_to_count_alone() -> None:
    limits = RateLimits(settings(rate_limit_store="async+redis://127.0.0.1:9", rate_limit_user=2))
    await limits.of_user("one")
    await limits.of_user("one")
    with pytest.raises(RateLimited):
        await limits.of_user("one")


def test_callers_share_a_fixed_number_of_buckets() -> None:
    limits = RateLimits(settings())
    assert {limits._bucket(str(n)) < BUCKETS for n in range(1000)} == {True}
