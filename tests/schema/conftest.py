"""The GraphQL window over the real verbs, asked by people of a scene."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request

from app.database import Database
from app.errors import Unauthenticated
from app.schema import build_schema
from app.seats import Viewer
from app.settings import Settings
from app.web import graphql
from app.web.edge import edge_of
from app.web.requests import Requests
from tests.scene import Scene


@dataclass
class Window:
    """The endpoint with people who may ask it; `Authorization: Bearer NAME` is that person."""

    settings: Settings
    scene: Scene
    people: dict[str, Viewer] = field(default_factory=dict)
    client: Any = None

    async def viewer_of(self, request: Request) -> Viewer:
        """Make a new viewer each time, as a request does."""
        name = request.headers.get("authorization", "").removeprefix("Bearer ")
        viewer = self.scene.signed_out()
        if name:
            if name not in self.people:
                raise Unauthenticated
            viewer = self.scene.fresh(self.people[name])
        viewer.request_id = edge_of(request).request_id
        return viewer

    async def person(self, name: str, **more: Any) -> Viewer:
        """Sign someone in."""
        self.people[name] = await self.scene.person(name, **more)
        return self.people[name]

    async def post(self, body: Any, who: str | None = None, **headers: str) -> httpx2.Response:
        """Send a body, as JSON unless it is bytes."""
        sent = {"content-type": "application/json"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        if who:
            sent["authorization"] = f"Bearer {who}"
        kind = {"content": body} if isinstance(body, bytes) else {"json": body}
        return await self.client.post("/graphql", headers=sent, **kind)

    async def ask(self, who: str | None, query: str, **variables: Any) -> dict[str, Any]:
        """Ask something that is answered."""
        response = await self.post({"query": query, "variables": variables}, who)
        assert response.status_code == 200, response.text
        return response.json()

    async def data(self, who: str | None, query: str, **variables: Any) -> Any:
        """Ask something that is not refused."""
        answer = await self.ask(who, query, **variables)
        assert "errors" not in answer, answer
        return answer["data"]

    async def code(self, who: str | None, query: str, **variables: Any) -> str:
        """Ask something that is refused once; the code."""
        answer = await self.ask(who, query, **variables)
        assert len(answer["errors"]) == 1, answer
        return answer["errors"][0]["extensions"]["code"]


def app_of(window: Window, settings: Settings) -> Any:
    """Serve the window alone."""
    routes = graphql.routes(build_schema(settings), settings, window.viewer_of)
    return Requests(Starlette(routes=routes), settings)


async def open_window(scene: Scene, settings: Settings) -> AsyncIterator[Window]:
    """Give a window and a client for it."""
    window = Window(settings, scene)
    transport = httpx2.ASGITransport(app=app_of(window, settings))
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
        window.client = client
        yield window


@pytest.fixture
async def window(scene: Scene, settings: Settings) -> AsyncIterator[Window]:
    """Open the sandbox's window."""
    async for opened in open_window(scene, settings):
        yield opened


@pytest.fixture
async def acme(window: Window) -> str:
    """Make Acme of Olga (Owner), Adam (Admin) and Mia (Member), beside Sam, a stranger; its account's global id."""
    from app.ids import wire_id  # noqa: PLC0415
    from app.permissions import Role  # noqa: PLC0415

    for name in ("olga", "adam", "mia", "sam"):
        await window.person(name)
    account_id = await window.scene.organization(window.people["olga"], "Acme")
    await window.scene.join(account_id, window.people["adam"], role=Role.ADMIN)
    await window.scene.join(account_id, window.people["mia"])
    return wire_id("account", account_id)


@pytest.fixture
def statements(database: Database) -> list[str]:
    """Gather each SQL statement that runs."""
    seen: list[str] = []
    database.on_statement(seen.append)
    return seen
