"""Figures for Prometheus, on a port of their own. Labels are few and never name an account."""

from functools import lru_cache
from threading import Thread
from wsgiref.simple_server import WSGIServer

from prometheus_client import Counter, Histogram, start_http_server
from starlette.types import Scope

from app.settings import Settings

NO_ROUTE = "none"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_requests = Counter("r9s_requests", "Answered requests.", ["route", "method", "status"])
_seconds = Histogram("r9s_request_seconds", "Time to the end of the answer.", ["route"])
_letters = Counter("r9s_letters", "Letters by what became of them.", ["outcome"])
_outages = Counter("r9s_database_outages", "Health checks that did not reach the database.")


def route_of(scope: Scope) -> str:
    """Name the route's template, so that ids and tokens in paths make no new figures."""
    route = scope.get("route")
    path = getattr(route, "path", None) or scope.get("root_path")
    return str(path) if path else NO_ROUTE


def count_request(route: str, method: str, status: int, seconds: float) -> None:
    """Count an answered request; `seconds` it took."""
    known = method if method in METHODS else "other"
    _requests.labels(route, known, str(status)).inc()
    _seconds.labels(route).observe(seconds)


def count_answer(route: str, method: str, status: int) -> None:
    """Count an answered request of a route that is counted only, for it may have no time to lose."""
    _answers(route, method if method in METHODS else "other", int(status)).inc()


@lru_cache(maxsize=1024)
def _answers(route: str, method: str, status: int) -> Counter:
    return _requests.labels(route, method, str(status))


def count_letter(outcome: str) -> None:
    """Count a letter: `sent`, `failed`, `given_up` or `dropped`."""
    _letters.labels(outcome).inc()


def count_database_outage() -> None:
    """Count a database that did not answer."""
    _outages.inc()


class MetricsServer:
    """Serves the figures while the app runs; not at all where the port is 0."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._running: tuple[WSGIServer, Thread] | None = None

    def start(self) -> None:
        """Listen."""
        if self._settings.metrics_port:
            self._running = start_http_server(
                self._settings.metrics_port, addr=self._settings.metrics_host
            )

    def stop(self) -> None:
        """Stop listening."""
        if self._running is not None:
            server, thread = self._running
            server.shutdown()
            server.server_close()
            thread.join()
            self._running = None
