"""Random stories: random people do random things, and the database tells what a plain model tells."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any
from uuid import UUID, uuid4

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)
from pydantic import SecretStr

from app.database import Database
from app.errors import Refusal
from app.permissions import Role
from app.resolvers import invitations, members, organizations
from app.seats import Viewer
from app.settings import Settings
from tests.resolvers.model import Org, Place
from tests.scene import Scene

NAMES = ("ann", "bob", "eve", "joe")
people = st.sampled_from(NAMES)
quotas = st.sampled_from([-1, 0, 1, 12_500_000])


class Story(RuleBasedStateMachine):
    """People found, join, run, leave and dissolve organizations."""

    open_database: Callable[[], tuple[str, Callable[[], object]]]
    orgs = Bundle("orgs")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        url, self.drop = type(self).open_database()
        self.database = Database(url, pool_size=2)
        settings_ = Settings(
            _env_file=None,
            database_url=url,
            secret_key=SecretStr("a secret key for tests alone, long"),
        )
        self.scene = Scene(self.database, settings_)
        self.viewers = {name: self.run(self.scene.person(name)) for name in NAMES}
        self.model: dict[UUID, Org] = {}
        self.member_ids: dict[tuple[UUID, str], UUID] = {}
        self.invitation_ids: dict[tuple[UUID, str], UUID] = {}
        self.audited = self.run(self.scene.audit_count())

    def run(self, action: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(action)

    def viewer(self, name: str) -> Viewer:
        return self.scene.fresh(self.viewers[name])

    def member_id(self, org: UUID, name: str) -> UUID:
        return self.member_ids.get((org, name)) or uuid4()

    def tell(self, action: Coroutine[Any, Any, Any]) -> str:
        """Do it for real; the code of a refusal, or "ok". One audit event or more per change, none else."""
        try:
            self.run(action)
            told = "ok"
        except Refusal as refusal:
            told = refusal.code
        count = self.run(self.scene.audit_count())
        assert told == "ok" or count == self.audited, f"{told}, and yet an audit event"
        self.audited_more = count > self.audited
        self.audited = count
        return told

    @rule(target=orgs, founder=people)
    def found(self, founder: str) -> UUID:
        org: UUID = self.run(self.scene.organization(self.viewer(founder), "Acme"))
        self.model[org] = Org("Acme", places={founder: Place(Role.OWNER, -1)})
        self.member_ids[org, founder] = self.run(self.scene.member_id(org, self.viewers[founder]))
        self.audited = self.run(self.scene.audit_count())
        return org

    @rule(org=orgs, actor=people, to=people, quota=st.none() | quotas)
    def invite(self, org: UUID, actor: str, to: str, quota: int | None) -> None:
        async def act() -> None:
            email = f" {to.upper()}@example.com"
            sent = await invitations.invite_members(self.viewer(actor), org, [email], quota)
            if sent[0].code is not None:
                raise Refused(sent[0].code)
            assert sent[0].invitation_id is not None
            self.invitation_ids[org, to] = sent[0].invitation_id

        assert self.tell(act()) == self.model[org].invite(actor, to, quota)

    @rule(org=orgs, actor=people)
    def accept(self, org: UUID, actor: str) -> None:
        waiting = self.invitation_ids.get((org, actor)) or uuid4()
        expected = self.model[org].accept(actor)
        told = self.tell(invitations.accept_invitation(self.viewer(actor), invitation_id=waiting))
        assert told == expected or (
            expected == "closed" and told in {"not_found", "invitation_closed"}
        )
        if told == "ok":
            found = self.run(self.scene.member_id(org, self.viewers[actor]))
            # Who comes back takes up the same membership.
            assert self.member_ids.setdefault((org, actor), found) == found

    @rule(org=orgs, actor=people)
    def decline(self, org: UUID, actor: str) -> None:
        waiting = self.invitation_ids.get((org, actor)) or uuid4()
        expected = self.model[org].decline(actor)
        told = self.tell(invitations.decline_invitation(self.viewer(actor), invitation_id=waiting))
        assert told == expected or (
            expected == "closed" and told in {"not_found", "invitation_closed"}
        )

    @rule(org=orgs, actor=people, whom=people, quota=quotas)
    def set_quota(self, org: UUID, actor: str, whom: str, quota: int) -> None:
        expected = self.model[org].set_quota(actor, whom, quota)
        action = members.set_member_quota(self.viewer(actor), self.member_id(org, whom), quota)
        assert self.tell(action) == self.seen(org, whom, expected)

    @rule(org=orgs, actor=people, whom=people, role=st.sampled_from([Role.ADMIN, Role.MEMBER]))
    def set_role(self, org: UUID, actor: str, whom: str, role: Role) -> None:
        expected = self.model[org].set_role(actor, whom, role)
        action = members.set_member_role(self.viewer(actor), self.member_id(org, whom), role)
        assert self.tell(action) == self.seen(org, whom, expected)

    @rule(org=orgs, actor=people, whom=people)
    def remove(self, org: UUID, actor: str, whom: str) -> None:
        expected = self.model[org].remove(actor, whom)
        action = members.remove_member(self.viewer(actor), self.member_id(org, whom))
        assert self.tell(action) == self.seen(org, whom, expected)

    def seen(self, org: UUID, target: str, expected: str) -> str:
        """Say what a look-up by a member that never was finds: nothing, dissolved or not."""
        return expected if (org, target) in self.member_ids else "not_found"

    @rule(org=orgs, actor=people)
    def leave(self, org: UUID, actor: str) -> None:
        expected = self.model[org].leave(actor)
        assert self.tell(organizations.leave_organization(self.viewer(actor), org)) == expected

    @rule(org=orgs, actor=people, heir=people)
    def transfer(self, org: UUID, actor: str, heir: str) -> None:
        expected = self.model[org].transfer(actor, heir)
        heir_id = self.member_id(org, heir)
        action = organizations.transfer_ownership(self.viewer(actor), org, heir_id)
        assert self.tell(action) == expected

    @rule(org=orgs, actor=people, name=st.sampled_from(["Acme", "Zenith"]))
    def rename(self, org: UUID, actor: str, name: str) -> None:
        expected = self.model[org].rename(actor, name)
        action = organizations.rename_organization(self.viewer(actor), org, name)
        assert self.tell(action) == expected

    @rule(org=orgs, actor=people, quota=quotas)
    def set_default(self, org: UUID, actor: str, quota: int) -> None:
        expected = self.model[org].set_default(actor, quota)
        action = organizations.set_default_quota(self.viewer(actor), org, quota)
        assert self.tell(action) == expected

    @rule(org=orgs, actor=people, sure=st.integers(0, 3))
    def dissolve(self, org: UUID, actor: str, sure: int) -> None:
        if sure:
            return  # Seldom, so that stories go on.
        name = self.model[org].name
        expected = self.model[org].dissolve(actor)
        action = organizations.dissolve_organization(self.viewer(actor), org, name)
        assert self.tell(action) == expected

    @invariant()
    def everything_is_as_the_model_says(self) -> None:
        self.run(self.scene.promises())
        for org, model in self.model.items():
            owner = next((n for n, place in model.places.items() if place.role is Role.OWNER), None)
            if owner is None:
                assert model.dissolved
                continue
            page = self.run(members.list_members(self.viewer(owner), org, members.MemberQuery()))
            shown = {row.user.name.lower(): Place(row.role, row.quota) for row in page.rows}
            assert shown == model.places
            sent = self.run(invitations.list_invitations(self.viewer(owner), org))
            assert {row.email.lower().split("@")[0] for row in sent.rows} == set(model.waiting)

    def teardown(self) -> None:
        self.run(self.database.dispose())
        self.loop.close()
        self.drop()


class Refused(Refusal):
    """An address that was not invited, told by its code."""

    def __init__(self, code: str) -> None:
        super().__init__()
        self.code = code  # type: ignore[misc]


def test_random_stories_end_as_a_plain_model_says(
    lend_database: Callable[[], tuple[str, Callable[[], object]]],
) -> None:
    class Here(Story):
        open_database = staticmethod(lend_database)

    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=12,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
