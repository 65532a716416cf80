"""What comes to the webhook: signed by one of our secrets, just now, in our mode; everything else is refused alike."""

import hashlib
import hmac
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.integrations.stripe import API_VERSION, EVENT_TYPES, BadSignature, Event, Stripe
from app.settings import Settings

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
NEW, OLD = f"whsec_{'new0123456789' * 3}", f"whsec_{'old0123456789' * 3}"
EVENT: dict[str, Any] = {
    "id": "evt_1",
    "object": "event",
    "api_version": "2026-10-28.endive",
    "created": int(AT.timestamp()),
    "data": {"object": {"id": "cs_1", "object": "checkout.session", "name": "Zoë"}},
    "livemode": False,
    "type": "checkout.session.completed",
}
BODY = json.dumps(EVENT, ensure_ascii=False).encode()


def signature(body: bytes = BODY, secret: str = NEW, at: datetime = AT) -> str:
    """Sign as Stripe does."""
    signed = b"%d.%b" % (at.timestamp(), body)
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def header(body: bytes = BODY, secret: str = NEW, at: datetime = AT) -> str:
    """Write the header as Stripe does."""
    return f"t={int(at.timestamp())},v1={signature(body, secret, at)}"


def received(body: bytes, given: str | None, at: datetime = AT, **settings: Any) -> Event:
    """Let our side read it."""
    given_settings = {"stripe_webhook_secret": NEW} | settings
    return Stripe(Settings(_env_file=None, **given_settings)).event_of(body, given, at)


def test_what_stripe_signed_just_now_is_read() -> None:
    event = received(BODY, header())
    assert (event.id, event.type, event.created) == ("evt_1", "checkout.session.completed", AT)
    assert event.object == {"id": "cs_1", "object": "checkout.session", "name": "Zoë"}
    for seconds in (-300, 300):
        assert received(BODY, header(), AT + timedelta(seconds=seconds)) == event


def test_the_operators_page_names_what_the_webhook_is_to_be_told() -> None:
    page = (Path(__file__).parents[2] / "docs" / "operators.md").read_text()
    told = page.partition("* **Webhook**")[2].partition("* **Billing portal**")[0]
    assert set(re.findall(r"`([a-z_]+\.[a-z_.]+)`", told)) == set(EVENT_TYPES)
    assert API_VERSION in told


def test_while_the_secret_is_changed_both_count() -> None:
    for secret in (NEW, OLD):
        given = header(secret=secret)
        assert received(BODY, given, stripe_webhook_secret_previous=OLD).id == "evt_1"
    both = f"{header(secret='another')},v1={signature()}"
    assert received(BODY, both).id == "evt_1", "Stripe signs with each of its secrets"
    with pytest.raises(BadSignature):
        received(BODY, header(secret=OLD))


def test_no_other_order_of_the_same_json_and_no_other_byte_passes() -> None:
    right = header()
    again = json.dumps(json.loads(BODY), ensure_ascii=False, separators=(",", ":")).encode()
    for body in (again, BODY + b"\n", BODY[:-1], b"", BODY.replace(b"evt_1", b"evt_2"), b"\xff"):
        with pytest.raises(BadSignature):
            received(body, right)


STAMP = int(AT.timestamp())


@pytest.mark.parametrize(
    "given",
    [
        None,
        "",
        "t=",
        f"t={STAMP}",
        f"t={STAMP},v1=",
        f"t={STAMP},v1={'0' * 64}",
        f"t={STAMP},v0={signature()}",
        f"v1={signature()}",
        f"v1={signature()},t={STAMP}",
        f"t={STAMP},v1={signature(secret='')}",
        f"t={STAMP},v1={signature(secret=' ')}",
        f"t={STAMP},v1={signature(secret=OLD)}",
        f"t={STAMP + 1},v1={signature()}",
        f"t={STAMP},t={STAMP + 1},v1={signature(at=AT + timedelta(seconds=1))}",
        f"t=-{STAMP},v1={signature()}",
        f"t=0x{STAMP:x},v1={signature()}",
        f"t=\u0661,v1={signature()}",
        f"t={STAMP},v1=ü",
        f"t={'9' * 400},v1={signature()}",
        f"t={STAMP},v1={signature()[:-1]}",
        "=,=,=",
        "\x00",
    ],
)
def test_a_header_that_is_forged_or_none_is_refused(given: str | None) -> None:
    with pytest.raises(BadSignature):
        received(BODY, given)


@pytest.mark.parametrize("seconds", [-301, 301, -86_400, 86_400])
def test_what_is_stale_or_from_the_future_is_refused(seconds: int) -> None:
    with pytest.raises(BadSignature):
        received(BODY, header(), AT + timedelta(seconds=seconds))


@pytest.mark.parametrize("secret", ["", " ", "\t\n"])
def test_an_empty_secret_signs_nothing(secret: str) -> None:
    settings = Settings(_env_file=None).model_copy(
        update={
            name: type(Settings.model_fields["stripe_webhook_secret"].default)(secret)
            for name in ("stripe_webhook_secret", "stripe_webhook_secret_previous")
        }
    )
    with pytest.raises(BadSignature):
        Stripe(settings).event_of(BODY, header(secret=secret), AT)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"{",
        b"[" * 100_000,
        b'{"object": "event"}',
        json.dumps(EVENT | {"object": "v2.core.event"}).encode(),
        json.dumps(EVENT | {"livemode": True}).encode(),
        json.dumps(EVENT | {"livemode": 0}).encode(),
        json.dumps(EVENT | {"created": "yesterday"}).encode(),
        json.dumps(EVENT | {"created": 10**30}).encode(),
        json.dumps(EVENT | {"data": None}).encode(),
        json.dumps(EVENT | {"data": {"object": None}}).encode(),
        json.dumps({k: v for k, v in EVENT.items() if k != "id"}).encode(),
        json.dumps(EVENT | {"id": None}).encode(),
        json.dumps(EVENT | {"type": ["checkout.session.completed"]}).encode(),
    ],
)
def test_what_is_signed_and_yet_no_event_of_ours_is_refused(body: bytes) -> None:
    with pytest.raises(BadSignature):
        received(body, header(body))
