"""The portal: the pages of an account. Each module is a page; this lists their addresses."""

from collections.abc import Awaitable, Callable
from types import ModuleType

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from app.web import stripe
from app.web.portal import (
    audit_log,
    billing_page,
    creating,
    credit_page,
    dashboard,
    downloads,
    export_page,
    inviting,
    keys,
    left,
    management_keys,
    member_changes,
    members,
    profile,
    settings,
    usage_records,
)
from app.web.portal.frame import page_route

Endpoint = Callable[[Request], Awaitable[Response]]


def routes() -> list[BaseRoute]:
    """List the portal's addresses, in the order of the map."""
    return [
        Route("/organizations/new", creating.show),
        Route("/organizations/new/slug", creating.preview),
        Route("/organizations", creating.create, methods=["POST"]),
        page_route("", dashboard.show),
        page_route("/dashboard.csv", downloads.sums),
        page_route("/usage", usage_records.show),
        page_route("/usage.csv", downloads.records),
        page_route("/usage/{record}", usage_records.record),
        *_export_routes(),
        page_route("/management/audit", audit_log.show),
        page_route("/management/audit.csv", downloads.events),
        page_route("/left", left.show),
        *_money_routes(),
        *_member_routes(),
        *_keys("/keys", keys),
        *_keys("/management/keys", management_keys),
        page_route("/management/keys/{key}", management_keys.trace),
        page_route("/management/settings", settings.show),
        page_route(
            "/management/settings/default-quota", settings.set_default_quota, methods=["POST"]
        ),
        page_route("/profile", profile.show),
        *_asked("/profile/name", profile.ask_rename, profile.rename),
        *_asked("/profile/leave", profile.ask_leave, profile.leave),
        *_asked("/profile/transfer", profile.ask_transfer, profile.transfer),
        *_asked("/profile/dissolve", profile.ask_dissolve, profile.dissolve),
    ]


def _export_routes() -> list[BaseRoute]:
    one = "/exports/{export}"
    return [
        page_route("/exports", export_page.show),
        page_route("/exports/usage", export_page.ask_records, methods=["POST"]),
        page_route("/exports/dashboard", export_page.ask_sums, methods=["POST"]),
        page_route(one, export_page.fetch, methods=["GET"]),
        page_route(f"{one}/repeat", export_page.repeat, methods=["POST"]),
        page_route(f"{one}/delete", export_page.delete, methods=["POST"]),
    ]


def _money_routes() -> list[BaseRoute]:
    return [
        page_route("/credits", credit_page.show, methods=["GET"]),
        page_route("/credits", credit_page.buy, methods=["POST"]),
        page_route("/credits/price", credit_page.price),
        page_route("/credits/return", stripe.come_back),
        page_route("/credits/alerts", credit_page.set_alerts, methods=["POST"]),
        page_route("/credits/ledger.csv", downloads.entries),
        page_route("/billing", billing_page.show, methods=["GET"]),
        page_route("/billing/portal", billing_page.open_portal, methods=["POST"]),
        page_route("/billing/invoices/{invoice}", billing_page.pdf),
    ]


def _member_routes() -> list[BaseRoute]:
    path = "/management/members"
    waiting, one = f"{path}/invitations", f"{path}/{{member}}"
    return [
        page_route(path, members.show),
        page_route(f"{path}/invite", inviting.ask, methods=["GET"]),
        page_route(f"{path}/invite", inviting.invite, methods=["POST"]),
        page_route(f"{path}/invite/check", inviting.check, methods=["POST"]),
        page_route(waiting, inviting.waiting),
        page_route(f"{waiting}/{{invitation}}/resend", inviting.resend, methods=["POST"]),
        page_route(f"{waiting}/{{invitation}}/revoke", inviting.revoke, methods=["POST"]),
        page_route(one, members.one),
        page_route(f"{one}/quota", members.edit_quota, methods=["GET"]),
        page_route(f"{one}/quota", members.set_quota, methods=["POST"]),
        page_route(f"{one}/role", member_changes.ask_role, methods=["GET"]),
        page_route(f"{one}/role", member_changes.set_role, methods=["POST"]),
        page_route(f"{one}/remove", member_changes.ask_removal, methods=["GET"]),
        page_route(f"{one}/remove", member_changes.remove, methods=["POST"]),
    ]


def _asked(path: str, ask: Endpoint, do: Endpoint) -> list[Route]:
    """A deed that asks first, at one address."""
    return [page_route(path, ask), page_route(path, do, methods=["POST"])]


def _keys(path: str, page: ModuleType) -> list[Route]:
    """The addresses that both kinds of keys have."""
    one = path + "/{key}"
    return [
        page_route(path, page.show),
        page_route(path, page.create, methods=["POST"]),
        page_route(path + "/new", page.new),
        page_route(path + "/env", page.env, methods=["POST"]),
        page_route(one + "/edit", page.edit),
        page_route(one, page.update, methods=["POST"]),
        *_asked(one + "/rotate", page.ask_rotate, page.rotate),
        *_asked(one + "/revoke", page.ask_revoke, page.revoke),
    ]
