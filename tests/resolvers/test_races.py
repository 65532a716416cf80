"""Races: many at once, one outcome, no error of ours, no right used after it ended."""

import asyncio
from collections import Counter
from collections.abc import Awaitable
from typing import Any

from sqlalchemy import select
from sqlmodel import col

from app.credentials import invitation_token
from app.errors import Refusal
from app.models import AuditEvent, Invitation, Member
from app.permissions import Role
from app.resolvers import invitations, members, organizations
from tests.scene import Scene


async def outcomes(*actions: Awaitable[Any]) -> list[str]:
    """Do all at once; a refusal gives its code, anything else that is raised fails the test."""

    async def one(action: Awaitable[Any]) -> str:
        try:
            await action
        except Refusal as refusal:
            return refusal.code
        return "ok"

    return list(await asyncio.gather(*(one(action) for action in actions)))


async def test_a_hundred_transfers_at_once_leave_one_owner(scene: Scene) -> None:
    ann = await scene.person("ann")
    org = await scene.organization(ann, "Acme")
    heirs = [await scene.join(org, await scene.person(f"heir {n}")) for n in range(5)]
    got = await outcomes(
        *(
            organizations.transfer_ownership(scene.fresh(ann), org, heirs[n % len(heirs)])
            for n in range(100)
        )
    )
    assert Counter(got) == {"ok": 1, "forbidden": 99}
    await scene.promises()


async def test_an_invitation_accepted_many_times_at_once_joins_once(scene: Scene) -> None:
    ann, bob = await scene.person("ann"), await scene.person("bob")
    org = await scene.organization(ann, "Acme")
    sent = (await invitations.invite_members(ann, org, ["bob@example.com"]))[0]
    row = await scene.database.row(
        select(col(Invitation.generation)).where(col(Invitation.id) == sent.invitation_id)
    )
    assert row is not None
    assert sent.invitation_id is not None
    secret = scene.settings.secret_key.get_secret_value()
    token = invitation_token(secret, sent.invitation_id, row[0])
    got = await outcomes(
        *(invitations.accept_invitation(scene.fresh(bob), token=token) for _ in range(10)),
        *(
            invitations.accept_invitation(scene.fresh(bob), invitation_id=sent.invitation_id)
            for _ in range(10)
        ),
        *(invitations.decline_invitation(scene.fresh(bob), token=token) for _ in range(5)),
    )
    counted = Counter(got)
    assert counted["ok"] == 1
    assert counted["invitation_closed"] == 24
    found = await scene.database.rows(
        select(col(AuditEvent.id)).where(
            col(AuditEvent.action).in_(["accept_invitation", "decline_invitation"])
        )
    )
    assert len(found) == 1
    await scene.promises()


async def test_one_address_invited_by_many_at_once_waits_once(scene: Scene) -> None:
    ann = await scene.person("ann")
    org = await scene.organization(ann, "Acme")
    admins = []
    for n in range(4):
        admin = await scene.person(f"admin {n}")
        await scene.join(org, admin, role=Role.ADMIN)
        admins.append(admin)
    got = await outcomes(
        *(
            invitations.invite_members(scene.fresh(admins[n % 4]), org, ["New@Example.com"])
            for n in range(20)
        )
    )
    assert got == ["ok"] * 20
    assert await invitations.count_invitations(scene.fresh(ann), org) == 1
    await scene.promises()


async def test_a_transfer_and_the_removal_of_the_heir_give_one_of_the_two(scene: Scene) -> None:
    ann = await scene.person("ann")
    bob = await scene.person("bob")
    for name in ("One", "Two", "Three", "Four"):
        org = await scene.organization(ann, name)
        heir = await scene.join(org, bob)
        admin = await scene.person(f"admin of {name}")
        await scene.join(org, admin, role=Role.ADMIN)
        got = await outcomes(
            organizations.transfer_ownership(scene.fresh(ann), org, heir),
            members.remove_member(admin, heir),
            organizations.leave_organization(scene.fresh(bob), org),
        )
        assert got.count("ok") == 1, got
        assert set(got) <= {"ok", "not_found", "forbidden", "owner_must_transfer"}
        await scene.promises()


async def test_no_right_is_used_after_it_ended(scene: Scene) -> None:
    ann = await scene.person("ann")
    adam = await scene.person("adam")
    org = await scene.organization(ann, "Acme")
    admin_id = await scene.join(org, adam, role=Role.ADMIN)
    member_ids = [await scene.join(org, await scene.person(f"m {n}")) for n in range(6)]
    got = await outcomes(
        *(members.set_member_quota(scene.fresh(adam), one, 7) for one in member_ids[:3]),
        members.set_member_role(scene.fresh(ann), admin_id, Role.MEMBER),
        *(members.set_member_quota(scene.fresh(adam), one, 7) for one in member_ids[3:]),
        invitations.invite_members(scene.fresh(adam), org, ["late@example.com"]),
    )
    assert set(got) <= {"ok", "forbidden"}
    # In the order of the audit log nothing of the Admin's stands after their demotion.
    events = await scene.database.rows(
        select(col(AuditEvent.action), col(AuditEvent.actor_id))
        .where(col(AuditEvent.account_id) == org)
        .order_by(col(AuditEvent.at), col(AuditEvent.id))
    )
    demotion = max(n for n, event in enumerate(events) if event.action == "set_member_role")
    assert all(event.actor_id != adam.person.id for event in events[demotion + 1 :])
    assert await members.count_members(scene.fresh(ann), org) == 8
    await scene.promises()


async def test_the_cap_on_organizations_holds_for_many_at_once(scene: Scene) -> None:
    scene.settings = scene.settings.model_copy(update={"organization_cap": 3})
    ann = await scene.person("ann")
    got = await outcomes(
        *(organizations.create_organization(scene.fresh(ann), "Acme") for _ in range(10))
    )
    assert Counter(got) == {"ok": 3, "cap_reached": 7}
    rows = await scene.database.rows(select(col(Member.id)).where(col(Member.ended_at).is_(None)))
    assert len(rows) == 4


async def test_the_cap_on_members_holds_for_many_at_once(scene: Scene) -> None:
    ann = await scene.person("ann")
    people = [await scene.person(f"p {n}") for n in range(8)]
    org = await scene.organization(ann, "Acme")
    sent = await invitations.invite_members(ann, org, [one.person.email for one in people])
    scene.settings = scene.settings.model_copy(update={"member_cap": 4})
    for one in people:
        one.settings = scene.settings
    got = await outcomes(
        *(
            invitations.accept_invitation(scene.fresh(one), invitation_id=outcome.invitation_id)
            for one, outcome in zip(people, sent, strict=True)
        )
    )
    assert Counter(got) == {"ok": 3, "cap_reached": 5}


async def test_dissolving_against_everything_else_leaves_a_dissolved_organization(
    scene: Scene,
) -> None:
    ann, adam, new = (
        await scene.person("ann"),
        await scene.person("adam"),
        await scene.person("new"),
    )
    org = await scene.organization(ann, "Acme")
    await scene.join(org, adam, role=Role.ADMIN)
    member_id = await scene.join(org, await scene.person("mia"))
    sent = (await invitations.invite_members(ann, org, ["new@example.com"]))[0]
    got = await outcomes(
        members.set_member_role(scene.fresh(adam), member_id, Role.ADMIN),
        invitations.accept_invitation(new, invitation_id=sent.invitation_id),
        organizations.dissolve_organization(scene.fresh(ann), org, "Acme"),
        invitations.invite_members(scene.fresh(adam), org, ["more@example.com"]),
        organizations.leave_organization(scene.fresh(adam), org),
        organizations.rename_organization(scene.fresh(ann), org, "Other"),
    )
    assert set(got) <= {"ok", "dissolved", "invitation_closed", "invalid", "not_found"}
    await scene.promises()


async def test_many_first_sign_ins_of_one_person_make_one_personal_account(scene: Scene) -> None:
    viewers = await asyncio.gather(*(scene.person("ann") for _ in range(10)))
    assert len({viewer.person.id for viewer in viewers}) == 1
    await scene.promises()
