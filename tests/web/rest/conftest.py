"""The finance window of the whole service, in this process, beside a scene on the same database."""

import csv
import io
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx2
import pytest
from starlette.applications import Starlette

from app.main import create_app
from app.permissions import Role
from app.resolvers import api_keys, management_keys
from app.seats import Viewer
from app.settings import Settings
from app.web.traces import Traces
from tests.scene import Scene


@dataclass
class Finance:
    """Acme with an Owner, an Admin and a Member, keys of theirs, and a client with a management key."""

    scene: Scene
    app: Starlette
    client: httpx2.AsyncClient
    account_id: UUID
    owner: Viewer
    secret: str = ""
    people: dict[str, Viewer] = field(default_factory=dict)
    members: dict[str, UUID] = field(default_factory=dict)
    keys: dict[str, UUID] = field(default_factory=dict)

    @property
    def traces(self) -> Traces:
        """The traces that the service gathers."""
        return self.app.state.services.traces

    async def get(self, path: str, secret: str | None = None, **headers: str) -> httpx2.Response:
        """Ask with a key: the management key unless another is given; "" for none."""
        given = self.secret if secret is None else secret
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if given:
            sent["authorization"] = f"Bearer {given}"
        return await self.client.get(path, headers=sent)

    async def json(self, path: str, **headers: str) -> Any:
        """Ask something that is answered in JSON."""
        answer = await self.get(path, **headers)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/json"
        return answer.json()

    async def pages(self, path: str) -> list[dict[str, Any]]:
        """Walk through all pages by their links; the rows."""
        rows: list[dict[str, Any]] = []
        following: str | None = path
        while following is not None:
            answer = await self.get(following)
            assert answer.status_code == 200, answer.text
            body = answer.json()
            rows += body["data"]
            link = answer.headers.get("link")
            assert (link is not None) is body["has_more"]
            following = link.removeprefix("<").removesuffix('>; rel="next"') if link else None
        return rows

    async def table(self, path: str) -> list[dict[str, str]]:
        """Ask for CSV; its rows."""
        answer = await self.get(path, accept="text/csv")
        assert answer.status_code == 200, answer.text
        return read_csv(answer.text)

    async def lines(self, path: str) -> list[dict[str, Any]]:
        """Ask for NDJSON; its rows."""
        answer = await self.get(path, accept="application/x-ndjson")
        assert answer.status_code == 200, answer.text
        return [json.loads(line) for line in answer.text.splitlines()]


def read_csv(text: str) -> list[dict[str, str]]:
    """Read CSV of RFC 4180: every line ends with CR LF."""
    assert text.endswith("\r\n")
    assert "\n" not in text.replace("\r\n", "")
    return list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.fixture
async def finance(scene: Scene, settings: Settings) -> AsyncIterator[Finance]:
    """Serve the service in this process, and make Acme."""
    async for opened in serve(scene, settings):
        yield opened


async def serve(scene: Scene, settings: Settings) -> AsyncIterator[Finance]:
    """Serve the service with these settings."""
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url=settings.base_url) as client:
            owner = await scene.person("olga")
            account_id = await scene.organization(owner, "Acme")
            finance = Finance(scene, app, client, account_id, owner)
            finance.people["olga"] = owner
            finance.members["olga"] = await scene.member_id(account_id, owner)
            for name, role in (("adam", Role.ADMIN), ("mia", Role.MEMBER)):
                finance.people[name] = await scene.person(name)
                joined = await scene.join(account_id, finance.people[name], role=role)
                finance.members[name] = joined
            for name, viewer in finance.people.items():
                made = await api_keys.create_api_key(scene.fresh(viewer), account_id, name)
                finance.keys[name] = made.id
            made = await management_keys.create_management_key(scene.fresh(owner), account_id, "BI")
            finance.secret = made.secret
            yield finance
