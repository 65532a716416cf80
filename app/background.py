"""Work beside the requests: letters, alerts, exports, expired holds, ended sessions, Stripe's side of the books. Each loop survives any failure."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from app.database import Database
from app.errors import Unavailable
from app.exporting.exporter import Exporter
from app.integrations.mail import Mailer, MailRefused
from app.integrations.stripe import Stripe
from app.metering.gate import Gate
from app.models import AuditActorKind
from app.resolvers import (
    alert_letters,
    customers,
    export_work,
    letters,
    reconciliation,
    sessions,
)
from app.resolvers.letters import DueLetter
from app.seats import Viewer
from app.settings import Settings
from app.web import metrics
from app.web.letters import render_letter

log = structlog.get_logger()
LETTERS_AT_ONCE = 10
LETTER_SECONDS = 1.0
SESSION_SECONDS = 3600.0
HOLD_SECONDS = 15.0
ALERT_SECONDS = 10.0
STRIPE_SECONDS = 60.0
EXPORT_SECONDS = 1.0
SWEEP_SECONDS = 60.0
STOP_SECONDS = 10.0


def system_viewer(database: Database, settings: Settings, stripe: Stripe | None = None) -> Viewer:
    """The service itself, as it acts in system verbs."""
    return Viewer(database, settings, kind=AuditActorKind.SYSTEM, stripe=stripe)


async def deliver_due(database: Database, settings: Settings, mailer: Mailer) -> int:
    """Send every letter that is due; tell how many the mail server took."""
    sent = 0
    viewer = system_viewer(database, settings)
    while due := await letters.take_due_letters(viewer, LETTERS_AT_ONCE):
        for letter in due:
            sent += await _deliver(viewer, mailer, letter)
        if len(due) < LETTERS_AT_ONCE:
            break
    return sent


async def sweep_exports(viewer: Viewer) -> None:
    """Delete what is over of exports, a little at a time."""
    while await export_work.sweep_exports(viewer):
        pass


async def _deliver(viewer: Viewer, mailer: Mailer, letter: DueLetter) -> bool:
    # Nothing is locked while the mail server is talked to: the lease keeps others away.
    try:
        await mailer.send(render_letter(viewer.settings, letter))
    except Exception as error:  # noqa: BLE001 - whatever it was, the letter is tried again
        await _note_failure(viewer, letter, error)
        return False
    await letters.letter_sent(viewer, letter.id)
    metrics.count_letter("sent")
    return True


async def _note_failure(viewer: Viewer, letter: DueLetter, error: Exception) -> None:
    permanent = isinstance(error, MailRefused)
    # The kind alone: a mail server's words may repeat the address or the letter.
    name = type(error).__name__
    given_up = await letters.letter_failed(viewer, letter.id, name, permanent=permanent)
    metrics.count_letter("given_up" if given_up else "failed")
    log.warning("letter_failed", letter=str(letter.id), error=name, given_up=given_up)


class Background:
    """The loops, started and stopped with the app."""

    def __init__(
        self, database: Database, settings: Settings, mailer: Mailer, gate: Gate, stripe: Stripe
    ) -> None:
        viewer = system_viewer(database, settings, stripe)
        self._exporter = Exporter(viewer)
        self._work: dict[str, tuple[float, Callable[[], Awaitable[object]]]] = {
            "letters": (LETTER_SECONDS, lambda: deliver_due(database, settings, mailer)),
            "holds": (HOLD_SECONDS, gate.end_expired_holds),
            "balance_alerts": (ALERT_SECONDS, lambda: alert_letters.send_balance_alerts(viewer)),
            "quota_alerts": (ALERT_SECONDS, lambda: alert_letters.send_quota_alerts(viewer)),
            "customers": (STRIPE_SECONDS, lambda: customers.keep_customers_in_step(viewer)),
            "reconcile": (STRIPE_SECONDS, lambda: reconciliation.reconcile_daily(viewer)),
            "exports": (EXPORT_SECONDS, self._exporter.run_due),
            "swept_exports": (SWEEP_SECONDS, lambda: sweep_exports(viewer)),
            "sessions": (SESSION_SECONDS, lambda: sessions.end_stale_sessions(viewer)),
        }
        self._stopping = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start every loop."""
        self._tasks = [
            asyncio.create_task(self._loop(name, seconds, work), name=name)
            for name, (seconds, work) in self._work.items()
        ]

    async def stop(self) -> None:
        """Let each loop finish what it is at, for ten seconds; what is cut off then is repeated after its lease."""
        self._stopping.set()
        self._exporter.stop()
        if self._tasks:
            _done, late = await asyncio.wait(self._tasks, timeout=STOP_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _loop(self, name: str, seconds: float, work: Callable[[], Awaitable[object]]) -> None:
        structlog.contextvars.clear_contextvars()
        while not self._stopping.is_set():
            try:
                await work()
            except Unavailable:
                log.warning("background_waits", work=name)
            except Exception:
                log.warning("background_failed", work=name, exc_info=True)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), seconds)
