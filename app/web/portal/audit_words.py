"""What was done, in words: actions as sentences, and what changed as before and after. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.money import DISABLED, UNLIMITED
from app.web.words import NO_CALLS, NO_LIMIT, utc

# What an actor did, to the target that is named after it.
DONE = {
    "accept_invitation": "accepted the invitation of",
    "adjust": "adjusted the credits of",
    "ask_export": "asked for everybody's usage as the file",
    "ask_own_export": "asked for their own usage as the file",
    "begin_import": "granted credits, for an import, to",
    "correct": "corrected the call",
    "create_api_key": "made the key",
    "create_management_key": "made the management key",
    "create_organization": "created",
    "create_personal_account": "opened the personal account of",
    "decline_invitation": "declined the invitation of",
    "delete_export": "deleted the file",
    "dispute_top_up": "took back what a dispute claims of",
    "dispute_won": "gave back, since the dispute was won,",
    "dissolve_organization": "dissolved",
    "end_top_up": "did not finish buying",
    "freeze": "froze",
    "grant": "granted credits to",
    "invite_members": "invited",
    "join_organization": "joined as",
    "leave_organization": "left as",
    "open_top_up": "began to buy",
    "repeat_export": "asked again for the file",
    "refund_failed": "gave back, since the refund failed,",
    "refund_top_up": "took back what was refunded of",
    "remove_member": "removed",
    "rename_organization": "renamed the organization to",
    "resend_invitation": "sent the invitation again to",
    "revoke_api_key": "revoked the key",
    "revoke_invitation": "took back the invitation of",
    "revoke_management_key": "revoked the management key",
    "rotate_api_key": "rotated the key",
    "rotate_management_key": "rotated the management key",
    "set_balance_alerts": "set the balance alerts of",
    "set_default_quota": "set the default quota of",
    "set_member_quota": "set the quota of",
    "set_member_role": "changed the role of",
    "sign_in": "signed in to",
    "sign_out_everywhere": "signed out everywhere in",
    "top_up_expired": "closed, unpaid,",
    "top_up_failed": "heard that the payment failed for",
    "top_up_paid": "booked the payment for",
    "top_up_processing": "waits for the bank to pay for",
    "transfer_ownership": "transferred the ownership:",
    "unfreeze": "let spend again",
    "update_api_key": "changed the key",
    "update_billing_details": "changed the billing details of",
    "update_management_key": "changed the management key",
    "update_profile": "has new facts from the identity provider:",
    "use_api_key_first": "used for the first time the key",
    "use_management_key_first": "was used for the first time:",
    "waive_credits": "waived the credits of",
}
NAMES = {
    "balance_micro": "balance",
    "default_quota": "default quota",
    "dissolved_at": "dissolved",
    "email": "e-mail",
    "email_verified": "e-mail verified",
    "ended_at": "ended",
    "expires_at": "expires",
    "frozen_at": "frozen",
    "generation": "letters sent",
    "ip": "address",
    "last_four": "ends with",
    "monthly_limit": "monthly limit",
    "revoked_at": "revoked",
}
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Change:
    """One field; `before` is None where there was nothing to compare with."""

    name: str
    before: str | None
    after: str


def done(action: str) -> str:
    """Say an action; one that has no words yet by its own name."""
    return DONE.get(action, action.replace("_", " "))


def choice(action: str) -> str:
    """Name an action where one is chosen."""
    return done(action).rstrip(":,").removesuffix(" of").removesuffix(" to").capitalize()


def changes(before: Any, after: Any) -> list[Change]:
    """Compare two pictures; of what came new, or went, what there is to tell."""
    old = before if isinstance(before, Mapping) else {}
    new = after if isinstance(after, Mapping) else {}
    found = []
    for name in {**old, **new}:
        was = value_words(name, old[name]) if name in old else None
        now = value_words(name, new[name]) if name in new else "nothing"
        if name in old or new[name] is not None:
            found.append(Change(NAMES.get(name, name.replace("_", " ")), was, now))
    return found


def value_words(name: str, value: Any) -> str:
    """Say a value of a picture as pages say such values."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = str(value)
    if name.endswith(("quota", "limit")):
        words = {str(UNLIMITED): NO_LIMIT, str(DISABLED): NO_CALLS}
        return words.get(text, f"{text} credits a month")
    if _MOMENT.fullmatch(text):
        return utc(datetime.fromisoformat(text))
    return text.capitalize() if name in ("role", "status") else text
