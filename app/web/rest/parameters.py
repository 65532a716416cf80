"""Query parameters, read strictly: unknown and repeated ones are refused, moments have a zone."""

import re
from collections.abc import Collection
from datetime import UTC, date, datetime
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

from starlette.requests import Request

from app.errors import BadRequest, Invalid
from app.zones import midnight

MOST_PARAMETERS = 2000
# RFC 3339; `fromisoformat` alone takes far more.
_MOMENT = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})", re.ASCII
)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,9}", re.ASCII)
ORDERS = {"asc": False, "desc": True}


class Parameters:
    """What a request asks for. Raises `BadRequest` for a name that is not known, or given twice and no filter."""

    def __init__(
        self, request: Request, known: Collection[str], filters: Collection[str] = ()
    ) -> None:
        try:
            self.given = parse_qsl(
                request.scope["query_string"].decode("ascii"),
                keep_blank_values=True,
                errors="strict",
                max_num_fields=MOST_PARAMETERS,
            )
        except ValueError:
            raise BadRequest("The query string cannot be read.") from None
        names = [name for name, _ in self.given]
        for name in names:
            if name not in known and name not in filters:
                raise BadRequest(f"There is no parameter {name[:40]!r} here.")
            if name not in filters and names.count(name) > 1:
                raise BadRequest(f"{name} is given twice.")

    def one(self, name: str) -> str | None:
        """Give a parameter that may be there once."""
        return next((value for key, value in self.given if key == name), None)

    def many(self, name: str) -> tuple[str, ...] | None:
        """Give all values of a filter; None where there is none."""
        return tuple(value for key, value in self.given if key == name) or None

    def choice(self, name: str, choices: Collection[str], default: str) -> str:
        """Give one of some words. Raises `Invalid`."""
        value = self.one(name)
        if value is None:
            return default
        if value not in choices:
            raise Invalid(**{name: f"Choose one of {', '.join(choices)}."})
        return value

    def descending(self) -> bool:
        """Read `order`. Raises `Invalid`."""
        return ORDERS[self.choice("order", ORDERS, "asc")]

    def limit(self, most: int, default: int = 100) -> int:
        """Read how many rows a page has. Raises `Invalid`."""
        value = self.one("limit")
        if value is None:
            return min(default, most)
        if not _NUMBER.fullmatch(value) or not 1 <= int(value) <= most:
            raise Invalid(limit=f"Ask for 1 to {most} rows a page.")
        return int(value)

    def span(self, where: ZoneInfo) -> tuple[datetime | None, datetime | None]:
        """Give `from` and `to`, dates as midnights in a time zone. Raises `Invalid`."""
        return self.moment("from", where), self.moment("to", where)

    def zone_name(self) -> str:
        """Read `time_zone`; `app.zones.zone` says whether there is such a one."""
        given = self.one("time_zone")
        return "UTC" if given is None else given

    def moment(self, name: str, where: ZoneInfo) -> datetime | None:
        """Read a moment, or a day, which means its midnight in a zone. Raises `Invalid`."""
        value = self.one(name)
        if value is None:
            return None
        try:
            if _DATE.fullmatch(value):
                return midnight(date.fromisoformat(value), where)
            if _MOMENT.fullmatch(value):
                return datetime.fromisoformat(value.upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
        sentence = 'Write a moment with its zone, such as "2026-11-01T00:00:00Z", or a date.'
        raise Invalid(**{name: sentence})
