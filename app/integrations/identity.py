"""The identity provider: any OpenID Connect issuer."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a provider says that someone is."""

    issuer: str
    subject: str
    email: str
    email_verified: bool
    name: str
    picture_url: str | None


@dataclass(frozen=True, slots=True)
class SignInStart:
    """A sign-in that leaves for the provider."""

    url: str
    state: str
    nonce: str
    code_verifier: str
