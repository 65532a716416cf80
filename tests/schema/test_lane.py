"""The quick lane for lists of plain objects: it answers what graphql-core answers, faults and all."""

from collections.abc import Callable
from enum import Enum
from typing import Any

import pytest
import strawberry

from app.schema.lane import Lane
from tests.schema.conftest import Window


class Boom(Exception):
    """Something that goes wrong in one row."""


@strawberry.enum
class Colour(Enum):
    """An enumeration."""

    RED = "r"
    BLUE = "b"


@strawberry.interface
class Named:
    """An interface: each row says what it is."""

    name: str


@strawberry.type
class Pet(Named):
    """A plain thing within a row."""

    age: int | None


@strawberry.type
class Person(Named):
    """A row."""

    colour: Colour
    tags: list[str]
    pet: Pet | None
    height: float

    @strawberry.field
    def greeting(self) -> str:
        """Need the row alone."""
        if self.name == "bad":
            raise Boom
        return f"Hello {self.name}"

    @strawberry.field
    def times(self, number: int) -> str:
        """Need an argument."""
        return self.name * number

    @strawberry.field
    async def later(self) -> str:
        """Take a while."""
        return self.name


def person(name: Any, **given: Any) -> Person:
    """Make a row."""
    plain = {"colour": Colour.BLUE, "tags": ["a", "b"], "height": 1.5}
    return Person(name=name, **{"pet": Pet(name="Rex", age=None), **plain, **given})


ROWS: list[Any] = []


@strawberry.type
class Query:
    """What is asked."""

    @strawberry.field
    def people(self) -> list[Person]:
        """List rows."""
        return ROWS

    @strawberry.field
    def maybe(self) -> list[Person | None]:
        """List rows that may be missing."""
        return ROWS

    @strawberry.field
    def named(self) -> list[Named]:
        """List rows of any kind."""
        return ROWS

    @strawberry.field
    def grid(self) -> list[list[Person]]:
        """List lists."""
        return [ROWS, ROWS]


SLOW = strawberry.Schema(Query, types=[Pet])
QUICK = strawberry.Schema(Query, types=[Pet], execution_context_class=Lane)
QUERIES = {
    "plain": "{ people { name colour tags height pet { name age } } }",
    "aliases": "{ people { a: name b: name __typename pet { __typename } } }",
    "fragments": "{ people { ...F ... on Named { name } } } fragment F on Person { pet { age } }",
    "skipped": "query($no: Boolean = true) { people { name @skip(if: $no) colour } }",
    "merged": "{ people { pet { name } pet { age } } }",
    "resolver": "{ people { greeting } }",
    "argument": "{ people { name times(number: 2) } }",
    "awaited": "{ people { name later } }",
    "missing rows": "{ maybe { name colour } }",
    "interface": "{ named { name __typename } }",
    "grid": "{ grid { name greeting } }",
}
MAKERS: dict[str, Callable[[], list[Any]]] = {
    "good rows": lambda: [person("ann"), person("bob", pet=None)],
    "no rows": list,
    "one row": lambda: [person("ann")],
    "a null among them": lambda: [person("ann"), None, person("bob")],
    "a null where none may be": lambda: [person("ann"), person(None)],
    "a resolver that fails": lambda: [person("ann"), person("bad"), person("bob")],
    "a wrong enumeration": lambda: [person("ann"), person("bob", colour="green")],
    "a wrong number": lambda: [person("ann"), person("bob", height="tall")],
    "a list that is none": lambda: [person("ann"), person("bob", tags=7)],
    "another kind of row": lambda: [person("ann"), Pet(name="Rex", age=3)],
    "an error as a row": lambda: [person("ann"), Boom("no")],
    "an error as a value": lambda: [person("ann"), person(Boom("no"))],
}


@pytest.mark.parametrize("rows", MAKERS)
@pytest.mark.parametrize("query", QUERIES)
async def test_the_lane_answers_as_graphql_core_does(
    query: str, rows: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("tests.schema.test_lane.ROWS", MAKERS[rows]())
    slow = await SLOW.execute(QUERIES[query])
    quick = await QUICK.execute(QUERIES[query])
    assert quick.data == slow.data
    assert [one.formatted for one in quick.errors or ()] == [
        one.formatted for one in slow.errors or ()
    ]
    del caplog  # what Strawberry logs of errors is meant


async def test_a_page_of_members_takes_the_lane(
    window: Window, acme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields: list[str] = []
    execute_field = Lane.execute_field

    def listen(self: Any, parent: Any, source: Any, details: Any, *more: Any) -> Any:
        fields.append(details[0].node.name.value)
        return execute_field(self, parent, source, details, *more)

    monkeypatch.setattr(Lane, "execute_field", listen)
    query = """query($id: ID!) { node(id: $id) { ... on Organization { members { edges { cursor
        node { id role quota joinedAt user { name email avatarUrl } } } } } } }"""
    page = (await window.data("olga", query, id=acme))["node"]["members"]["edges"]
    assert len(page) == 3
    assert fields == ["node", "members", "edges"]
