"""The OpenAPI document: valid, public, and true of what is answered."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from tests.web.rest.conftest import Finance
from tests.web.rest.test_usage import DAY, some_calls


@pytest.fixture
async def document(finance: Finance) -> Any:
    """Read the document without a key."""
    answer = await finance.get("/openapi.json", "")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "public, max-age=300"
    return answer.json()


async def test_the_document_is_valid_and_describes_both_windows(document: Any) -> None:
    validate(document)
    assert document["openapi"].startswith("3.1")
    assert set(document["paths"]) == {
        *("/balance", "/usage", "/ledger", "/invoices", "/members"),
        *(f"/metering/{call}" for call in ("authorize", "settle", "release", "usage")),
    }


ANSWERS = [
    ("/balance", "Balance"),
    ("/balance?at=2026-01-01", "Balance"),
    (f"/usage?from={DAY.date()}", "Usage"),
    (f"/usage?from={DAY.date()}&granularity=day&group_by=model,member,api_key,tag", "Usage"),
    ("/ledger", "Ledger"),
    ("/invoices", "Invoices"),
    ("/members", "Members"),
    ("/usage?limit=0", "Problem"),
    ("/usage?unknown=1", "Problem"),
]


async def test_answers_are_as_the_document_says(finance: Finance, document: Any) -> None:
    await some_calls(finance)
    for path, schema in ANSWERS:
        body = (await finance.get(path)).json()
        rule = {"$ref": f"#/components/schemas/{schema}", "components": document["components"]}
        found = [one.message for one in Draft202012Validator(rule).iter_errors(body)]
        assert found == [], path


async def test_every_parameter_of_the_document_is_taken(finance: Finance, document: Any) -> None:
    for path in ("/balance", "/usage", "/ledger", "/invoices", "/members"):
        for parameter in document["paths"][path]["get"]["parameters"]:
            answer = await finance.get(f"{path}?{parameter['name']}=~")
            assert "There is no parameter" not in answer.text
