"""Every setting: type, default, bounds and a sentence. Read from `R9S_…` variables, `.env` or secret files."""

import os
import re
import sys
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

PREFIX = "R9S_"
SAMPLE_SECRET = "sample-secret-for-the-sandbox-only-0123456789"  # noqa: S105
SAMPLE_STRIPE_KEY = "sk_test_sandbox"
SAMPLE_WEBHOOK_SECRET = "whsec_sample-for-the-sandbox-only-0123456789"  # noqa: S105
STRIPE = "https://api.stripe.com"
LIVE_KEYS = ("sk_live_", "rk_live_")
TEST_KEYS = ("sk_test_", "rk_test_")
MIN_SECRET_LENGTH = 32
MIN_SECRET_SYMBOLS = 8
# A name, or an address; urlsplit takes the brackets off.
HOST = re.compile(r"[a-z0-9.:_-]+", re.ASCII)
LOOPBACK = {"127.0.0.1", "localhost", "::1"}

Words = Annotated[tuple[str, ...], NoDecode]


def limit(default: int, *, at_least: int = 1, upto: int, says: str) -> Any:
    """Bound a whole number and say in a sentence what it limits."""
    return Field(default=default, ge=at_least, le=upto, description=says)


def says(default: Any, sentence: str) -> Any:
    """Give a setting its default and its sentence."""
    return Field(default=default, description=sentence)


class Settings(BaseSettings):
    """All settings, checked. Production refuses what would be unsafe (INTERFACES.md)."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        secrets_dir=os.environ.get("R9S_SECRETS_DIR"),
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    environment: Literal["sandbox", "production"] = says("sandbox", "Where this runs.")
    sandbox: bool = says(
        default=True,
        sentence="Serve stand-ins for the three hosted services; off by default in production.",
    )
    host: str = says("127.0.0.1", "Address to listen on.")
    port: int = limit(8000, upto=65535, says="Port to listen on.")
    gateway_url: str = says(
        "",
        "Address of the gateway's models, such as `https://gateway.example/v1`; for the line of curl beside a new key.",
    )
    base_url: str = says("", "Public address; every absolute link starts with it.")
    database_url: str = says(
        "sqlite:///var/r9s.sqlite3", "`sqlite:///path` or `postgresql://…`; the driver is added."
    )
    database_pool_size: int = limit(10, upto=200, says="Connections a process keeps for writing.")
    database_timeout_seconds: int = limit(
        10, upto=120, says="Longest wait for a connection or a lock."
    )

    secret_key: SecretStr = says(
        SecretStr(SAMPLE_SECRET), "Signs cursors, form tokens and letters' links."
    )
    key_pepper: SecretStr = says(SecretStr(SAMPLE_SECRET), "Mixed into the hash of every API key.")

    oidc_issuer: str = says("", "Address of the OpenID Connect provider; default: the sandbox's.")
    oidc_client_id: str = says("r9s-portal", "This service's name at the provider.")
    oidc_client_secret: SecretStr = says(
        SecretStr(SAMPLE_SECRET), "This service's secret at the provider."
    )
    oidc_audience: str = says("", "Audience of access tokens for GraphQL; default: the base URL.")
    oidc_leeway_seconds: int = limit(
        60, at_least=0, upto=120, says="How far the provider's clock may be off."
    )

    stripe_api_key: SecretStr = says(
        SecretStr(SAMPLE_STRIPE_KEY), "Secret or restricted key of Stripe; its mode is ours."
    )
    stripe_api_base: str = says("", "Address of Stripe's API; default: the sandbox's, or Stripe's.")
    stripe_webhook_secret: SecretStr = says(
        SecretStr(SAMPLE_WEBHOOK_SECRET), "Signs what Stripe sends to `/webhooks/stripe`."
    )
    stripe_webhook_secret_previous: SecretStr = says(
        SecretStr(""), "Counts as well while the webhook's secret is changed; empty: none."
    )
    stripe_pages: Words = says(
        ("https://checkout.stripe.com", "https://billing.stripe.com"),
        "Origins of Stripe's own pages, to which forms lead; add a Checkout domain of your own.",
    )
    stripe_tax: bool = says(default=False, sentence="Let Stripe compute taxes on top of the price.")
    stripe_promotion_codes: bool = says(
        default=False, sentence="Take Stripe's promotion codes at Checkout."
    )

    smtp_url: SecretStr = says(
        SecretStr(""), "`smtp://user:password@host:port` or `smtps://…`; default: the sandbox's."
    )
    mail_from: str = says("R9S <no-reply@r9s.example>", "Sender of every letter.")
    mail_attempts: int = limit(12, upto=50, says="Deliveries tried before a letter is given up.")
    sandbox_smtp_port: int = limit(
        0, at_least=0, upto=65535, says="Port of the sandbox's mail server; 0 takes a free one."
    )

    allowed_origins: Words = says((), "Origins whose scripts may use GraphQL with a bearer token.")
    allowed_hosts: Words = says((), "Host names served besides the base URL's own.")
    trusted_proxies: Words = says(
        (), "Addresses whose X-Forwarded-For and X-Forwarded-Proto count."
    )
    rate_limit_store: str = says(
        "async+memory://", "Where rate limits are counted; `async+redis://…` for several processes."
    )
    rate_limit_user: int = limit(600, upto=100_000, says="Requests a minute of one user.")
    rate_limit_key: int = limit(300, upto=100_000, says="Requests a minute of one management key.")
    rate_limit_address: int = limit(1200, upto=1_000_000, says="Requests a minute of one address.")
    rate_limit_sign_in: int = limit(60, upto=10_000, says="Sign-ins a minute from one address.")
    rate_limit_invitations: int = limit(
        1000, upto=100_000, says="Letters an organization may cause in an hour."
    )

    rate_limit_webhook: int = limit(
        60_000, upto=10_000_000, says="Webhooks a minute from one address."
    )
    rate_limit_gateway: int = limit(
        1_000_000, upto=1_000_000_000, says="Requests a minute of one gateway, in each process."
    )
    metering_group_size: int = limit(
        256, upto=1000, says="Most calls of gateways that are decided and committed together."
    )
    metering_queue: int = limit(
        20_000, upto=1_000_000, says="Most calls of gateways that wait in a process."
    )
    metering_body_bytes: int = limit(
        1_048_576, at_least=1024, upto=16_777_216, says="Largest body of a gateway's request."
    )
    price_list: str = says(
        "", "File with the operator's own prices of models, JSON; they come before all others."
    )
    currency: str = Field(
        default="USD", pattern="^[A-Z]{3}$", description="What credits are sold in (ISO 4217)."
    )
    currency_per_unit: str = Field(
        default="1",
        pattern=r"^[0-9]{1,9}(\.[0-9]{1,6})?$",
        description="What one credit costs, in that currency.",
    )
    page_rows: int = limit(1000, upto=10_000, says="Most rows in one page of the finance API.")
    export_stall_seconds: int = limit(
        60, upto=600, says="An export whose reader takes nothing for so long is broken off."
    )
    export_cap: int = limit(5, upto=100, says="Exports of one member that an account keeps.")
    export_hours: int = limit(24, upto=168, says="How long an export can be fetched.")
    export_minutes: int = limit(60, upto=600, says="Longest writing of an export.")
    export_rows: int = limit(
        10_000_000, upto=1_000_000_000, says="Most rows of an Excel or Parquet file."
    )

    session_idle_minutes: int = limit(120, upto=1440, says="A session ends after this pause.")
    session_hours: int = limit(12, upto=168, says="A session ends after this time in all.")
    fresh_sign_in_minutes: int = limit(10, upto=120, says="How long a sign-in counts as fresh.")
    invitation_days: int = limit(7, upto=30, says="An invitation ends after this time.")

    page_size: int = limit(100, upto=100, says="Most rows in one page of GraphQL.")
    list_input: int = limit(500, upto=1000, says="Most items in one list that a client sends.")
    body_bytes: int = limit(65_536, at_least=1024, upto=1_048_576, says="Largest request body.")
    webhook_body_bytes: int = limit(
        262_144, at_least=1024, upto=16_777_216, says="Largest body of a webhook."
    )
    query_depth: int = limit(8, upto=20, says="Deepest GraphQL query.")
    query_aliases: int = limit(15, upto=100, says="Most aliases in a GraphQL query.")
    query_tokens: int = limit(1000, upto=10_000, says="Most tokens in a GraphQL query.")
    query_rows: int = limit(
        10_000, upto=1_000_000, says="Most rows that a GraphQL query's page sizes multiply to."
    )
    query_seconds: int = limit(5, upto=60, says="Longest run of a GraphQL query.")

    member_cap: int = limit(10_000, upto=1_000_000, says="Members in one organization.")
    invitation_cap: int = limit(1000, upto=100_000, says="Waiting invitations per organization.")
    organization_cap: int = limit(50, upto=10_000, says="Organizations of one user.")
    api_key_cap: int = limit(50, upto=10_000, says="Live standard keys of one member.")
    management_key_cap: int = limit(20, upto=1000, says="Live management keys per organization.")
    key_secret_cap: int = limit(5, upto=100, says="Secrets of one key that work at a time.")
    key_days: int = limit(3660, upto=36_600, says="Farthest expiry of a key from now.")
    key_overlap_minutes: int = limit(
        1440, upto=10_080, says="Longest that a rotated key's old secret goes on working."
    )

    top_up_least: int = limit(5, upto=1_000_000, says="Fewest credits of one top-up.")
    top_up_most: int = limit(10_000, upto=1_000_000, says="Most credits of one top-up.")
    top_up_cap: int = limit(100, upto=10_000, says="Top-ups of an account that wait to be paid.")
    alert_cap: int = limit(10, upto=100, says="Balance alerts of an account.")
    alert_emails: int = limit(10, upto=100, says="Addresses that balance alerts are mailed to.")

    metrics_host: str = says("127.0.0.1", "Address on which Prometheus reads the figures.")
    metrics_port: int = limit(
        0,
        at_least=0,
        upto=65535,
        says="Port on which Prometheus reads the figures; 0 turns it off.",
    )

    log_format: Literal["json", "text"] = says("json", "Shape of the log lines.")
    log_level: Literal["debug", "info", "warning", "error"] = says("info", "Least level logged.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic-settings calls by position
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Argument, then environment, then `.env`, then secret files."""
        return init_settings, env_settings, dotenv_settings, file_secret_settings

    @field_validator(
        "allowed_origins", "allowed_hosts", "trusted_proxies", "stripe_pages", mode="before"
    )
    @classmethod
    def _split_words(cls, value: object) -> object:
        return (
            tuple(part for part in value.replace(",", " ").split())
            if isinstance(value, str)
            else value
        )

    @model_validator(mode="before")
    @classmethod
    def _fill_addresses(cls, values: Any) -> Any:
        given = {name: value for name, value in dict(values).items() if value not in ("", None)}
        production = given.get("environment") == "production"
        given.setdefault("sandbox", not production)
        if not production:
            given.setdefault("base_url", f"http://127.0.0.1:{given.get('port', 8000)}")
        base_url = str(given.get("base_url", "")).rstrip("/")
        given["base_url"] = base_url
        if not production:
            given.setdefault("oidc_issuer", f"{base_url}/sandbox/identity")
        given.setdefault("oidc_audience", base_url)
        return given

    @model_validator(mode="after")
    def _refuse_the_unsafe(self) -> Self:
        refusals = list(self._refusals())
        if refusals:
            raise ValueError(" ".join(refusals))
        return self

    def _refusals(self) -> Any:
        yield from self._refusals_of_origins()
        yield from self._refusals_of_stripe()
        parts = urlsplit(self.base_url if _is_origin(self.base_url) else "")
        if not self.database_url.startswith(("sqlite:///", "postgresql://")):
            yield "R9S_DATABASE_URL must start with sqlite:/// or postgresql://."
        if self.sandbox and parts.hostname not in LOOPBACK:
            yield "The sandbox serves loopback only: set R9S_SANDBOX=false or a loopback R9S_BASE_URL."
        if not self.sandbox and parts.scheme != "https":
            yield "R9S_BASE_URL must use https where the sandbox is off."
        if not self.sandbox and not self.smtp_url.get_secret_value():
            yield "R9S_SMTP_URL is missing."
        if self.environment == "production":
            yield from self._refusals_in_production(parts.scheme)

    def _refusals_of_origins(self) -> Any:
        if not _is_origin(self.base_url):
            yield "R9S_BASE_URL must be an address such as https://app.example.com, without a path."
        for origin in self.allowed_origins:
            if not _is_origin(origin):
                yield f"R9S_ALLOWED_ORIGINS must list origins such as https://app.example.com, and not {origin}."

    def _refusals_of_stripe(self) -> Any:
        if not Decimal(self.currency_per_unit):
            yield "R9S_CURRENCY_PER_UNIT must be more than nothing."
        live = self.environment == "production"
        key = self.stripe_api_key.get_secret_value()
        if not key.startswith(LIVE_KEYS if live else TEST_KEYS):
            yield f"R9S_STRIPE_API_KEY must be a {'live' if live else 'test'} key: {self.environment} takes no other."
        if not self.stripe_address.startswith("https://") and not self.sandbox:
            yield "R9S_STRIPE_API_BASE must be an https address."
        secret = self.stripe_webhook_secret.get_secret_value()
        if not _is_secret(secret) or (secret == SAMPLE_WEBHOOK_SECRET and not self.sandbox):
            yield "R9S_STRIPE_WEBHOOK_SECRET is missing, a sample, or too short: 32 characters or more."
        previous = self.stripe_webhook_secret_previous.get_secret_value()
        if previous and (not _is_secret(previous) or previous == SAMPLE_WEBHOOK_SECRET):
            yield "R9S_STRIPE_WEBHOOK_SECRET_PREVIOUS is a sample, or too short: 32 characters or more."

    def _refusals_in_production(self, scheme: str) -> Any:
        if self.sandbox:
            yield "R9S_SANDBOX must be off in production."
        if scheme != "https":
            yield "R9S_BASE_URL must use https in production."
        for name in ("secret_key", "key_pepper", "oidc_client_secret"):
            secret = getattr(self, name).get_secret_value()
            if secret == SAMPLE_SECRET or not _is_secret(secret):
                yield f"{PREFIX}{name.upper()} is missing, a sample, or too short: 32 characters or more."
        if not self.oidc_issuer.startswith("https://"):
            yield "R9S_OIDC_ISSUER must be an https address."

    @property
    def secure(self) -> bool:
        """Whether browsers reach us by https, so that cookies carry `Secure` and `__Host-`."""
        return self.base_url.startswith("https://")

    @property
    def stripe_address(self) -> str:
        """Where Stripe's API is asked, without a slash at the end."""
        given = self.stripe_api_base.rstrip("/")
        return given or (f"{self.base_url}/sandbox/stripe" if self.sandbox else STRIPE)

    @property
    def stripe_livemode(self) -> bool:
        """Whether Stripe's key moves real money."""
        return self.stripe_api_key.get_secret_value().startswith(LIVE_KEYS)

    @property
    def hosts(self) -> frozenset[str]:
        """Host names that are served."""
        own = urlsplit(self.base_url).hostname or ""
        aliases = LOOPBACK - {"::1"} if self.sandbox else set()
        return frozenset({own, *aliases, *self.allowed_hosts})


def _is_secret(given: str) -> bool:
    """Tell whether a secret is long and varied enough to be one."""
    return len(given) >= MIN_SECRET_LENGTH and len(set(given)) >= MIN_SECRET_SYMBOLS


def _is_origin(address: str) -> bool:
    """Tell whether an address is scheme, host and perhaps port, and nothing else."""
    try:
        parts = urlsplit(address)
        return (
            parts.scheme in ("http", "https")
            and parts.hostname is not None
            and HOST.fullmatch(parts.hostname) is not None
            and parts.port != 0
            and "@" not in parts.netloc
            and address == f"{parts.scheme}://{parts.netloc}"
        )
    except ValueError:  # of a port that is none
        return False


def load_settings(**given: Any) -> Settings:
    """Read all settings; raise `SystemExit` with one sentence each for what is wrong or misspelt."""
    unknown = unknown_names()
    if unknown:
        sys.exit(f"Unknown settings: {', '.join(unknown)}. `r9s settings` lists the known ones.")
    try:
        return Settings(**given)
    except ValidationError as refused:
        lines = []
        for error in refused.errors():
            where = "".join(f"{PREFIX}{str(part).upper()}: " for part in error["loc"][:1])
            lines.append(f"{where}{error['msg'].removeprefix('Value error, ')}")
        sys.exit("Settings refused.\n" + "\n".join(lines))


def unknown_names() -> list[str]:
    """Name the `R9S_…` variables, in the environment and `.env`, that are no setting."""
    known = {PREFIX + name.upper() for name in Settings.model_fields} | {"R9S_SECRETS_DIR"}
    names = set(os.environ)
    dotenv = Path(".env")
    if dotenv.exists():
        names |= {
            line.split("=", 1)[0].removeprefix("export ").strip()
            for line in dotenv.read_text().splitlines()
        }
    return sorted(name for name in names if name.startswith(PREFIX) and name not in known)
