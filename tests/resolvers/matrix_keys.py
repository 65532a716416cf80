"""The role matrix of PRODUCT.md where it speaks of keys; rows read as in `matrix`."""

from typing import Any

from app.resolvers import api_keys, management_keys
from app.seats import Viewer
from tests.resolvers.world import Act, Row, World


def _of(verb: Any, *arguments: Any, **named: Any) -> Act:
    return lambda world, viewer: verb(viewer, world.account_id, *arguments, **named)


def _api_key(verb: Any, whose: str, **named: Any) -> Act:
    return lambda world, viewer: verb(viewer, world.api_keys[whose], **named)


def _management_key(verb: Any, whose: str, **named: Any) -> Act:
    return lambda world, viewer: verb(viewer, world.management_keys[whose], **named)


def _own(kind: str, verb: Any, **named: Any) -> Act:
    """Act on one's own key; whoever has none is refused that of the Owner."""

    async def act(world: World, viewer: Viewer) -> Any:
        keys = getattr(world, kind)
        name = next((n for n, who in world.people.items() if who.user is viewer.user), "owner")
        return await verb(viewer, keys.get(name, keys["owner"]), **named)

    return act


RENAME = {"name": "Another name"}
KEY_ROWS = [
    Row("api_keys.create_api_key", "make", _of(api_keys.create_api_key, "Key"), "ok ok ok 404 401"),
    Row("api_keys.list_api_keys", "own", _of(api_keys.list_api_keys), "ok ok ok 404 401"),
    Row(
        "api_keys.list_api_keys", "all", _of(api_keys.list_api_keys, all=True), "ok ok 403 404 401"
    ),
    Row("api_keys.count_api_keys", "own", _of(api_keys.count_api_keys), "ok ok ok 404 401"),
    Row(
        "api_keys.count_api_keys",
        "all",
        _of(api_keys.count_api_keys, all=True),
        "ok ok 403 404 401",
    ),
    Row("api_keys.api_key", "see own", _own("api_keys", api_keys.api_key), "ok ok ok 404 401"),
    Row(
        "api_keys.api_key",
        "see a Member's",
        _api_key(api_keys.api_key, "member2"),
        "ok ok 404 404 401",
    ),
    Row(
        "api_keys.api_key",
        "see the Owner's",
        _api_key(api_keys.api_key, "owner"),
        "ok ok 404 404 401",
    ),
    Row(
        "api_keys.update_api_key",
        "rename own",
        _own("api_keys", api_keys.update_api_key, **RENAME),
        "ok ok ok 404 401",
    ),
    Row(
        "api_keys.update_api_key",
        "rename a Member's",
        _api_key(api_keys.update_api_key, "member2", **RENAME),
        "403 403 403 404 401",
    ),
    Row(
        "api_keys.rotate_api_key",
        "rotate own",
        _own("api_keys", api_keys.rotate_api_key),
        "ok ok ok 404 401",
    ),
    Row(
        "api_keys.rotate_api_key",
        "rotate a Member's",
        _api_key(api_keys.rotate_api_key, "member2"),
        "403 403 403 404 401",
    ),
    Row(
        "api_keys.revoke_api_key",
        "revoke own",
        _own("api_keys", api_keys.revoke_api_key),
        "ok ok ok 404 401",
    ),
    Row(
        "api_keys.revoke_api_key",
        "revoke a Member's",
        _api_key(api_keys.revoke_api_key, "member2"),
        "ok ok 403 404 401",
    ),
    Row(
        "api_keys.revoke_api_key",
        "revoke an Admin's",
        _api_key(api_keys.revoke_api_key, "admin2"),
        "ok 403 403 404 401",
    ),
    Row(
        "api_keys.revoke_api_key",
        "revoke the Owner's",
        _api_key(api_keys.revoke_api_key, "owner"),
        "ok 403 403 404 401",
    ),
    Row(
        "management_keys.create_management_key",
        "make",
        _of(management_keys.create_management_key, "Key"),
        "ok ok 403 404 401",
    ),
    Row(
        "management_keys.list_management_keys",
        "list",
        _of(management_keys.list_management_keys),
        "ok ok 403 404 401",
    ),
    Row(
        "management_keys.count_management_keys",
        "count",
        _of(management_keys.count_management_keys),
        "ok ok 403 404 401",
    ),
    Row(
        "management_keys.management_key",
        "see an Admin's",
        _management_key(management_keys.management_key, "admin2"),
        "ok ok 403 404 401",
    ),
    Row(
        "management_keys.list_management_key_uses",
        "see its uses",
        _management_key(management_keys.list_management_key_uses, "admin2"),
        "ok ok 403 404 401",
    ),
    Row(
        "management_keys.update_management_key",
        "rename own",
        _own("management_keys", management_keys.update_management_key, **RENAME),
        "ok ok 403 404 401",
    ),
    Row(
        "management_keys.update_management_key",
        "rename an Admin's",
        _management_key(management_keys.update_management_key, "admin2", **RENAME),
        "403 403 403 404 401",
    ),
    Row(
        "management_keys.rotate_management_key",
        "rotate own",
        _own("management_keys", management_keys.rotate_management_key),
        "ok ok 403 404 401",
    ),
    Row(
        "management_keys.rotate_management_key",
        "rotate an Admin's",
        _management_key(management_keys.rotate_management_key, "admin2"),
        "403 403 403 404 401",
    ),
    Row(
        "management_keys.revoke_management_key",
        "revoke an Admin's",
        _management_key(management_keys.revoke_management_key, "admin2"),
        "ok ok 403 404 401",
    ),
    Row(
        "management_keys.revoke_management_key",
        "revoke the Owner's",
        _management_key(management_keys.revoke_management_key, "owner"),
        "ok ok 403 404 401",
    ),
]
