"""The portal: the pages of an account. Each module is a page; this lists their addresses."""

from starlette.routing import BaseRoute, Route

from app.web.portal import (
    audit_log,
    creating,
    dashboard,
    inviting,
    left,
    member_changes,
    members,
    usage_records,
)
from app.web.portal.frame import page_route


def routes() -> list[BaseRoute]:
    """List the portal's addresses, in the order of the map."""
    return [
        Route("/organizations/new", creating.show),
        Route("/organizations", creating.create, methods=["POST"]),
        page_route("", dashboard.show),
        page_route("/usage", usage_records.show),
        page_route("/usage/{record}", usage_records.record),
        page_route("/management/audit", audit_log.show),
        page_route("/left", left.show),
        *_member_routes(),
    ]


def _member_routes() -> list[BaseRoute]:
    path = "/management/members"
    waiting, one = f"{path}/invitations", f"{path}/{{member}}"
    return [
        page_route(path, members.show),
        page_route(f"{path}/invite", inviting.ask, methods=["GET"]),
        page_route(f"{path}/invite", inviting.invite, methods=["POST"]),
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
