"""Headers of every answer, and the id that names it."""

import re

import pytest
from structlog.testing import capture_logs

from tests.web.conftest import Edge

OWN = "http://127.0.0.1:8000"
KINDS = [
    ("GET", "/", 200),
    ("GET", "/nowhere", 404),
    ("POST", "/", 403),
    ("GET", "/invitations/nonsense", 404),
    ("GET", "/health/live", 200),
    ("GET", "/graphql", 405),
]
HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
}


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
@pytest.mark.parametrize(("method", "path", "status"), KINDS)
async def test_every_answer_carries_the_headers(
    edge: Edge, method: str, path: str, status: int, accept: str
) -> None:
    client = await edge()
    answer = await client.request(method, path, headers={"Accept": accept})
    assert answer.status_code in (status, 303, 406)
    for name, value in HEADERS.items():
        assert answer.headers[name] == value
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["x-request-id"])
    assert "permissions-policy" in answer.headers
    assert "strict-transport-security" not in answer.headers


async def test_https_is_asked_for_where_we_are_on_https(edge: Edge) -> None:
    client = await edge(
        base_url="https://portal.example",
        sandbox=False,
        oidc_issuer="https://identity.example/realm",
        smtp_url="smtp://127.0.0.1:1",
        stripe_webhook_secret="whsec_0123456789abcdefghijklmnopqrstuvwxyz",
    )
    answer = await client.get("/")
    assert answer.headers["strict-transport-security"].startswith("max-age=31536000")
    policy = answer.headers["content-security-policy"]
    assert (
        "form-action 'self' https://identity.example"
        " https://checkout.stripe.com https://billing.stripe.com;"
    ) in policy


async def test_the_sandbox_needs_no_other_place_for_forms(edge: Edge) -> None:
    client = await edge()
    policy = (await client.get("/")).headers["content-security-policy"]
    assert "form-action 'self';" in policy


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("0123456789abcdef", True),
        ("trace-1.2_3-4", True),
        ("short", False),
        ("x" * 65, False),
        ("has space here", False),
        ("-leading-dash", False),
        ("new\tline-in-it", False),
        ("<script>alert(1)</script>", False),
    ],
)
async def test_a_request_id_is_kept_only_where_it_is_well_formed(
    edge: Edge, given: str, *, kept: bool
) -> None:
    client = await edge()
    answer = await client.get("/nowhere", headers={"X-Request-Id": given})
    assert (answer.headers["x-request-id"] == given) is kept
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


async def test_the_style_sheet_may_be_kept_for_ever(edge: Edge) -> None:
    client = await edge()
    page = (await client.get("/")).text
    path = re.search(r'href="(/static/[^"]+\.css)"', page).group(1)
    answer = await client.get(path)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-type"].startswith("text/css")


async def test_pages_have_nothing_inline(edge: Edge) -> None:
    client = await edge()
    for path in ("/", "/nowhere"):
        page = (await client.get(path, headers={"Accept": "text/html"})).text
        assert "<style" not in page
        assert "style=" not in page
        assert not re.search(r"<script(?![^>]*\bsrc=\"/static/)", page)


async def test_the_log_line_shows_no_secret(edge: Edge) -> None:
    client = await edge()
    with capture_logs() as lines:
        await client.get(
            "/invitations/c2VjcmV0LXRva2Vu?code=abcdefgh", headers={"Cookie": "session=topsecret"}
        )
    (line,) = (line for line in lines if line["event"] == "request")
    assert line["path"] == "/invitations/…"
    assert line["route"] == "/invitations/{token}"
    assert not any(secret in str(lines) for secret in ("c2VjcmV0", "abcdefgh", "topsecret"))
