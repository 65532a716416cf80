"""Webhooks: 200 of Stripe's a second are absorbed while calls are authorized, beside the same calls alone."""

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from app.database import Database
from app.ids import wire_id
from app.integrations.identity import Identity
from app.integrations.stripe import API_VERSION, Checkout
from app.money import MICRO
from app.resolvers import accounts, sessions, top_ups
from app.resolvers.customers import customer_of
from app.seats import Viewer
from app.settings import Settings
from bench.figures import Figure, at_least
from bench.ground import on_each
from bench.load import Measured, load
from bench.metering import authorizing, balanced, prepare
from bench.server import served
from tests.till import Till

TURNS, TURN_SECONDS = 3, 4
EACH_SECOND = 200
EACH_TURN = TURN_SECONDS * EACH_SECOND
# What one payment is told by: itself and its invoice, each twice, as Stripe's repetitions are.
TOLD = 4
PAYMENTS = TURNS * EACH_TURN // TOLD
ACCOUNTS = 50
CONNECTIONS = 64
DELIVERIES = 100
LEAST_RATE = 0.7
SECRET = "whsec_bench-secret-for-the-bench-only-0123456789"  # noqa: S105
TEST_KEY = "sk_test_bench"


def run(kinds: tuple[str, ...]) -> list[Figure]:
    """Measure on each kind of database."""
    return on_each(kinds, _measure)


async def _measure(url: str, kind: str) -> list[Figure]:
    settings = Settings(_env_file=None, database_url=url, port=1)
    token, secrets = await prepare(settings, ACCOUNTS)
    objects, events = await _paid(settings)
    async with _stripe(objects) as stripe_port:
        given = {
            "R9S_STRIPE_API_BASE": f"http://127.0.0.1:{stripe_port}",
            "R9S_STRIPE_API_KEY": TEST_KEY,
            "R9S_STRIPE_WEBHOOK_SECRET": SECRET,
            "R9S_RATE_LIMIT_ADDRESS": "1000000",
        }
        with served(url, **given) as (_pid, port):

            async def authorize() -> Measured:
                return await load(port, token, authorizing(secrets), CONNECTIONS, TURN_SECONDS)

            await authorize()
            alone, beside, told, seconds = Measured(), Measured(), list[float](), 0.0
            # In turns, so that both see the same machine, and a database that fills.
            for turn in range(TURNS):
                alone.add(await authorize())
                part = events[turn * EACH_TURN : (turn + 1) * EACH_TURN]
                calls, (took, spent) = await asyncio.gather(authorize(), _tell(port, part))
                beside.add(calls)
                told += took
                seconds += spent
    wrong = await balanced(url)
    rate = beside.rate / alone.rate
    said = f"{kind}; {beside.rate:.0f}/s beside, {alone.rate:.0f}/s alone"
    slow = f"{kind}; the slowest answer after {max(told):.2f} s"
    return [
        at_least("authorize beside webhooks / alone", rate, LEAST_RATE, said),
        Figure("books after it", wrong or "balanced", "", not wrong),
        at_least("webhooks answered 200 a second", len(told) / seconds, EACH_SECOND * 0.95, slow),
    ]


async def _paid(settings: Settings) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Open top-ups that are paid at Stripe; what Stripe knows of them, and the events that tell of it."""
    database = Database(settings.database_url)
    till = Till()
    nobody = Viewer(database, settings)
    identity = Identity("https://identity.test", "payer", "payer@example.com", True, "Payer", None)  # noqa: FBT003
    secret = await sessions.sign_in(nobody, identity, replacing=None)
    facts = await sessions.session_of(nobody, secret)
    assert facts
    viewer = replace(nobody, user=facts.user, signed_in_at=facts.signed_in_at, stripe=till)
    account_id = (await accounts.list_accounts(viewer))[0].account_id
    customer = await customer_of(viewer, account_id)
    many = replace(viewer, settings=settings.model_copy(update={"top_up_cap": 10_000}))
    objects: dict[str, Any] = {}
    events = []
    for number in range(PAYMENTS):
        top_up = await top_ups.open_top_up(many, account_id, 10 * MICRO)
        ours = {
            "account_id": wire_id("account", account_id),
            "top_up_id": wire_id("top_up", top_up.id),
        }
        session = _session(number, customer, ours)
        await top_ups._top_up_started(viewer.as_system(), top_up.id, Checkout.of(session))  # noqa: SLF001 - as the answer of Stripe does
        invoice = _invoice(number, customer, ours)
        objects |= {session["id"]: session, invoice["id"]: invoice}
        paid = _event(number, "checkout.session.completed", session)
        billed = _event(number + 100_000, "invoice.paid", invoice)
        events += [paid, billed, paid, billed]
    await database.dispose()
    return objects, events


def _session(number: int, customer: str, ours: dict[str, str]) -> dict[str, Any]:
    return {
        "id": f"cs_test_{number}",
        "object": "checkout.session",
        "status": "complete",
        "payment_status": "paid",
        "amount_subtotal": 1000,
        "amount_total": 1000,
        "currency": "usd",
        "customer": customer,
        "payment_intent": f"pi_{number}",
        "invoice": f"in_{number}",
        "metadata": ours,
        "livemode": False,
        "created": 1_700_000_000,
        "expires_at": 1_700_086_400,
        "url": None,
    }


def _invoice(number: int, customer: str, ours: dict[str, str]) -> dict[str, Any]:
    return {
        "id": f"in_{number}",
        "object": "invoice",
        "number": f"B-{number}",
        "customer": customer,
        "status": "paid",
        "subtotal": 1000,
        "total": 1000,
        "currency": "usd",
        "created": 1_700_000_000,
        "metadata": ours,
        "invoice_pdf": "https://stripe.example/pdf",
    }


def _event(number: int, kind: str, about: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": f"evt_{number}",
        "object": "event",
        "type": kind,
        "api_version": API_VERSION,
        "created": 1_700_000_000,
        "livemode": False,
        "data": {"object": about},
    }


@asynccontextmanager
async def _stripe(objects: dict[str, Any]) -> AsyncIterator[int]:
    """Answer like Stripe's API, as lightly as it gets."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                name = head.split(b" ", 2)[1].decode().partition("?")[0].rpartition("/")[2]
                body = json.dumps(objects[name]).encode()
                top = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
                writer.write(top.encode() + body)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def _tell(port: int, events: list[dict[str, Any]]) -> tuple[list[float], float]:
    """Deliver events at their pace, whatever the answers take; the seconds of each that was answered 200, and of all.

    As light as the calls' own client is: both run on the cores that the service has.
    """
    took: list[float] = []
    due: asyncio.Queue[tuple[float, bytes] | None] = asyncio.Queue()
    begun = time.perf_counter()

    async def deliver() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while told := await due.get():
            moment, sent = told
            writer.write(sent)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            if head.startswith(b"http/1.1 200"):
                took.append(time.perf_counter() - moment)
        writer.close()

    async with asyncio.TaskGroup() as deliveries:
        for _n in range(DELIVERIES):
            deliveries.create_task(deliver())
        for number, event in enumerate(events):
            moment = begun + number / EACH_SECOND
            await asyncio.sleep(max(0, moment - time.perf_counter()))
            due.put_nowait((moment, _signed(port, event)))
        for _n in range(DELIVERIES):
            due.put_nowait(None)
    return took, time.perf_counter() - begun


def _signed(port: int, event: dict[str, Any]) -> bytes:
    body = json.dumps(event)
    at = int(time.time())
    sign = hmac.new(SECRET.encode(), f"{at}.{body}".encode(), hashlib.sha256).hexdigest()
    return (
        f"POST /webhooks/stripe HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nStripe-Signature: t={at},v1={sign}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()
