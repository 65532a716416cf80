"""What nobody asks for is not found out."""

import pytest

from tests.schema.conftest import Window

MEMBERS = """query($id: ID!) { node(id: $id) { ...Account } }
fragment Account on Organization { members { edges { node { %s } } } }
"""
MONTH = "fragment Month on Member { monthlyUsage }"


@pytest.mark.parametrize(
    ("asked", "looked"),
    [
        ("id role quota user { name email }", False),
        ("id monthlyUsage", True),
        ("id ...Month", True),
        ("id ... on Member { spent: held }", True),
        ("id remaining", True),
        ("id lastUsedAt", True),
    ],
)
async def test_the_month_is_looked_up_where_it_is_asked_for(
    window: Window, acme: str, statements: list[str], asked: str, *, looked: bool
) -> None:
    statements.clear()
    query = MEMBERS % asked + (MONTH if "...Month" in asked else "")
    page = (await window.data("olga", query, id=acme))["node"]["members"]["edges"]
    assert len(page) == 3
    assert any("month_counters" in one for one in statements) is looked
