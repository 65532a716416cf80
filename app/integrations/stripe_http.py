"""How the `stripe` package reaches Stripe, and what its errors mean here."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

import httpx2
import stripe
import structlog

from app.errors import Conflict, NotFound, Unavailable
from app.integrations.outbound import trusted

log = structlog.get_logger()
SECONDS = 10
SECONDS_IN_ALL = 25


class StripeAway(Unavailable):
    """Stripe does not answer, or not now: nothing is known to be done, and it may be tried again."""

    says = "Stripe is away. Nothing was charged; repeat in a moment."


class StripeRefused(Conflict):
    """What Stripe will not do. `reason` is Stripe's own code, `param` what it is about."""

    code = "stripe_refused"
    says = "Stripe did not accept this."

    def __init__(self, reason: str | None = None, param: str | None = None) -> None:
        super().__init__()
        self.reason = reason
        self.param = param


class Wire(stripe.HTTPClient):
    """HTTP for the `stripe` package: asynchronous only, redirects never followed."""

    name = "httpx2"

    def __init__(self) -> None:
        super().__init__()
        # Directly, as all that goes out (docs/decisions/outbound-direct.md).
        self._client = httpx2.AsyncClient(verify=trusted(), timeout=SECONDS, trust_env=False)

    async def sleep_async(self, secs: float) -> None:
        """Wait before a request is repeated."""
        await asyncio.sleep(secs)

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """Ask once. Raises `APIConnectionError`, upon which the package asks again."""
        try:
            answer = await self._client.request(
                method, url, headers=dict(headers), content=post_data
            )
        except (httpx2.HTTPError, OSError) as error:
            away: Any = stripe.APIConnectionError  # untyped
            raise away(type(error).__name__, should_retry=True) from error
        return answer.content, answer.status_code, answer.headers

    async def close_async(self) -> None:
        """Close every connection."""
        await self._client.aclose()


@asynccontextmanager
async def asking_stripe() -> AsyncIterator[None]:
    """Bound what is asked inside in time. Raises `StripeAway`, `StripeRefused`, `NotFound`."""
    try:
        async with asyncio.timeout(SECONDS_IN_ALL):
            yield
    except (stripe.InvalidRequestError, stripe.CardError, stripe.IdempotencyError) as error:
        # The words stay out of the log: they may repeat a name or a number.
        log.warning("stripe_refused", **_facts(error))
        if error.http_status == HTTPStatus.NOT_FOUND:
            raise NotFound from error
        raise StripeRefused(error.code, getattr(error, "param", None)) from error
    except (stripe.AuthenticationError, stripe.PermissionError) as error:
        # The operator's to mend: the key is wrong, or may not do this.
        log.warning("stripe_refused_our_key", **_facts(error))
        raise StripeAway from error
    except stripe.StripeError as error:
        log.warning("stripe_away", **_facts(error))
        raise StripeAway from error
    except (TimeoutError, KeyError, TypeError, ValueError) as error:
        log.warning("stripe_away", error=type(error).__name__)
        raise StripeAway from error


def _facts(error: stripe.StripeError) -> dict[str, Any]:
    return {
        "error": type(error).__name__,
        "status": error.http_status,
        "code": error.code,
        "param": getattr(error, "param", None),
        "stripe_request": error.request_id,
    }
