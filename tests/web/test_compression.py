"""Compression: pages and static files are small on the line, and a page's length tells nothing twice."""

import gzip

import pytest

from app.web.compression import accepts_gzip
from tests.web.conftest import Edge


@pytest.mark.parametrize(
    ("said", "taken"),
    [
        ("gzip, br", True),
        ("br;q=1, gzip;q=0.5", True),
        ("gzip;q=0", False),
        ("", False),
        ("*", False),
    ],
)
def test_only_gzip_that_is_wanted_is_given(said: str, *, taken: bool) -> None:
    assert accepts_gzip(said) is taken


async def test_pages_and_static_files_are_compressed(edge: Edge) -> None:
    client = await edge()
    plain = await client.get("/", headers={"Accept": "text/html", "Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    lengths = set()
    for _ in range(12):
        page = await client.get("/", headers={"Accept": "text/html", "Accept-Encoding": "gzip"})
        assert page.headers["content-encoding"] == "gzip"
        assert "Accept-Encoding" in page.headers["vary"]
        assert page.text == plain.text
        lengths.add(page.headers["content-length"])
    assert len(lengths) > 1, "the same page is of another length each time"
    style = plain.text.partition('rel="stylesheet" href="')[2].partition('"')[0]
    small = await client.get(style, headers={"Accept-Encoding": "gzip"})
    whole = await client.get(style, headers={"Accept-Encoding": "identity"})
    assert small.headers["content-encoding"] == "gzip"
    assert small.content == whole.content
    assert int(small.headers["content-length"]) < len(whole.content) / 3
    assert len(gzip.compress(whole.content, 9)) < 12_000


async def test_what_is_short_or_no_page_goes_as_it_is(edge: Edge) -> None:
    client = await edge()
    for path in ("/health/live", "/nowhere"):
        answer = await client.get(path, headers={"Accept": "application/json"})
        assert "content-encoding" not in answer.headers
