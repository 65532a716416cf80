"""Keys end together with a membership, a rank or an organization, in the same transaction."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlmodel import col

from app.models import ApiKey, AuditEvent, ManagementKey, Member
from app.permissions import Role
from app.resolvers import (
    _endings,
    api_keys,
    invitations,
    management_keys,
    members,
    organizations,
)
from app.seats import Viewer
from tests.resolvers.test_races import outcomes
from tests.scene import Scene


class Broken(Exception):
    """What a transaction stumbles over at its end."""


class Company:
    """Acme of Ann (Owner), Bob (Admin) and Mia (Member), each with keys."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene

    async def open(self) -> None:
        self.ann, self.bob, self.mia = [
            await self.scene.person(name) for name in ("ann", "bob", "mia")
        ]
        self.org = await self.scene.organization(self.ann, "Acme")
        self.bobs = await self.scene.join(self.org, self.bob, role=Role.ADMIN)
        self.mias = await self.scene.join(self.org, self.mia)
        for who in (self.ann, self.bob, self.mia):
            await api_keys.create_api_key(who, self.org, f"{who.person.name}'s standard")
        for who in (self.ann, self.bob):
            await management_keys.create_management_key(
                who, self.org, f"{who.person.name}'s management"
            )
        personal = await self.scene.personal_account(self.bob)
        await api_keys.create_api_key(self.bob, personal, "Bob's personal")

    async def live(self) -> set[str]:
        """Name the keys that nobody has revoked."""
        names: set[str] = set()
        for kind in (ApiKey, ManagementKey):
            statement = select(col(kind.name)).where(col(kind.revoked_at).is_(None))
            names |= {row.name for row in await self.scene.database.rows(statement)}
        return names

    async def ended(self) -> list[tuple[str, str, Any]]:
        """Tell the audit events of endings: action, key, who did it."""
        statement = select(AuditEvent).where(
            col(AuditEvent.action).in_(("revoke_api_key", "revoke_management_key"))
        )
        events = await self.scene.database.rows(statement)
        assert all(event.before == {"revoked_at": None} for event in events)
        assert all(event.after["revoked_at"] for event in events)
        return sorted((event.action, event.target_name, event.actor_name) for event in events)


@pytest.fixture
async def company(scene: Scene) -> Company:
    opened = Company(scene)
    await opened.open()
    return opened


ALL = {
    *(f"{name}'s standard" for name in ("Ann", "Bob", "Mia")),
    *(f"{name}'s management" for name in ("Ann", "Bob")),
    "Bob's personal",
}
BOBS_STANDARD = ("revoke_api_key", "Bob's standard")
BOBS_MANAGEMENT = ("revoke_management_key", "Bob's management")


async def test_leaving_ends_ones_keys_of_that_organization(company: Company) -> None:
    await organizations.leave_organization(company.bob, company.org)
    assert await company.live() == ALL - {"Bob's standard", "Bob's management"}
    assert await company.ended() == [(*BOBS_STANDARD, "Bob"), (*BOBS_MANAGEMENT, "Bob")]


async def test_removal_ends_the_removed_ones_keys(company: Company) -> None:
    await members.remove_member(company.ann, company.bobs)
    assert await company.live() == ALL - {"Bob's standard", "Bob's management"}
    assert await company.ended() == [(*BOBS_STANDARD, "Ann"), (*BOBS_MANAGEMENT, "Ann")]


async def test_demotion_ends_management_keys_alone(company: Company) -> None:
    await members.set_member_role(company.ann, company.bobs, Role.MEMBER)
    assert await company.live() == ALL - {"Bob's management"}
    assert await company.ended() == [(*BOBS_MANAGEMENT, "Ann")]


async def test_an_owner_who_hands_over_keeps_their_keys(company: Company) -> None:
    await organizations.transfer_ownership(company.ann, company.org, company.bobs)
    assert await company.live() == ALL
    assert await company.ended() == []


async def test_dissolving_ends_every_key_of_the_organization(company: Company) -> None:
    await organizations.dissolve_organization(company.ann, company.org, "Acme")
    assert await company.live() == {"Bob's personal"}
    assert len(await company.ended()) == 5


async def test_old_keys_stay_dead_when_their_member_comes_back(company: Company) -> None:
    await organizations.leave_organization(company.bob, company.org)
    again = await company.scene.join(company.org, company.bob)
    assert again == company.bobs
    assert await company.live() == ALL - {"Bob's standard", "Bob's management"}


async def test_what_was_revoked_before_is_not_revoked_again(company: Company) -> None:
    for row in (await api_keys.list_api_keys(company.bob, company.org)).rows:
        await api_keys.revoke_api_key(company.bob, row.id)
    await members.remove_member(company.ann, company.bobs)
    assert await company.ended() == [(*BOBS_STANDARD, "Bob"), (*BOBS_MANAGEMENT, "Ann")]


async def test_membership_and_keys_end_together_or_not_at_all(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stumble(*_arguments: Any) -> None:
        raise Broken

    monkeypatch.setattr(_endings, "revoke_invitations", stumble)
    before = await company.scene.snapshot()

    async def refused(act: Any, viewer: Viewer, row_id: UUID, *arguments: Any) -> None:
        with pytest.raises(Broken):
            await act(company.scene.fresh(viewer), row_id, *arguments)

    await refused(members.remove_member, company.ann, company.bobs)
    await refused(members.set_member_role, company.ann, company.bobs, Role.MEMBER)
    await refused(organizations.leave_organization, company.bob, company.org)
    assert await company.scene.snapshot() == before


async def test_no_key_outlives_a_removal_that_it_raced_with(company: Company) -> None:
    got = await outcomes(
        members.remove_member(company.ann, company.mias),
        *(
            api_keys.create_api_key(company.scene.fresh(company.mia), company.org, "Late")
            for _ in range(5)
        ),
    )
    assert got[0] == "ok"
    statement = (
        select(ApiKey)
        .join(Member, col(Member.id) == col(ApiKey.member_id))
        .where(col(Member.ended_at).is_not(None), col(ApiKey.revoked_at).is_(None))
    )
    assert await company.scene.database.rows(statement) == []
    assert await invitations.pending_invitations(company.mia) == []


async def test_whatever_takes_away_a_right_to_spend_locks_the_wallet(company: Company) -> None:
    """So that an authorization at the same moment comes first, or sees it gone."""
    scene, ann, bob, org = company.scene, company.ann, company.bob, company.org
    key_id = (await api_keys.list_api_keys(bob, org)).rows[0].id
    statements: list[str] = []
    scene.database.on_statement(statements.append)
    takings = (
        lambda: api_keys.update_api_key(bob, key_id, monthly_limit=1),
        lambda: api_keys.rotate_api_key(bob, key_id),
        lambda: api_keys.revoke_api_key(ann, key_id),
        lambda: members.set_member_quota(ann, company.mias, 0),
        lambda: members.remove_member(ann, company.mias),
        lambda: organizations.leave_organization(bob, org),
        lambda: organizations.dissolve_organization(ann, org, "Acme"),
    )
    for taking in takings:
        statements.clear()
        await taking()
        locks = [one for one in statements if "FROM wallets" in one]
        assert locks
        if not scene.database.is_sqlite:
            assert all("FOR NO KEY UPDATE" in one for one in locks)
