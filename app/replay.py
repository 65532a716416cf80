"""A replay: a trace's calls sent at a gateway's door over HTTP, and what was sent compared with what `/usage` says.

A call's event id is made of the run, the file, the row, the models and the tag, so that it is booked
once however often a replay is stopped and begun again. Which key and which model a call is of comes from a hash of that id.
"""

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple

import httpx2

from app.errors import Conflict, Invalid, Refusal, Unavailable
from app.money import parse_credits
from app.trace import TracedCall, fingerprint, first_of, read_traces

SECONDS = 30
TRIES = 60
"""How often a request is repeated while the service is away."""
PAUSE_SECONDS = 1
HOLDS = 3
"""How many holds a call may take: one that was left open by a replay long ago can no longer be settled."""
REACH = timedelta(days=300)
NO_ANSWER = "The service cannot be reached, or does not answer."
# What a call may meet as any call does. All other refusals end a replay.
USUAL = {
    *("insufficient_credits", "quota_exceeded", "quota_disabled"),
    *("key_limit_exceeded", "account_frozen"),
}


class Refused(Refusal):
    """What the service refused, by its own code and sentence."""

    def __init__(self, answer: httpx2.Response) -> None:
        try:
            said: Any = answer.json()
        except ValueError:
            said = {}
        said = said if isinstance(said, dict) else {}
        self.reason = str(said.get("code", answer.status_code))
        detail = said.get("detail", "")
        super().__init__(f"{answer.url.path} was refused ({self.reason}): {detail}")


@dataclass(frozen=True, slots=True)
class Access:
    """Where to, and with which secrets: a gateway's token, standard keys, and a management key of their account."""

    url: str
    gateway_token: str = field(repr=False)
    keys: tuple[str, ...] = field(repr=False)
    management_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Task:
    """What to send: files, how many of their calls (None: all), as calls of which models, under which tag.

    `run` tells replays of the same files apart; `connections` are used at the same time.
    """

    files: tuple[Path, ...]
    models: tuple[str, ...]
    tag: str = "replay"
    run: str = "1"
    calls: int | None = None
    connections: int = 32

    def events(self) -> Iterator[tuple[str, TracedCall]]:
        """Go through the calls with their event ids. Raises `Invalid`, `OSError`."""
        names = [f"replay-{self.run}-{self._mark(one)}" for one in self.files]
        if len(set(names)) < len(names):
            raise Invalid(file="One of the files is there twice.")
        for call in first_of(read_traces(self.files), self.calls):
            yield f"{names[call.file]}-{call.row}", call

    def _mark(self, file: Path) -> str:
        return _hash(fingerprint(file), *self.models, self.tag)[:12]


class Sums(NamedTuple):
    """Sums of calls; the cost in micro-credits."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_micro: int = 0

    def plus(self, *others: int) -> "Sums":
        """Add figures in the same order."""
        return Sums(*(one + other for one, other in zip(self, others, strict=True)))


NOTHING = Sums()


@dataclass(slots=True)
class Outcome:
    """What a replay did, and what `/usage` says of it. `differences` are sentences, none where all is equal."""

    sent: Sums = NOTHING
    told: Sums = NOTHING
    before: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)


class Replay:
    """One replay; `told` hears how many of the calls are done."""

    def __init__(
        self,
        client: httpx2.AsyncClient,
        access: Access,
        task: Task,
        told: Callable[[int], None] = lambda _done: None,
    ) -> None:
        self._client = client
        self._access = access
        self._task = task
        self._told = told
        self._account_id = ""
        self._range: dict[str, str] = {}
        self._costs: dict[str, int] = {}
        self._done = 0
        self.outcome = Outcome()

    async def run(self) -> Outcome:
        """Send what is not booked yet, then compare.

        Raises `Invalid`, `OSError` for the files, `Unavailable`, `Refused`, `Conflict`.
        """
        await self._look_around()
        booked = {
            row["event_id"]: _figures(row)[2]
            async for row in self._records()
            if row["corrects"] is None
        }
        self._costs = {
            event_id: booked[event_id]
            for event_id, _call in self._task.events()
            if event_id in booked
        }
        self.outcome.before = len(self._costs)
        self._tell(len(self._costs))
        waiting = (one for one in self._task.events() if one[0] not in booked)
        try:
            async with asyncio.TaskGroup() as group:
                for _n in range(self._task.connections):
                    group.create_task(self._send_all(waiting))
        except ExceptionGroup as several:
            raise several.exceptions[0] from None
        await self._compare()
        return self.outcome

    async def _look_around(self) -> None:
        """Learn whose account it is and what time it is there."""
        balance = (await self._get("/balance")).json()
        self._account_id = balance["account"]["id"]
        today: date = datetime.fromisoformat(balance["as_of"]).date()
        # Whole days, which rollups hold; calls of a moment from now are in it.
        self._range = {
            "from": (today - REACH).isoformat(),
            "to": (today + timedelta(days=2)).isoformat(),
            "tag": self._task.tag,
        }

    def _tell(self, done: int) -> None:
        self._done += done
        self._told(self._done)

    async def _send_all(self, waiting: Iterator[tuple[str, TracedCall]]) -> None:
        for event_id, call in waiting:
            try:
                self._costs[event_id] = await self._send(event_id, call)
            except Refused as refused:
                if refused.reason not in USUAL:
                    raise
                self.outcome.refused[refused.reason] += 1
            self._tell(1)

    async def _send(self, event_id: str, call: TracedCall) -> int:
        """Authorize and settle one call; what it cost."""
        key, model = self._dealt(event_id)
        # Another key asks for another hold: the call itself is still booked once, by its event id.
        mark = _hash(key)[:8]
        for attempt in range(HOLDS):
            body = {
                "request_id": f"{event_id}-{mark}-{attempt}",
                "key": key,
                "model": model,
                "max_prompt_tokens": call.prompt_tokens,
                "max_completion_tokens": call.completion_tokens,
                "tag": self._task.tag,
            }
            hold = (await self._post("/metering/authorize", body)).json()
            if hold["account_id"] != self._account_id:
                raise Conflict("A key is of another account than the management key.")
            body = {
                "hold_id": hold["hold_id"],
                "event_id": event_id,
                "model": model,
                "prompt_tokens": call.prompt_tokens,
                "completion_tokens": call.completion_tokens,
            }
            try:
                booked = (await self._post("/metering/settle", body)).json()
            except Refused as refused:
                if refused.reason != "hold_not_open" or attempt == HOLDS - 1:
                    raise
            else:
                return parse_credits(booked["cost"], "cost")
        raise AssertionError("the last attempt returns or raises")

    def _dealt(self, event_id: str) -> tuple[str, str]:
        digest = hashlib.sha256(event_id.encode()).digest()
        keys, models = self._access.keys, self._task.models
        # Two numbers, so that a call stays of its model however many keys there are.
        key = keys[int.from_bytes(digest[:4]) % len(keys)]
        return key, models[int.from_bytes(digest[4:8]) % len(models)]

    async def _compare(self) -> None:
        """Compare call by call, and the records of this tag with the rollups."""
        differences = self.outcome.differences
        rows: dict[str, Mapping[str, Any]] = {}
        everything = NOTHING
        async for row in self._records():
            figures = _figures(row)
            everything = everything.plus(int(row["corrects"] is None), *figures)
            if row["event_id"] in self._costs and row["corrects"] is None:
                self.outcome.told = self.outcome.told.plus(1, *figures)
                if row["event_id"] in rows:
                    differences.append(f"{row['event_id']} is there twice.")
                rows[row["event_id"]] = row
        for event_id, call in self._task.events():
            if event_id in self._costs:
                cost = self._costs[event_id]
                figures = (call.prompt_tokens, call.completion_tokens, cost)
                self.outcome.sent = self.outcome.sent.plus(1, *figures)
                differences += self._differences(event_id, figures, rows.get(event_id))
        report = (await self._get("/usage", granularity="total", **self._range)).json()["totals"]
        summed = Sums(int(report["requests"]), *_figures(report))
        if summed != everything:
            differences.append(f"The report says {summed}, its records {everything}.")

    def _differences(
        self, event_id: str, figures: tuple[int, ...], row: Mapping[str, Any] | None
    ) -> Iterator[str]:
        if row is None:
            yield f"{event_id} is missing."
            return
        sent = (self._dealt(event_id)[1], *figures)
        told = (row["model"], *_figures(row))
        if sent != told:
            yield f"{event_id} was sent as {sent} and is told as {told}."

    async def _records(self) -> AsyncIterator[dict[str, Any]]:
        """Read all records of the tag, as one export."""
        given = {"granularity": "record", "format": "ndjson", **self._range}
        headers = _bearer(self._access.management_key)
        try:
            async with self._client.stream(
                "GET", "/usage", params=given, headers=headers
            ) as answer:
                if answer.status_code != HTTPStatus.OK:
                    await answer.aread()
                    raise Refused(answer)
                async for line in answer.aiter_lines():
                    yield json.loads(line)
        except httpx2.TransportError as error:
            raise Unavailable(NO_ANSWER) from error

    async def _get(self, path: str, **given: str) -> httpx2.Response:
        headers = _bearer(self._access.management_key)
        return await self._ask("GET", path, params=given, headers=headers)

    async def _post(self, path: str, body: Mapping[str, Any]) -> httpx2.Response:
        headers = _bearer(self._access.gateway_token)
        return await self._ask("POST", path, json=body, headers=headers)

    async def _ask(self, method: str, path: str, **given: Any) -> httpx2.Response:
        """Ask, again and again while the service is away: each of these requests may be repeated."""
        for _try in range(TRIES):
            seconds = PAUSE_SECONDS
            try:
                answer = await self._client.request(method, path, **given)
            except httpx2.TransportError:
                pass
            else:
                if answer.status_code == HTTPStatus.OK:
                    return answer
                if answer.status_code not in (
                    HTTPStatus.TOO_MANY_REQUESTS,
                    HTTPStatus.SERVICE_UNAVAILABLE,
                ):
                    raise Refused(answer)
                seconds = int(answer.headers.get("retry-after", str(PAUSE_SECONDS)))
            await asyncio.sleep(seconds)
        raise Unavailable(NO_ANSWER)


def _figures(row: Mapping[str, Any]) -> tuple[int, int, int]:
    tokens = int(row["prompt_tokens"]), int(row["completion_tokens"])
    return (*tokens, parse_credits(row["cost"], "cost"))


def _hash(*texts: str) -> str:
    return hashlib.sha256(" ".join(texts).encode()).hexdigest()


def _bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


@asynccontextmanager
async def client_of(access: Access, task: Task) -> AsyncIterator[httpx2.AsyncClient]:
    """Open connections to the service. Raises `Invalid` for an address that is none."""
    limits = httpx2.Limits(
        max_connections=task.connections, max_keepalive_connections=task.connections
    )
    try:
        client = httpx2.AsyncClient(
            base_url=access.url, timeout=SECONDS, limits=limits, trust_env=False
        )
    except httpx2.InvalidURL:
        raise Invalid(url=f"{access.url} is no address of a service.") from None
    async with client:
        yield client
