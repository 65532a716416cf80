"""Structured log lines, one JSON object each or coloured text, with the request's id and without secrets."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from app.settings import Settings

_SECRET_NAMES = re.compile(
    r"secret|token|password|authorization|cookie|api_key|pepper", re.IGNORECASE
)
_SECRET_VALUES = re.compile(
    r"(?:sk_(?:mg_)?|gw_)[A-Za-z0-9]{8,}|eyJ[\w-]+\.[\w-]+\.[\w-]*|(?<=/invitations/)[\w=-]{20,}"
)
HIDDEN = "[hidden]"


def hide_secrets(
    _logger: Any, _method: str, line: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Take out what looks like a secret, by its name or by its shape."""
    for name, value in line.items():
        if _SECRET_NAMES.search(name):
            line[name] = HIDDEN
        elif isinstance(value, str):
            line[name] = _SECRET_VALUES.sub(HIDDEN, value)
    return line


def set_up_logs(settings: Settings) -> None:
    """Send structlog's and the libraries' lines to standard error, in one form."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    # Times of log lines alone may come from the process: nothing is decided by them.
    as_json = settings.log_format == "json"
    # No traceback shows the values of variables: secrets are among them.
    last: list[Any] = (
        [structlog.processors.format_exc_info, hide_secrets, structlog.processors.JSONRenderer()]
        if as_json
        else [
            hide_secrets,
            structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
        ]
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    # These write the addresses that they call, secrets in them included.
    for chatty in ("httpx", "httpx2", "httpcore", "httpcore2", "aiosqlite", "asyncio", "mail.log"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    # `r9s migrate` says from where to where; Alembic says how it went about it.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
