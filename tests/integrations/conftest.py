"""Fixtures: our client of the strange issuer, with a timer to move."""

import pytest
from pydantic import SecretStr

from app.integrations.identity import Identity, IdentityProvider, SignInAnswer
from app.settings import Settings
from tests.integrations.issuer import AT, AUDIENCE, StrangeIssuer


class Timer:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.seconds


class Portal:
    """Our side of a sign-in at the strange issuer."""

    def __init__(self, issuer: StrangeIssuer) -> None:
        self.timer = Timer()
        self.settings = Settings(
            _env_file=None,
            base_url=AUDIENCE,
            oidc_issuer=issuer.url,
            secret_key=SecretStr("a secret key for tests, and for tests alone"),
        )
        self.provider = IdentityProvider(self.settings, self.timer)

    def answer(self, **given: object) -> SignInAnswer:
        """Come back from the issuer."""
        facts = {"code": "code", "nonce": "", "code_verifier": "v" * 43, "at": AT} | given
        return SignInAnswer(**facts)

    async def sign_in(self, **given: object) -> Identity:
        """Trade the code."""
        return await self.provider.finish(self.answer(**given))


@pytest.fixture
def portal(issuer: StrangeIssuer) -> Portal:
    """Make our client of it."""
    return Portal(issuer)
