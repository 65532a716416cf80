"""Exports while they run: part by part, one snapshot, ended with their caller, apart from what decides."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from app.ids import new_id, wire_id
from app.models import AuditActorKind
from app.resolvers import api_keys, gateways, operations
from app.settings import Settings
from app.web.rest import lists
from tests.scene import Scene
from tests.usage_rows import Made, book
from tests.web.rest.conftest import Finance, serve

START = datetime(2026, 10, 1, tzinfo=UTC)
COUNT = 6000
MOST_CHUNK = 600_000


async def many_calls(finance: Finance, count: int = COUNT) -> None:
    calls = [
        Made(START + timedelta(seconds=n), finance.members["mia"], finance.keys["mia"], f"m/{n}")
        for n in range(count)
    ]
    await book(finance.scene.database, finance.account_id, calls)


class Caller:
    """One request to the service as a server makes it, taking chunk by chunk."""

    def __init__(self, finance: Finance, query: str) -> None:
        self.messages: list[dict[str, Any]] = []
        self.asked = False
        self.gone = asyncio.Event()
        self.may_send = asyncio.Event()
        self.may_send.set()
        self.scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": "/usage",
            "raw_path": b"/usage",
            "query_string": f"from=2026-10-01&to=2026-11-01&{query}".encode(),
            "root_path": "",
            "headers": [
                (b"host", b"127.0.0.1"),
                (b"authorization", f"Bearer {finance.secret}".encode()),
            ],
            "client": ("127.0.0.1", 50_000),
            "server": ("127.0.0.1", 8000),
        }
        self.app = finance.app

    async def run(self) -> None:
        """Be served."""
        await self.app(self.scope, self._receive, self._send)

    async def _receive(self) -> dict[str, Any]:
        if not self.asked:
            self.asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: dict[str, Any]) -> None:
        await self.may_send.wait()
        self.messages.append(message)

    @property
    def chunks(self) -> list[bytes]:
        """What has come so far."""
        return [one["body"] for one in self.messages if one.get("body")]


async def until(true: Any) -> None:
    """Let others run until something is true."""
    async with asyncio.timeout(30):
        while not true():  # noqa: ASYNC110 - what is waited for happens in the service
            await asyncio.sleep(0)


def exports_open(finance: Finance) -> int:
    return finance.app.state.services.database._exporting.pool.checkedout()


@pytest.mark.parametrize("form", ["csv", "ndjson"])
async def test_an_export_comes_part_by_part_and_waits_while_nobody_takes_it(
    finance: Finance, form: str
) -> None:
    await many_calls(finance)
    caller = Caller(finance, f"format={form}")
    work = asyncio.create_task(caller.run())
    await until(lambda: caller.chunks)
    caller.may_send.clear()
    # Booked after the export began: no part of its snapshot.
    await many_calls(finance, 10)
    taken = len(caller.chunks)
    await asyncio.sleep(0)
    assert len(caller.chunks) <= taken + 1
    caller.may_send.set()
    await work
    assert len(caller.chunks) > 3
    assert max(len(one) for one in caller.chunks) < MOST_CHUNK
    lines = b"".join(caller.chunks).splitlines()
    assert len(lines) == COUNT + (form == "csv")
    assert exports_open(finance) == 0


@pytest.mark.parametrize("query", ["format=csv", "format=ndjson", "format=csv&granularity=hour"])
async def test_a_caller_who_goes_ends_the_export_and_gives_its_connection_back(
    finance: Finance, query: str
) -> None:
    await many_calls(finance)
    for _n in range(6):
        caller = Caller(finance, query)
        work = asyncio.create_task(caller.run())
        await until(lambda one=caller: one.chunks)
        caller.may_send.clear()
        caller.gone.set()
        await work
        assert exports_open(finance) == 0
    rows = await finance.lines("/usage?from=2026-10-01&to=2026-11-01&limit=1")
    assert len(rows) == COUNT


async def test_exports_that_wait_take_nothing_from_those_who_ask_for_pages(
    finance: Finance,
) -> None:
    await many_calls(finance)
    callers = [Caller(finance, "format=csv") for _n in range(4)]
    work = [asyncio.create_task(one.run()) for one in callers]
    for one in callers:
        await until(lambda one=one: one.chunks)
        one.may_send.clear()
    body = await finance.json("/usage?from=2026-10-01&to=2026-11-01&granularity=total")
    assert body["totals"]["requests"] == COUNT
    assert (await finance.get("/balance")).status_code == 200
    for one in callers:
        one.may_send.set()
    await asyncio.gather(*work)


async def test_exports_that_wait_take_nothing_from_calls(finance: Finance) -> None:
    await many_calls(finance)
    operator = replace(finance.scene.fresh(finance.owner), kind=AuditActorKind.OPERATOR)
    await operations.grant(operator, "acme", 10_000_000, "to be spent")
    token = await gateways.create_gateway(operator, "beside")
    mia = finance.scene.fresh(finance.people["mia"])
    key = (await api_keys.create_api_key(mia, finance.account_id, "beside")).secret
    callers = [Caller(finance, f"format={form}") for form in ("csv", "ndjson") * 2]
    work = [asyncio.create_task(one.run()) for one in callers]
    for one in callers:
        await until(lambda one=one: one.chunks)
        one.may_send.clear()

    async def call(path: str, **body: Any) -> Any:
        headers = {"Authorization": f"Bearer {token}"}
        answer = await finance.client.post(f"/metering/{path}", json=body, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    for n in range(3):
        hold = await call("authorize", request_id=f"r{n}", key=key, amount="1")
        spent = {"model": "m/1", "prompt_tokens": 1, "completion_tokens": 1, "cost": "0.5"}
        await call("settle", hold_id=hold["hold_id"], event_id=f"e{n}", **spent)
    for one in callers:
        one.may_send.set()
    await asyncio.gather(*work)
    counts = [len(b"".join(one.chunks).splitlines()) for one in callers]
    assert counts == [COUNT + 1, COUNT] * 2
    body = await finance.json("/usage?granularity=total&from=2026-10-01")
    assert body["totals"]["requests"] == COUNT + 3


async def test_an_export_makes_way_for_calls_and_goes_on_where_there_are_none(
    finance: Finance, monkeypatch: pytest.MonkeyPatch
) -> None:
    await many_calls(finance)
    paused = asyncio.Event()

    async def pause(_seconds: float) -> None:
        paused.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(lists, "sleep", pause)
    operator = replace(finance.scene.fresh(finance.owner), kind=AuditActorKind.OPERATOR)
    token = await gateways.create_gateway(operator, "beside")
    gate = finance.app.state.services.gate
    serve_group, may_serve = gate._batcher._work, asyncio.Event()

    async def held(calls: Any) -> Any:
        await may_serve.wait()
        return await serve_group(calls)

    monkeypatch.setattr(gate._batcher, "_work", held)
    call = asyncio.create_task(
        finance.client.post(
            "/metering/release",
            json={"hold_id": wire_id("hold", new_id())},
            headers={"Authorization": f"Bearer {token}"},
        )
    )
    await until(lambda: gate.busy)
    waiting = Caller(finance, "format=csv")
    work = asyncio.create_task(waiting.run())
    await until(paused.is_set)
    assert len(waiting.chunks) == 1
    waiting.gone.set()
    await work
    may_serve.set()
    assert (await call).status_code == 404
    await until(lambda: not gate.busy)
    alone = Caller(finance, "format=csv")
    await alone.run()
    assert len(b"".join(alone.chunks).splitlines()) == COUNT + 1


async def test_a_reader_who_takes_nothing_for_too_long_is_broken_off(
    scene: Scene, settings: Settings
) -> None:
    impatient = settings.model_copy(update={"export_stall_seconds": 0.01})
    async for finance in serve(scene, impatient):
        await many_calls(finance)
        caller = Caller(finance, "format=csv")
        work = asyncio.create_task(caller.run())
        await until(lambda one=caller: one.messages)
        caller.may_send.clear()
        with capture_logs(), pytest.raises(ConnectionAbortedError):
            await work
        assert exports_open(finance) == 0
