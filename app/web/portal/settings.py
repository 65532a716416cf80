"""Settings: what people get when they join."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from starlette.requests import Request
from starlette.responses import Response

from app.errors import Invalid
from app.resolvers import organizations
from app.web.portal.entries import errors_of
from app.web.portal.frame import room_of
from app.web.portal.quotas import amount_of, choice_of, quota_entered
from app.web.words import quota_words

SECTION = "settings"


@dataclass(frozen=True, slots=True)
class SettingsPage:
    """The default quota."""

    template: ClassVar[str] = "settings/page.html"

    quota: int
    values: Mapping[str, str]
    errors: Mapping[str, str] = field(default_factory=dict)


async def show(request: Request) -> Response:
    """Show the settings."""
    room = await room_of(request, SECTION)
    quota = room.seat.default_quota
    values = {"quota_choice": choice_of(quota), "quota": amount_of(quota)}
    return await room.page(SettingsPage(quota, values))


async def set_default_quota(request: Request) -> Response:
    """Set the quota of those who join from now on."""
    room = await room_of(request, SECTION)
    form = await room.form()
    try:
        quota = quota_entered(form, "quota")
        await organizations.set_default_quota(room.viewer, room.seat.account_id, quota)
    except Invalid as refusal:
        page = SettingsPage(room.seat.default_quota, form, errors_of(refusal))
        return await room.page(page, part="settings/default_quota.html", status=refusal.status)
    sentence = f"Whoever joins from now on: {quota_words(quota)}."
    return room.done(sentence, to=room.path("management", "settings"))
