"""Avatars over HTTP: from our own origin, to whom the address was shown, safe whatever the provider sends."""

import asyncio
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import select
from sqlmodel import col
from starlette.responses import Response

from app.database import Database
from app.models import Avatar, User
from app.resolvers import sessions
from app.seats import Viewer
from app.settings import Settings
from app.web.avatars import COLOURS, initials
from tests.integrations.issuer import StrangeIssuer
from tests.integrations.test_pictures import PNG, SVG
from tests.web.conftest import served

WITH_PICTURE = {"sub": "ann", "email": "ann@example.com", "name": "Ann Lee"}


@pytest.fixture
def portal(database_url: str, issuer: StrangeIssuer) -> Iterator[Settings]:
    """Serve the portal with an issuer whose Ann has a picture."""
    issuer.person = {**WITH_PICTURE, "picture": f"{issuer.url}/ann.png"}
    with served(database_url, oidc_issuer=issuer.url) as settings:
        yield settings


def ask(settings: Settings, issuer: StrangeIssuer, at: int) -> str:
    """Ask for one's own avatar with a bearer token, as a frontend of another origin does."""
    issuer.at = at
    token = issuer.sign(issuer.access_claims(aud=settings.base_url), typ="at+jwt")
    answer = httpx2.post(
        f"{settings.base_url}/graphql",
        json={"query": "{ viewer { user { avatarUrl } } }"},
        headers={"Authorization": f"Bearer {token}"},
        timeout=30,
    )
    return str(answer.json()["data"]["viewer"]["user"]["avatarUrl"])


@pytest.fixture
async def address(portal: Settings, issuer: StrangeIssuer, database: Database) -> str:
    """Give the address of Ann's picture, as GraphQL does."""
    at = await sessions.clock(Viewer(database, portal))
    return await asyncio.to_thread(ask, portal, issuer, int(at.timestamp()))


def serve_picture(issuer: StrangeIssuer, content: bytes, **given: object) -> None:
    """Let the issuer serve this as Ann's picture."""
    issuer.answers["/ann.png"] = lambda _form: Response(content, **given)


async def fetch(url: str) -> httpx2.Response:
    """Load an image as a browser does."""
    async with httpx2.AsyncClient(timeout=30) as client:
        return await client.get(url)


async def test_a_picture_is_fetched_once_and_may_be_kept_for_ever(
    address: str, issuer: StrangeIssuer, database: Database
) -> None:
    serve_picture(issuer, PNG, media_type="text/html")
    answers = [await fetch(address) for _ in range(3)]
    for answer in answers:
        assert (answer.status_code, answer.content) == (200, PNG)
        assert answer.headers["content-type"] == "image/png"
        assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
        assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
        assert "set-cookie" not in answer.headers
    assert issuer.asked["/ann.png"] == 1
    row = await database.row(select(col(Avatar.content), col(Avatar.media_type)))
    assert row is not None
    assert tuple(row) == (PNG, "image/png")


@pytest.mark.parametrize("content", [SVG, b"<html>", b"", PNG + b"\0" * 262_144])
async def test_what_is_no_picture_shows_initials_and_is_asked_for_an_hour_later(
    address: str,
    issuer: StrangeIssuer,
    content: bytes,
    shift_clock: Callable[[timedelta], None],
) -> None:
    serve_picture(issuer, content, media_type="image/png")
    for _ in range(2):
        answer = await fetch(address)
        assert answer.headers["content-type"].startswith("image/svg+xml")
        assert ">AL<" in answer.text
        assert "script" not in answer.text
        assert answer.headers["cache-control"] == "private, max-age=3600"
        assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert issuer.asked["/ann.png"] == 1
    shift_clock(timedelta(minutes=61))
    serve_picture(issuer, PNG)
    assert (await fetch(address)).content == PNG


async def test_a_new_picture_has_a_new_address(
    address: str, issuer: StrangeIssuer, portal: Settings, database: Database
) -> None:
    serve_picture(issuer, PNG)
    assert (await fetch(address)).content == PNG
    async with database.write() as session:
        user = (await session.execute(select(User))).scalar_one()
        user.picture_url = f"{issuer.url}/new.png"
    assert (await fetch(address)).status_code == 404
    second = await asyncio.to_thread(ask, portal, issuer, issuer.at)
    assert second != address
    assert b"<svg" in (await fetch(second)).content, "it is not there yet"


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path[:-1] + ("0" if path[-1] != "0" else "1"),
        lambda path: path.rsplit("/", 1)[0] + "/" + "0" * 24,
        lambda path: path.rsplit("/", 1)[0] + "/é",
        lambda path: re.sub("/avatars/[0-9a-f]{32}", "/avatars/" + "0" * 32, path),
        lambda path: re.sub("/avatars/[0-9a-f]{32}", "/avatars/nonsense", path),
        lambda path: re.sub("/avatars/.{8}", "/avatars/{}".format("0" * 7), path),
    ],
)
async def test_an_address_that_was_not_shown_shows_nothing(
    address: str, issuer: StrangeIssuer, change: Callable[[str], str]
) -> None:
    wrong = change(address)
    assert wrong != address
    answer = await fetch(wrong)
    assert answer.status_code == 404
    assert answer.headers["cache-control"] == "no-store"
    assert issuer.asked["/ann.png"] == 0


async def test_a_person_has_one_address(address: str) -> None:
    head, user, tag = address.rsplit("/", 2)
    dashed = f"{user[:8]}-{user[8:12]}-{user[12:16]}-{user[16:20]}-{user[20:]}"
    for other in (dashed, f"{{{user}}}", f"urn:uuid:{user}"):
        assert (await fetch(f"{head}/{other}/{tag}")).status_code == 404


async def test_while_many_pictures_are_on_their_way_initials_are_shown_and_not_kept(
    address: str,
    issuer: StrangeIssuer,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    serve_picture(issuer, PNG)
    with monkeypatch.context() as patch:
        patch.setattr("app.integrations.pictures.MOST_AT_ONCE", 0)
        answer = await fetch(address)
    assert answer.headers["content-type"].startswith("image/svg+xml")
    assert answer.headers["cache-control"] == "no-store"
    assert await database.row(select(col(Avatar.user_id))) is None
    assert (await fetch(address)).content == PNG, "the next one finds it"


def test_initials_are_text_and_nothing_else() -> None:
    for name, shown in (
        ("Ann Lee", ">AL<"),
        ("ann", ">A<"),
        ("<script> &amp", ">&lt;&amp;<"),
        ("", ">?<"),
        ("Ångström Ø", ">ÅØ<"),
    ):
        drawn = initials(name, UUID(int=7)).decode()
        assert shown in drawn
        assert "<script" not in drawn


@pytest.mark.parametrize("colour", COLOURS)
def test_initials_can_be_read(colour: str) -> None:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    contrast = 1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05)
    assert contrast >= 4.5
