"""What the stand-in says no with, in Stripe's words (https://docs.stripe.com/api/errors)."""

from typing import Any


class ApiError(Exception):
    """A refused request."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self._facts = {"type": kind, "message": message, "code": code, "param": param}

    def body(self) -> dict[str, Any]:
        """Write it as Stripe does."""
        return {"error": {name: value for name, value in self._facts.items() if value is not None}}


def missing(kind: str, given: str, param: str = "id", status: int = 404) -> ApiError:
    """Say that there is no such thing: 404 where it is what was asked for, 400 where it was named."""
    return ApiError(
        f"No such {kind}: '{given}'", status=status, code="resource_missing", param=param
    )
