"""What Stripe sends by itself: signed events (https://docs.stripe.com/webhooks, verify manually)."""

import json
import re
from collections.abc import Iterable
from datetime import datetime

import stripe

from app.errors import BadRequest
from app.integrations.stripe_objects import Event

AGE_SECONDS = 300
# The moment that is signed comes first.
SIGNED_AT = re.compile(r"t=([0-9]{1,11}),", re.ASCII)


class BadSignature(BadRequest):
    """A webhook that nobody with one of our secrets has sent just now, or that is no event of ours."""

    says = "This is not signed by Stripe."


def event_of(
    body: bytes, header: str | None, at: datetime, secrets: Iterable[str], *, livemode: bool
) -> Event:
    """Read an event that carries a signature by one of these secrets, made within five minutes of `at`.

    Raises `BadSignature` for every other input, whatever it is.
    """
    signed = SIGNED_AT.match(header or "")
    if signed is None or abs(at.timestamp() - int(signed[1])) > AGE_SECONDS:
        raise BadSignature
    if not any(_is_signed(body, header, secret) for secret in secrets):
        raise BadSignature
    try:
        given = json.loads(body)
        event = Event.of(given)
        texts = all(isinstance(given[name], str) for name in ("id", "type"))
        right = texts and given["object"] == "event"
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise BadSignature from error
    if not right or event.livemode is not livemode:
        raise BadSignature
    return event


def _is_signed(body: bytes, header: str | None, secret: str) -> bool:
    if not secret.strip():
        return False
    try:
        # Without a tolerance: the package would ask the process' clock, and takes what is signed ahead.
        stripe.WebhookSignature.verify_header(body, header, secret)
    except (stripe.SignatureVerificationError, ValueError, TypeError):
        # The latter two for bytes that are no UTF-8, and signatures that are no ASCII.
        return False
    return True
