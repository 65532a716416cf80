"""Acme with calls of this month and the last one, for tests of the pages that show them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from app.ids import wire_id
from app.permissions import Role
from app.resolvers import api_keys
from tests.scene import Scene
from tests.usage_rows import Made, book

MODELS = ("openai/gpt-4.1", "anthropic/claude", "<b>meta</b>", "a", "b", "c", "d", "e")


@dataclass
class UsageWorld:
    """People of Acme by name, with a key each, and what they called."""

    account: UUID
    now: datetime
    members: dict[str, UUID] = field(default_factory=dict)
    keys: dict[str, UUID] = field(default_factory=dict)
    calls: list[Made] = field(default_factory=list)
    ids: list[UUID] = field(default_factory=list)

    def member(self, name: str) -> str:
        """A member's id, as addresses have it."""
        return wire_id("member", self.members[name])

    def key(self, name: str) -> str:
        """A key's id, as addresses have it."""
        return wire_id("api_key", self.keys[name])

    def record(self, number: int) -> str:
        """A record's id, as addresses have it."""
        return wire_id("usage_record", self.ids[number])

    def of_month(self, name: str = "") -> list[Made]:
        """The calls of this month, of everybody or of one."""
        start = self.now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        return [
            one
            for one in self.calls
            if one.occurred_at >= start and name in ("", self.who(one.member_id))
        ]

    def who(self, member_id: UUID) -> str:
        """Name a member."""
        return next(name for name, one in self.members.items() if one == member_id)


def cost(calls: Iterable[Made]) -> int:
    """Sum what calls cost, in micro-credits."""
    return sum(one.cost_micro for one in calls)


async def acme_with_usage(scene: Scene, called: str = "Acme") -> UsageWorld:
    """Found Acme: ann is its Owner, adam an Admin, bob and eve Members; all but eve call models."""
    ann = await scene.person("ann")
    account = await scene.organization(ann, called)
    now = (await scene.database.row(_now()))[0]
    world = UsageWorld(account, now)
    for name, role in (("adam", Role.ADMIN), ("bob", Role.MEMBER), ("eve", Role.MEMBER)):
        await scene.join(account, await scene.person(name), role=role)
    for name in ("ann", "adam", "bob", "eve"):
        person = await scene.person(name)
        world.members[name] = await scene.member_id(account, person)
        made = await api_keys.create_api_key(person, account, f"Key of {name}")
        world.keys[name] = made.id
    await _call(scene, world)
    return world


def _now() -> object:
    from sqlalchemy import select  # noqa: PLC0415

    from app.database import now  # noqa: PLC0415

    return select(now())


async def _call(scene: Scene, world: UsageWorld) -> None:
    last_month = world.now.replace(day=1) - timedelta(days=20)
    for n in range(90):
        name = ("ann", "adam", "bob")[n % 3]
        # Always of this month, whatever day it is.
        at = world.now - timedelta(minutes=n) if n % 5 else last_month + timedelta(minutes=n)
        world.calls.append(
            Made(
                at if at.month == world.now.month or not n % 5 else world.now,
                world.members[name],
                world.keys[name],
                MODELS[n % len(MODELS)],
                ("search", None)[n % 2],
                cost_micro=1_000_003 * (n + 1),
            )
        )
    world.ids = await book(scene.database, world.account, world.calls)
