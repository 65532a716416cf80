"""The choice of a download: CSV at once, or a file that is written meanwhile and fetched from the page Exports."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.resolvers import exports
from app.resolvers.exports import FileFormat
from app.web.portal.frame import Room
from app.web.portal.usage_asked import Asked, Parameters

LABELS: Mapping[FileFormat, str] = {FileFormat.XLSX: "Excel", FileFormat.PARQUET: "Parquet"}


@dataclass(frozen=True, slots=True)
class Download:
    """Where each format is had: CSV by a link, the others by a form to `ask_path` with the format's name."""

    csv_path: str
    ask_path: str
    formats: Sequence[tuple[str, str]]
    exports_path: str


def download_of(room: Room, asked: Asked, page: str, but: Parameters) -> Download:
    """Offer what a page shows now; its view's own parameters, `but`, say nothing of what is in a file."""
    return Download(
        asked.address(but, room.path(f"{page}.csv")),
        asked.address(but, room.path("exports", page)),
        [(one.value.lower(), LABELS[one]) for one in exports.FORMATS],
        room.path("exports"),
    )
