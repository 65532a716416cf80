"""`r9s replay`: each call of a real trace once, whatever breaks on the way; what differs from /usage is told."""

import json
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from typer.testing import CliRunner

from app import cli_replay, demo, replay
from app.database import Database
from app.demo_keys import demo_access
from app.errors import Conflict, Invalid, Refusal
from app.main import create_app
from app.money import MICRO
from app.replay import Access, Outcome, Replay, Sums, Task
from app.resolvers import management_keys
from app.settings import Settings
from app.trace import AZURE_CODE, read_trace
from tests.metering.desk import Desk, desk_of
from tests.scene import Scene
from tests.test_cli_ledger import told

CALLS = 150
MODELS = ("openai/gpt-4.1", "openai/gpt-5-mini")


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "PAUSE_SECONDS", 0)


@dataclass
class Line(httpx2.AsyncBaseTransport):
    """The way to the service: requests and answers are lost on it, and what /usage says is changed."""

    inside: httpx2.AsyncBaseTransport
    lost: float = 0
    changed: Callable[[list[str]], list[str]] | None = None
    dice: random.Random = field(default_factory=lambda: random.Random(4))  # noqa: S311 - no secret

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Ask, if nothing is lost."""
        breaks = request.url.path.startswith("/metering/")
        if breaks and self.dice.random() < self.lost:
            raise httpx2.ConnectError("lost before it was asked", request=request)
        answer = await self.inside.handle_async_request(request)
        if breaks and self.dice.random() < self.lost:
            raise httpx2.ReadError("lost after it was answered", request=request)
        if self.changed is not None and "granularity=record" in str(request.url):
            lines = (await answer.aread()).decode().splitlines()
            return httpx2.Response(200, text="\n".join(self.changed(lines)))
        return answer


@dataclass
class Place:
    """A service in this process, a desk with keys, and what replays have done."""

    desk: Desk
    line: Line
    client: httpx2.AsyncClient
    access: Access
    task: Task

    async def replay(self, told: Callable[[int], None] = lambda _done: None) -> Outcome:
        """Replay."""
        return await Replay(self.client, self.access, self.task, told).run()


@asynccontextmanager
async def served(settings: Settings) -> AsyncIterator[tuple[Line, httpx2.AsyncClient]]:
    """Serve the service in this process."""
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        line = Line(httpx2.ASGITransport(app=app))
        async with httpx2.AsyncClient(transport=line, base_url=settings.base_url) as client:
            yield line, client


@pytest.fixture
async def place(scene: Scene, settings: Settings) -> AsyncIterator[Place]:
    """Open a desk with credits, two keys and a management key."""
    async with desk_of(scene, 100 * MICRO) as desk, served(settings) as (line, client):
        keys = (await desk.key(), await desk.key())
        owner = await scene.owner(desk.account_id)
        managing = await management_keys.create_management_key(owner, desk.account_id, "Finance")
        access = Access(settings.base_url, desk.token, keys, managing.secret)
        task = Task((AZURE_CODE,), MODELS, calls=CALLS, connections=8)
        yield Place(desk, line, client, access, task)


def of_the_file(calls: int = CALLS) -> tuple[int, int, int]:
    """Sum the first calls straight from the file."""
    rows = [row.split(",") for row in AZURE_CODE.read_text().splitlines()[1 : calls + 1]]
    return len(rows), sum(int(row[1]) for row in rows), sum(int(row[2]) for row in rows)


async def test_what_is_stopped_and_broken_is_booked_once(place: Place) -> None:
    place.line.lost = 0.2

    def stops(done: int) -> None:
        if done >= CALLS // 2:
            raise Refusal("stopped")

    with pytest.raises(Refusal, match="stopped"):
        await place.replay(stops)
    # Whoever takes it up has other keys: what is booked is not sent again.
    place.access = replace(place.access, keys=(await place.desk.key(),))
    heard: list[int] = []
    outcome = await place.replay(heard.append)
    assert outcome.differences == []
    assert outcome.before == heard[0] >= CALLS // 2 - 8
    assert heard[-1] == CALLS
    assert outcome.sent == outcome.told
    assert outcome.told[:3] == of_the_file()
    again = await place.replay()
    assert (again.before, again.sent) == (CALLS, outcome.sent)
    other = replace(place.task, run="2", calls=5)
    place.task = other
    assert (await place.replay()).before == 0
    await place.desk.scene.promises()


async def test_what_usage_says_otherwise_is_a_difference(place: Place) -> None:
    place.task = replace(place.task, calls=6)
    await place.replay()

    def lose(lines: list[str]) -> list[str]:
        _first, second, *others = lines
        wrong = json.loads(second) | {"cost": "7.000000"}
        return [json.dumps(wrong), others[0], *others]

    place.line.changed = lose
    found = (await place.replay()).differences
    assert sum("is there twice" in one for one in found) == 1
    assert sum("The report says" in one for one in found) == 1
    place.line.changed = None
    assert (await place.replay()).differences == []


async def test_refusals_of_spending_are_counted_and_all_others_end_it(place: Place) -> None:
    place.task = replace(place.task, calls=20)
    await place.desk.quota(place.desk.owner, 20_000)
    outcome = await place.replay()
    assert set(outcome.refused) == {"quota_exceeded"}
    assert outcome.refused.total() + outcome.sent.requests == 20
    assert 0 < outcome.sent.requests < 20
    assert outcome.differences == []
    before = await place.desk.scene.snapshot()
    good = place.access
    for access, reason in (
        (replace(good, gateway_token=good.gateway_token[:-1] + "!"), "unauthenticated"),
        (replace(good, keys=("sk_wrong",)), "invalid_api_key"),
        (replace(good, management_key=good.keys[0]), "wrong_key_type"),
    ):
        place.access = access
        with pytest.raises(replay.Refused) as refused:
            await place.replay()
        assert refused.value.reason == reason
    place.access, place.task = good, replace(place.task, files=(AZURE_CODE, AZURE_CODE))
    with pytest.raises(Invalid):
        await place.replay()
    after = await place.desk.scene.snapshot()
    assert after["usage_records"] == before["usage_records"]
    assert after["holds"] == before["holds"]


async def test_keys_of_another_account_are_refused(place: Place) -> None:
    desk = place.desk
    other = await desk.scene.organization(desk.owner, "Zenith")
    owner = await desk.scene.owner(other)
    managing = await management_keys.create_management_key(owner, other, "Finance")
    place.access = replace(place.access, management_key=managing.secret)
    with pytest.raises(Conflict, match="another account"):
        await place.replay()


async def test_an_answer_that_never_comes_ends_it(place: Place) -> None:
    place.line.lost = 1
    with pytest.raises(Refusal, match="cannot be reached"):
        await place.replay()


def test_the_command_makes_its_keys_for_the_demo_and_tells_what_it_found(
    database_url: str, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    few = tmp_path / "few.csv"
    few.write_text("\n".join(AZURE_CODE.read_text().splitlines()[:11]) + "\n")
    spoilt: list[bool] = []

    @asynccontextmanager
    async def client_of(*_given: Any) -> AsyncIterator[httpx2.AsyncClient]:
        async with served(settings) as (line, client):
            line.changed = (lambda lines: lines[1:]) if spoilt else None
            yield client

    monkeypatch.setattr(cli_replay, "client_of", client_of)
    monkeypatch.setattr(cli_replay, "load_settings", lambda: settings)
    monkeypatch.setattr(cli_replay, "set_up_logs", lambda _settings: None)

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(cli_replay.app, [str(few), *arguments])

    assert isinstance(run().exception, Invalid)
    _make_demo(database_url, settings)
    assert isinstance(run("--key", "sk_x").exception, Invalid)
    done = run()
    assert done.exit_code == 0, done.output
    assert "Every call is there, once, and adds up." in done.stdout
    facts = told(run("--json"))
    assert (facts["equal"], facts["booked_before"]) == (True, 10)
    assert facts["sent"] == facts["usage"]
    spoilt.append(True)
    assert run().exit_code == 1


def _make_demo(database_url: str, settings: Settings) -> None:
    import asyncio  # noqa: PLC0415 - the command has loops of its own

    async def make() -> None:
        database = Database(database_url)
        await demo.make_demo(database, settings, calls=10)
        await database.dispose()

    asyncio.run(make())


async def test_production_gives_no_keys_away(settings: Settings) -> None:
    with pytest.raises(Invalid):
        await demo_access(settings.model_copy(update={"sandbox": False}), settings.base_url)


def test_the_file_s_calls_are_the_replay_s() -> None:
    task = Task((AZURE_CODE,), MODELS, calls=CALLS)
    events = dict(task.events())
    assert len(events) == CALLS
    assert [one.prompt_tokens for one in events.values()] == [
        call.prompt_tokens for call, _n in zip(read_trace(AZURE_CODE), range(CALLS), strict=False)
    ]
    assert Sums().plus(1, 2, 3, 4) == Sums(1, 2, 3, 4)
