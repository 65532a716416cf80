"""Tabs: browsers' tabs that people have open in a service of this process, without JavaScript or with htmx's requests."""

import re
from typing import Any
from urllib.parse import urlencode

import httpx2
from starlette.applications import Starlette

from app.database import Database
from tests.web.conftest import Forms

PART = {"HX-Request": "true", "HX-Request-Type": "partial"}
OWN = {"Sec-Fetch-Site": "same-origin"}
FORM = "application/x-www-form-urlencoded"


def assert_well_formed(html: str) -> None:
    """Tell whether a space is missing between two attributes, which browsers forgive by losing them."""
    for tag in re.findall(r"<[a-z][^<>]*>", html):
        bare = re.sub(r'"[^"]*"', '""', tag)
        assert not re.search(r'""[a-z]', bare), tag
        joined = r"\b(required|autofocus|checked|selected|disabled|hidden)[a-z]"
        assert not re.search(joined, bare), tag


class Tab:
    """A tab: `get` and `send` as a browser without script does, `part` and `quick` as htmx does."""

    def __init__(self, client: httpx2.AsyncClient, app: Starlette) -> None:
        self.client = client
        self.app = app

    @property
    def database(self) -> Database:
        """The database as the service uses it."""
        return self.app.state.services.database

    async def get(self, path: str, **headers: str) -> httpx2.Response:
        """Open a page, and what it leads to."""
        answer = await self.client.get(path, headers=headers)
        assert_well_formed(answer.text)
        return answer

    async def part(self, path: str, **headers: str) -> httpx2.Response:
        """Ask for a part of a page."""
        answer = await self.client.get(path, headers={**PART, **headers})
        assert_well_formed(answer.text)
        return answer

    async def token(self, path: str) -> str:
        """Read the form token that the session's pages carry."""
        page = await self.get(path)
        return next(
            form["fields"]["form_token"]
            for form in Forms(page.text).found
            if "form_token" in form["fields"]
        )

    async def submit(
        self, page: httpx2.Response, action: str, *, quick: bool = False, **fields: Any
    ) -> httpx2.Response:
        """Send the form of a page whose action ends so, with these fields changed."""
        form = next(one for one in Forms(page.text).found if (one["action"] or "").endswith(action))
        values = {**form["fields"], **fields}
        if form["method"] == "GET":
            return await self.get(f"{form['action']}?{urlencode(values)}")
        return await self.send(form["action"], quick=quick, **values)

    async def send(
        self, path: str, *, quick: bool = False, at: str = "", **fields: Any
    ) -> httpx2.Response:
        """Send a form to a path; `quick` as htmx does, from the page `at`."""
        headers = {**OWN, "Content-Type": FORM}
        if quick:
            headers |= {**PART, "HX-Current-URL": f"{self.client.base_url}{at}"}
        body = urlencode(fields, doseq=True)
        return await self.client.post(path, content=body, headers=headers)

    async def statements(self, path: str, **headers: str) -> list[str]:
        """List the statements that a page costs, once everything that is built once has been built."""
        assert (await self.get(path, **headers)).status_code < 400
        seen: list[str] = []
        self.database.on_statement(seen.append)
        assert (await self.get(path, **headers)).status_code < 400
        return seen
