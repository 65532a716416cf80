"""Every refusal: its code, its HTTP status and the sentence that a person reads. Shared by all windows."""

from typing import Any, ClassVar


class Refusal(Exception):
    """A request that is not done, with nothing changed. `code` is promised to clients."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"
    says: ClassVar[str] = "Something went wrong on our side."

    def __init__(self, detail: str | None = None, **extra: Any) -> None:
        self.detail = detail or self.says
        self.extra = extra
        super().__init__(self.detail)

    @property
    def title(self) -> str:
        """The sentence of the class, the same for every occurrence (RFC 9457)."""
        return self.says


class BadRequest(Refusal):
    status, code = 400, "bad_request"
    says = "The request cannot be read."


class Unauthenticated(Refusal):
    status, code = 401, "unauthenticated"
    says = "Sign in first."


class WrongKeyType(Refusal):
    status, code = 401, "wrong_key_type"
    says = "This is a key of the other kind: sk_ calls models, sk_mg_ reads balance and usage."


class InvalidApiKey(Refusal):
    status, code = 401, "invalid_api_key"
    says = "This API key is unknown or has ended."


class InsufficientCredits(Refusal):
    status, code = 402, "insufficient_credits"
    says = "The account has not enough credits for this."


class Forbidden(Refusal):
    status, code = 403, "forbidden"
    says = "Your role in this account does not allow this."


class InvitationEmailMismatch(Forbidden):
    code = "invitation_email_mismatch"
    says = "This invitation was sent to another e-mail address. Sign in with that address."


class EmailNotVerified(Forbidden):
    code = "email_not_verified"
    says = "Verify your e-mail address with your identity provider, then sign in again."


class AccountFrozen(Forbidden):
    code = "account_frozen"
    says = "This account is frozen. Ask the operator."


class QuotaDisabled(Forbidden):
    code = "quota_disabled"
    says = "This member's quota is 0: it allows no calls."


class QuotaExceeded(Forbidden):
    """`resets_at`: when the month ends."""

    code = "quota_exceeded"
    says = "This member's quota of the month is used up."


class KeyLimitExceeded(Forbidden):
    """`resets_at`: when the month ends."""

    code = "key_limit_exceeded"
    says = "This key's limit of the month is used up."


class ReauthenticationRequired(Forbidden):
    code = "reauthentication_required"
    says = "This needs a fresh sign-in. Sign in again, then repeat it."


class NotFound(Refusal):
    status, code = 404, "not_found"
    says = "There is no such thing, or it is not yours to see."


class MethodNotAllowed(Refusal):
    status, code = 405, "method_not_allowed"
    says = "This address does not take that method."


class NotAcceptable(Refusal):
    status, code = 406, "not_acceptable"
    says = "None of the formats that you accept can be given."


class Conflict(Refusal):
    status, code = 409, "conflict"
    says = "The present state does not allow this."


class OwnerMustTransfer(Conflict):
    code = "owner_must_transfer"
    says = "Transfer the organization to someone else first, or dissolve it."


class NegativeBalance(Conflict):
    code = "negative_balance"
    says = "The balance is below zero. Settle it first."


class AlreadyMember(Conflict):
    code = "already_member"
    says = "This person is a member already."


class CapReached(Conflict):
    code = "cap_reached"
    says = "A limit on the number of these is reached."


class ExportNotReady(Conflict):
    code = "export_not_ready"
    says = "This export is not as far as that. Its page tells how far it is."


class KeyEnded(Conflict):
    code = "key_ended"
    says = "This key has been revoked or has expired. Make a new one."


class InvitationClosed(Conflict):
    code = "invitation_closed"
    says = "This invitation is no longer open. Ask for a new one."


class HoldNotOpen(Conflict):
    code = "hold_not_open"
    says = "This hold has ended, so it cannot end in another way."


class EventMismatch(Conflict):
    code = "event_mismatch"
    says = "This event id was recorded with other content."


class Dissolved(Refusal):
    status, code = 410, "dissolved"
    says = "This organization has been dissolved."


class TooLarge(Refusal):
    status, code = 413, "too_large"
    says = "The request is too large."


class UnsupportedMediaType(Refusal):
    status, code = 415, "unsupported_media_type"
    says = "Send JSON: Content-Type: application/json."


class Invalid(Refusal):
    """A value does not make sense. `Invalid(name="…")`: a sentence for each field."""

    status, code = 422, "invalid"
    says = "A value does not make sense."

    def __init__(self, detail: str | None = None, /, **fields: str) -> None:
        super().__init__(detail or " ".join(fields.values()) or None)
        self.fields = [{"field": name, "message": text} for name, text in fields.items()]
        self.extra = {"errors": self.fields}


class IdempotencyMismatch(Refusal):
    status, code = 422, "idempotency_mismatch"
    says = "This request id was granted with other content."


class OverrunTooLarge(Refusal):
    status, code = 422, "overrun_too_large"
    says = "This costs far more than was asked for. Look at the figures, then settle again."


class UnknownModel(Refusal):
    status, code = 422, "unknown_model"
    says = "There is no price for this model. Give the cost."


class RateLimited(Refusal):
    """`retry_after`: whole seconds until the same request may be tried again."""

    status, code = 429, "rate_limited"
    says = "Too many requests. Wait a little, then repeat."

    def __init__(self, detail: str | None = None, *, retry_after: int) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class Unavailable(Refusal):
    """Something that we rely on is away; the same request may be repeated safely."""

    status, code = 503, "unavailable"
    says = "A part of the service is away. Nothing was changed; repeat in a moment."
    retry_after = 2


class SignInRefused(Refusal):
    """The identity provider's answer was not what we asked for; nobody is signed in by it."""

    status, code = 400, "sign_in_refused"
    says = "The sign-in did not complete. Start it again."
