"""Return paths: our own, relative, nothing else."""

import pytest

from app.web.return_paths import HOME, own_path, sign_in_path


@pytest.mark.parametrize(
    "text",
    ["/", "/a/acme-inc", "/a/acme-inc?x=1&y=%2F", "/invitations/abc_-=", "/graphql", "/a/b/"],
)
def test_our_own_paths_are_kept(text: str | None) -> None:
    assert own_path(text) == text


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "a",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/a\\b",
        "https://evil.example",
        "https:/evil.example",
        "javascript:alert(1)",
        "/@evil.example",
        "/a@evil.example",
        "/a//evil.example",
        "/.//evil.example",
        "/a/../b",
        "/..",
        "/%0d%0aSet-Cookie\r\n",
        "/a\nb",
        "/a\tb",
        "/a b",
        "/\x00",
        "/\u2028",
        "/ünï",
        "/a#b",
        " /a",
        "/sign-in?return_to=/",
        "/sign-out",
        "/" + "a" * 1024,
    ],
)
def test_everything_else_leads_home(text: str | None) -> None:
    assert own_path(text) == HOME


def test_the_sign_in_carries_only_our_own_paths() -> None:
    assert sign_in_path("//evil.example") == "/sign-in?return_to=%2F"
    assert sign_in_path("/a/x?y=1", fresh=True) == "/sign-in?return_to=%2Fa%2Fx%3Fy%3D1&fresh=1"
