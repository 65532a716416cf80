"""Settings: where they come from, their bounds, and what production refuses to start with."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from app.settings import (
    SAMPLE_SECRET,
    SAMPLE_WEBHOOK_SECRET,
    Settings,
    load_settings,
    unknown_names,
)

SECRET = "0123456789abcdefghijklmnopqrstuvwxyz"
PRODUCTION: dict[str, Any] = {
    "environment": "production",
    "base_url": "https://app.example.com",
    "database_url": "postgresql://r9s@db/r9s",
    "secret_key": SECRET,
    "key_pepper": SECRET[::-1],
    "oidc_issuer": "https://id.example.com",
    "oidc_client_secret": SECRET.upper(),
    "smtp_url": "smtp://mail.example.com:25",
    "stripe_api_key": "sk_live_0123456789",
    "stripe_webhook_secret": f"whsec_{SECRET}",
}


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Read no setting of this machine."""
    import os  # noqa: PLC0415

    for name in os.environ:
        if name.startswith("R9S_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def production(**given: Any) -> Settings:
    return Settings(**{**PRODUCTION, **given})


def refusal(**given: Any) -> str:
    """Start production with something wrong; what it says."""
    with pytest.raises(ValidationError) as refused:
        production(**given)
    return str(refused.value)


def test_production_starts_with_what_it_needs_and_without_the_sandbox() -> None:
    settings = production()
    assert not settings.sandbox
    assert settings.secure
    assert settings.oidc_audience == "https://app.example.com"
    assert settings.hosts == {"app.example.com"}


@pytest.mark.parametrize("name", ["secret_key", "key_pepper", "oidc_client_secret"])
@pytest.mark.parametrize("value", [None, "", SAMPLE_SECRET, SECRET[:31], "ab" * 32, " " * 64])
def test_production_refuses_a_secret_that_is_none(name: str, value: str | None) -> None:
    assert f"R9S_{name.upper()} is missing, a sample, or too short" in refusal(**{name: value})


@pytest.mark.parametrize(
    "address",
    [
        "http://app.example.com",
        "",
        "app.example.com",
        "ftp://app.example.com",
        "https://",
        "https://app.example.com/path",
        "https://app.example.com?x=1",
        "https://app.example.com#x",
        "https://me:secret@app.example.com",
        "https://app.example.com:port",
        "https://app.example.com:99999",
        "https://app exa.mple.com",
    ],
)
def test_production_refuses_a_base_url_that_is_none_or_not_https(address: str) -> None:
    assert "R9S_BASE_URL must" in refusal(base_url=address)


@pytest.mark.parametrize("address", ["", "http://id.example.com", "id.example.com"])
def test_production_refuses_an_issuer_without_https(address: str) -> None:
    assert "R9S_OIDC_ISSUER must be an https address" in refusal(oidc_issuer=address)


def test_production_refuses_the_sandbox_and_no_mail_and_another_database() -> None:
    assert "R9S_SANDBOX must be off in production" in refusal(sandbox=True)
    assert "R9S_SMTP_URL is missing" in refusal(smtp_url="")
    for url in ("mysql://db/r9s", "r9s.sqlite3", "postgresql+psycopg://db/r9s"):
        assert "R9S_DATABASE_URL must start with" in refusal(database_url=url)


@pytest.mark.parametrize("key", ["sk_test_0123456789", "rk_test_0123456789", "pk_live_1", "x", ""])
def test_production_takes_live_keys_of_stripe_only(key: str) -> None:
    assert "R9S_STRIPE_API_KEY must be a live key" in refusal(stripe_api_key=key)
    assert production(stripe_api_key="rk_live_0123456789").stripe_livemode


@pytest.mark.parametrize("key", ["sk_live_0123456789", "rk_live_0123456789"])
def test_no_real_money_moves_outside_production(key: str) -> None:
    with pytest.raises(ValidationError, match="R9S_STRIPE_API_KEY must be a test key"):
        Settings(stripe_api_key=key)
    assert not Settings().stripe_livemode


@pytest.mark.parametrize(
    "secret", [None, "", " " * 40, SAMPLE_WEBHOOK_SECRET, "whsec_short", "ab" * 32]
)
def test_a_webhook_secret_that_is_none_is_refused(secret: str | None) -> None:
    assert "R9S_STRIPE_WEBHOOK_SECRET is missing" in refusal(stripe_webhook_secret=secret)
    if secret:
        said = refusal(stripe_webhook_secret_previous=secret)
        assert "R9S_STRIPE_WEBHOOK_SECRET_PREVIOUS is a sample" in said
    # Whoever reads the code knows the sample, so it counts on loopback alone.
    with pytest.raises(ValidationError, match="R9S_STRIPE_WEBHOOK_SECRET is missing"):
        Settings(sandbox=False, base_url="https://staging.example.com")


def test_stripe_is_asked_at_its_own_address_or_the_sandboxs() -> None:
    assert production().stripe_address == "https://api.stripe.com"
    assert Settings(port=9000).stripe_address == "http://127.0.0.1:9000/sandbox/stripe"
    assert production(stripe_api_base="https://x.example/").stripe_address == "https://x.example"
    assert "R9S_STRIPE_API_BASE must be an https" in refusal(stripe_api_base="http://x.example")


@pytest.mark.parametrize(
    "origin", ["*", "null", "https://*", "a.example", "https://a.example/", "https://a.example/x"]
)
def test_scripts_are_allowed_by_whole_origins(origin: str) -> None:
    assert "R9S_ALLOWED_ORIGINS must list origins" in refusal(
        allowed_origins=f"https://b.example {origin}"
    )


def test_all_that_is_wrong_is_said_at_once_and_no_secret_with_it() -> None:
    said = refusal(secret_key="hunter2", key_pepper="hunter3", base_url="http://x.example")
    assert "R9S_SECRET_KEY" in said
    assert "R9S_KEY_PEPPER" in said
    assert "R9S_BASE_URL" in said
    assert "hunter" not in said


@pytest.mark.parametrize(
    "given",
    [
        {"base_url": "https://app.example.com"},
        {"base_url": "http://192.0.2.1:8000"},
        {"base_url": "http://0.0.0.0:8000"},
        {"base_url": "http://localhost.example.com"},
    ],
)
def test_the_sandbox_serves_loopback_only(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="loopback only"):
        Settings(**given)


def test_without_the_sandbox_other_environments_need_https_and_mail_too() -> None:
    with pytest.raises(ValidationError, match="https where the sandbox is off") as refused:
        Settings(sandbox=False)
    assert "R9S_SMTP_URL is missing" in str(refused.value)


def test_the_sandbox_needs_nothing_and_knows_its_own_addresses() -> None:
    settings = Settings(port=9000)
    assert settings.sandbox
    assert settings.base_url == "http://127.0.0.1:9000"
    assert settings.oidc_issuer == "http://127.0.0.1:9000/sandbox/identity"
    assert not settings.secure
    assert settings.hosts == {"127.0.0.1", "localhost"}


def _bounded() -> list[tuple[str, int, int]]:
    found = []
    for name, field in Settings.model_fields.items():
        bounds = {
            kind: getattr(one, kind)
            for one in field.metadata
            for kind in ("ge", "le")
            if hasattr(one, kind)
        }
        if bounds:
            found.append((name, bounds["ge"], bounds["le"]))
    return found


@pytest.mark.parametrize(("name", "least", "most"), _bounded())
def test_a_number_has_bounds(name: str, least: int, most: int) -> None:
    given = {"base_url": "http://127.0.0.1:8000"}
    for value in (least, most):
        assert getattr(Settings(**given, **{name: value}), name) == value
    for value in (least - 1, most + 1):
        with pytest.raises(ValidationError):
            Settings(**given, **{name: value})


def test_every_number_is_bounded_and_every_setting_says_what_it_is() -> None:
    bounded = {name for name, _least, _most in _bounded()}
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert field.description.endswith((".", ":")), name
        if field.annotation is int:
            assert name in bounded, f"{name} has no bounds"


def test_the_environment_comes_before_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("R9S_PORT=9001\nR9S_PAGE_SIZE=20\n")
    monkeypatch.setenv("R9S_PORT", "9002")
    settings = load_settings()
    assert (settings.port, settings.page_size) == (9002, 20)
    assert load_settings(port=9003).port == 9003


def test_lists_are_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("R9S_ALLOWED_ORIGINS", "https://a.example, https://b.example  ")
    assert load_settings().allowed_origins == ("https://a.example", "https://b.example")


def test_a_misspelt_setting_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("R9S_PROT", "9000")
    (tmp_path / ".env").write_text("export R9S_PAGESIZE=5\nOTHER=1\n")
    assert unknown_names() == ["R9S_PAGESIZE", "R9S_PROT"]
    with pytest.raises(SystemExit, match="Unknown settings: R9S_PAGESIZE, R9S_PROT"):
        load_settings()


def test_a_refused_start_says_each_reason_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("R9S_PORT", "70000")
    with pytest.raises(SystemExit, match=r"R9S_PORT: .*65535"):
        load_settings()
    monkeypatch.delenv("R9S_PORT")
    monkeypatch.setenv("R9S_ENVIRONMENT", "production")
    with pytest.raises(SystemExit) as stopped:
        load_settings()
    said = str(stopped.value)
    assert "R9S_SECRET_KEY is missing" in said
    assert SAMPLE_SECRET not in said


def test_secrets_are_shown_masked() -> None:
    settings = production()
    for secret in (SECRET, SECRET[::-1], SECRET.upper()):
        assert secret not in repr(settings)
        assert secret not in settings.model_dump_json()
    assert isinstance(settings.smtp_url, SecretStr)
