"""The real trace through the gateway's door, shuffled and with a tenth sent twice: each call counts once, to the micro-credit."""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import islice
from math import ceil
from typing import Any, NamedTuple

import httpx2

from app.demo_history import PRICES
from app.money import MICRO, parse_credits
from app.resolvers import balances, sessions, usage
from app.resolvers.usage import Dimension, Granularity, UsageQuery
from app.settings import Settings
from app.trace import AZURE_CODE, AZURE_CONVERSATION
from tests.metering.desk import desk_of
from tests.scene import Scene
from tests.web.test_metering import client_of

SEED = random.SystemRandom().randrange(10**6)
# Credits for a million tokens, which is micro-credits for one: as the price list has them.
RATES = {
    "openai/gpt-5-mini": (Fraction("0.25"), Fraction(2)),
    "google/gemini-2.5-pro": (Fraction("1.25"), Fraction(10)),
}
MODELS = sorted(RATES)
ASKED_FIRST = 20
"""One call of so many is authorized and settled; the others are reported."""
BATCH = 500
CONNECTIONS = 16


class Sent(NamedTuple):
    """A call as the gateway tells of it."""

    number: int
    key: int
    model: str
    prompt: int
    completion: int
    at: str

    @property
    def cost(self) -> int:
        """Compute, apart from the service, what it costs."""
        prompt, completion = RATES[self.model]
        return ceil(self.prompt * prompt + self.completion * completion)

    def body(self) -> dict[str, Any]:
        """Write what a settlement and a report both say."""
        return {
            "event_id": f"call-{self.number}",
            "model": self.model,
            "prompt_tokens": self.prompt,
            "completion_tokens": self.completion,
        }


def of_the_files(now: datetime) -> list[Sent]:
    """Read the files as plain text; the calls become ones of the last two days."""
    calls = []
    for path in (AZURE_CODE, AZURE_CONVERSATION):
        for line in path.read_text().splitlines()[1:]:
            _time, prompt, completion = line.split(",")
            number = len(calls)
            at = (now - timedelta(seconds=6 * number)).isoformat()
            key, model = number % 3, MODELS[number * 7 % 5 % 2]
            calls.append(Sent(number, key, model, int(prompt), int(completion), at))
    return calls


async def post(client: httpx2.AsyncClient, path: str, body: dict[str, Any]) -> Any:
    """Send, and be answered well."""
    answer = await client.post(f"/metering/{path}", json=body)
    assert answer.status_code == 200, f"seed {SEED}: {answer.text}"
    return answer.json()


async def ask_first(client: httpx2.AsyncClient, secrets: Sequence[str], one: Sent) -> int:
    """Authorize and settle a call; what it cost."""
    asked = {
        "request_id": f"call-{one.number}",
        "key": secrets[one.key],
        "model": one.model,
        "max_prompt_tokens": one.prompt,
        "max_completion_tokens": one.completion,
        "tag": f"tag {one.key}",
    }
    hold = await post(client, "authorize", asked)
    booked = await post(client, "settle", one.body() | {"hold_id": hold["hold_id"]})
    return parse_credits(booked["cost"])


async def report(
    client: httpx2.AsyncClient, secrets: Sequence[str], calls: Sequence[Sent]
) -> list[int]:
    """Report calls; what each cost."""
    events = [
        one.body() | {"key": secrets[one.key], "occurred_at": one.at, "tag": f"tag {one.key}"}
        for one in calls
    ]
    results = (await post(client, "usage", {"events": events}))["results"]
    assert {one["status"] for one in results} <= {"recorded", "duplicate"}, f"seed {SEED}"
    return [parse_credits(one["cost"]) for one in results]


async def send(client: httpx2.AsyncClient, secrets: Sequence[str], calls: Sequence[Sent]) -> None:
    """Send all calls over some connections at once, each answered with what the file's figures cost."""
    alone = iter([one for one in calls if one.number % ASKED_FIRST == 0])
    others = iter([one for one in calls if one.number % ASKED_FIRST])

    async def settle(left: Iterator[Sent]) -> None:
        for one in left:
            assert await ask_first(client, secrets, one) == one.cost, f"seed {SEED}"

    async def tell(left: Iterator[Sent]) -> None:
        while batch := list(islice(left, BATCH)):
            costs = await report(client, secrets, batch)
            assert costs == [one.cost for one in batch], f"seed {SEED}"

    await asyncio.gather(
        *(settle(alone) for _n in range(CONNECTIONS)), *(tell(others) for _n in range(3))
    )


async def test_each_call_of_the_real_trace_counts_once(scene: Scene, settings: Settings) -> None:
    dice = random.Random(SEED)  # noqa: S311 - no secret
    priced = settings.model_copy(update={"price_list": str(PRICES)})
    async with desk_of(scene, 1000 * MICRO) as desk, client_of(priced, desk.token) as client:
        bob = await scene.person("bob")
        await scene.join(desk.account_id, bob)
        secrets = [await desk.key(), await desk.key(), await desk.key(bob)]
        calls = of_the_files(await sessions.clock(scene.signed_out()))
        assert len(calls) == 28_185
        sent = [*calls, *dice.sample(calls, len(calls) // 10)]
        dice.shuffle(sent)
        await send(client, secrets, sent)

        expected: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        for one in calls:
            expected[one.model, f"tag {one.key}"].update(
                requests=1, prompt=one.prompt, completion=one.completion, cost=one.cost
            )
        now = await sessions.clock(scene.signed_out())
        query = UsageQuery(
            now - timedelta(days=3),
            now + timedelta(minutes=1),
            Granularity.TOTAL,
            (Dimension.MODEL, Dimension.TAG),
        )
        owner = scene.fresh(desk.owner)
        found = await usage.usage_report(owner, desk.account_id, query)
        told = {
            (one.model, one.tag): {
                "requests": one.totals.requests,
                "prompt": one.totals.prompt_tokens,
                "completion": one.totals.completion_tokens,
                "cost": one.totals.cost_micro,
            }
            for one in found.buckets
        }
        assert told == expected, f"seed {SEED}"
        cost = sum(one.cost for one in calls)
        assert found.totals.cost_micro == cost
        balance = await balances.balance(owner, desk.account_id)
        assert (balance.credits, balance.held) == (1000 * MICRO - cost, 0)
        # Records, rollups, counters and transfers all say the same.
        await scene.promises()
