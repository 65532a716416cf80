"""A plain model of organizations, in memory: what each operation does, or how it is refused."""

from dataclasses import dataclass, field

from app.permissions import Role

UNLIMITED = -1


@dataclass
class Place:
    """A person's place in an organization."""

    role: Role
    quota: int


@dataclass
class Waiting:
    """An invitation that waits: who sent it, and the quota that it brings."""

    inviter: str
    quota: int | None


@dataclass
class Org:
    """One organization."""

    name: str
    default_quota: int = UNLIMITED
    places: dict[str, Place] = field(default_factory=dict)
    former: set[str] = field(default_factory=set)
    waiting: dict[str, Waiting] = field(default_factory=dict)
    dissolved: bool = False

    def door(self, actor: str, *, at_least: Role) -> str | None:
        """Refuse strangers, the dissolved and too low a role; None lets in."""
        if actor not in self.places and actor not in self.former:
            return "not_found"
        if self.dissolved:
            return "dissolved"
        if actor not in self.places:
            return "not_found"
        return None if self.places[actor].role >= at_least else "forbidden"

    def outranks(self, actor: str, target: str, *, own_as: Role | None = None) -> bool:
        if actor == target:
            return self.places[actor].role is own_as
        return self.places[actor].role > self.places[target].role

    def end(self, person: str) -> None:
        del self.places[person]
        self.former.add(person)
        self.end_rank(person)

    def end_rank(self, person: str) -> None:
        self.waiting = {to: one for to, one in self.waiting.items() if one.inviter != person}

    # ---- what can be done; each gives the code of a refusal, or "ok"

    def invite(self, actor: str, to: str, quota: int | None) -> str:
        refused = self.door(actor, at_least=Role.ADMIN)
        if refused:
            return refused
        if to in self.places:
            return "already_member"
        self.waiting[to] = Waiting(actor, quota)
        return "ok"

    def accept(self, actor: str) -> str:
        if actor not in self.waiting:
            return "closed"
        quota = self.waiting.pop(actor).quota
        self.places[actor] = Place(Role.MEMBER, self.default_quota if quota is None else quota)
        self.former.discard(actor)
        return "ok"

    def decline(self, actor: str) -> str:
        return "ok" if self.waiting.pop(actor, None) else "closed"

    def set_quota(self, actor: str, target: str, quota: int) -> str:
        refused = self.on_member(actor, target, at_least=Role.ADMIN)
        if refused:
            return refused
        if not self.outranks(actor, target, own_as=Role.OWNER):
            return "forbidden"
        self.places[target].quota = quota
        return "ok"

    def on_member(self, actor: str, target: str, *, at_least: Role) -> str | None:
        """Refuse what cannot be done to a member; one who has gone is not found."""
        refused = self.door(actor, at_least=Role.MEMBER)
        if refused:
            return refused
        if target not in self.places:
            return "not_found"
        return self.door(actor, at_least=at_least)

    def set_role(self, actor: str, target: str, role: Role) -> str:
        refused = self.on_member(actor, target, at_least=Role.ADMIN)
        if refused:
            return refused
        if actor == target and self.places[actor].role is Role.OWNER:
            return "owner_must_transfer"
        if not self.outranks(actor, target):
            return "forbidden"
        demoted = role < self.places[target].role
        self.places[target].role = role
        if demoted:
            self.end_rank(target)
        return "ok"

    def remove(self, actor: str, target: str) -> str:
        refused = self.on_member(actor, target, at_least=Role.ADMIN)
        if refused:
            return refused
        if actor == target and self.places[actor].role is Role.OWNER:
            return "owner_must_transfer"
        if not self.outranks(actor, target):
            return "forbidden"
        self.end(target)
        return "ok"

    def leave(self, actor: str) -> str:
        refused = self.door(actor, at_least=Role.MEMBER)
        if refused:
            return refused
        if self.places[actor].role is Role.OWNER:
            return "owner_must_transfer"
        self.end(actor)
        return "ok"

    def transfer(self, actor: str, heir: str) -> str:
        refused = self.door(actor, at_least=Role.OWNER)
        if refused:
            return refused
        if actor == heir:
            return "invalid"
        if heir not in self.places:
            return "not_found"
        self.places[actor].role, self.places[heir].role = Role.ADMIN, Role.OWNER
        return "ok"

    def rename(self, actor: str, name: str) -> str:
        refused = self.door(actor, at_least=Role.OWNER)
        if not refused:
            self.name = name
        return refused or "ok"

    def set_default(self, actor: str, quota: int) -> str:
        refused = self.door(actor, at_least=Role.ADMIN)
        if not refused:
            self.default_quota = quota
        return refused or "ok"

    def dissolve(self, actor: str) -> str:
        refused = self.door(actor, at_least=Role.OWNER)
        if refused:
            return refused
        self.dissolved = True
        self.former |= set(self.places)
        self.places, self.waiting = {}, {}
        return "ok"
