"""What members used and hold this month: exact, shown to whom it is for, and one statement a page."""

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest

from app.database import Database
from app.errors import NotFound
from app.models import CounterKind, Hold, HoldStatus, MonthCounter
from app.months import month_of
from app.permissions import Role
from app.resolvers import members, sessions
from app.resolvers.members import MemberOrder, MemberQuery
from app.seats import Viewer
from tests.scene import Scene

Shift = Callable[[timedelta], None]


async def count_up(
    database: Database, account_id: UUID, member_id: UUID, at: datetime, used: int, held: int = 0
) -> None:
    """Write a member's counter of the month of a moment."""
    async with database.write() as session:
        counter = MonthCounter(
            subject_id=member_id,
            month=month_of(at),
            account_id=account_id,
            kind=CounterKind.MEMBER,
            used_micro=used,
            held_micro=held,
            last_used_at=at,
        )
        session.add(counter)


async def hold(
    database: Database,
    account_id: UUID,
    member_id: UUID,
    at: datetime,
    amount: int,
    *,
    expires_at: datetime,
    status: HoldStatus = HoldStatus.OPEN,
) -> None:
    """Write a hold."""
    async with database.write() as session:
        row = Hold(
            account_id=account_id,
            member_id=member_id,
            api_key_id=uuid4(),
            gateway_id=uuid4(),
            request_id=uuid4().hex,
            request_hash=b"hash",
            asked_micro=amount,
            amount_micro=amount,
            month=month_of(at),
            status=status,
            authorized_at=at,
            expires_at=expires_at,
        )
        session.add(row)


async def acme(scene: Scene) -> tuple[Viewer, UUID, dict[str, UUID]]:
    """Make an organization of five."""
    olga = await scene.person("olga")
    account_id = await scene.organization(olga, "Acme")
    ids = {"olga": await scene.member_id(account_id, olga)}
    for name, role in (("adam", Role.ADMIN), ("ben", Role.MEMBER), ("mia", Role.MEMBER)):
        ids[name] = await scene.join(account_id, await scene.person(name), role=role)
    return olga, account_id, ids


async def test_used_held_and_remaining_are_this_months_without_what_has_expired(
    scene: Scene,
) -> None:
    olga, account_id, ids = await acme(scene)
    at, ben = await sessions.clock(olga), ids["ben"]
    await members.set_member_quota(scene.fresh(olga), ben, 1000)
    await count_up(scene.database, account_id, ben, at, used=600, held=70)
    await count_up(scene.database, account_id, ben, at - timedelta(days=40), used=5)
    late, soon = at - timedelta(seconds=1), at + timedelta(hours=1)
    await hold(scene.database, account_id, ben, at, 30, expires_at=late)
    await hold(scene.database, account_id, ben, at, 40, expires_at=soon)
    # None of these is in this month's counter, or weighs on it any more.
    await hold(scene.database, account_id, ben, at, 9, expires_at=late, status=HoldStatus.SETTLED)
    await hold(scene.database, account_id, ben, at - timedelta(days=40), 8, expires_at=late)
    await hold(scene.database, account_id, ids["mia"], at, 7, expires_at=late)
    row = await members.member(scene.fresh(olga), ben)
    assert (row.quota, row.monthly_usage, row.held, row.remaining) == (1000, 600, 40, 360)
    assert row.last_used_at == at
    listed = await members.list_members(scene.fresh(olga), account_id, MemberQuery(search="ben"))
    assert listed.rows == [row]
    own = await members.own_membership(scene.fresh(olga), account_id)
    assert (own.monthly_usage, own.held, own.remaining, own.last_used_at) == (0, 0, None, None)


async def test_nothing_remains_below_zero_and_a_new_month_begins_at_nothing(
    scene: Scene, shift_clock: Shift
) -> None:
    olga, account_id, ids = await acme(scene)
    at, ben = await sessions.clock(olga), ids["ben"]
    await members.set_member_quota(scene.fresh(olga), ben, 100)
    await count_up(scene.database, account_id, ben, at, used=130)
    assert (await members.member(scene.fresh(olga), ben)).remaining == 0
    await members.set_member_quota(scene.fresh(olga), ben, 0)
    assert (await members.member(scene.fresh(olga), ben)).remaining == 0
    await members.set_member_quota(scene.fresh(olga), ben, 100)
    shift_clock(timedelta(days=32))
    row = await members.member(scene.fresh(olga), ben)
    assert (row.monthly_usage, row.held, row.remaining, row.last_used_at) == (0, 0, 100, at)


async def test_figures_are_for_oneself_and_for_those_who_see_members(scene: Scene) -> None:
    olga, account_id, ids = await acme(scene)
    mia = await scene.person("mia")
    at = await sessions.clock(olga)
    for name in ("olga", "mia"):
        await count_up(scene.database, account_id, ids[name], at, used=5)
    assert (await members.own_membership(mia, account_id)).monthly_usage == 5
    owner = await members.owner(scene.fresh(mia), account_id)
    shown = (owner.quota, owner.monthly_usage, owner.held, owner.remaining, owner.last_used_at)
    assert shown == (None, None, None, None, None)
    assert (await members.owner(scene.fresh(olga), account_id)).monthly_usage == 5


@pytest.mark.parametrize("descending", [False, True])
async def test_members_are_paged_in_the_order_of_their_usage(
    scene: Scene, *, descending: bool
) -> None:
    olga, account_id, ids = await acme(scene)
    at = await sessions.clock(olga)
    for name, used in (("mia", 50), ("ben", 50), ("adam", 7)):
        await count_up(scene.database, account_id, ids[name], at, used=used)
    used = {"olga": 0, "adam": 7, "ben": 50, "mia": 50}
    expected = sorted(ids, key=lambda name: (used[name], ids[name]), reverse=descending)
    seen: list[UUID] = []
    after = None
    for _page in expected:
        query = MemberQuery(
            order=MemberOrder.MONTHLY_USAGE, descending=descending, first=1, after=after
        )
        page = await members.list_members(scene.fresh(olga), account_id, query)
        seen.append(page.rows[0].id)
        after = page.cursor(0)
    assert seen == [ids[name] for name in expected]
    assert not page.has_next


async def test_somebody_who_has_left_is_known_to_those_who_see_members_and_to_nobody_else(
    scene: Scene,
) -> None:
    olga, _account_id, ids = await acme(scene)
    await members.remove_member(scene.fresh(olga), ids["ben"])
    with pytest.raises(NotFound):
        await members.member(scene.fresh(olga), ids["ben"])
    known = await members.known_member(scene.fresh(olga), ids["ben"])
    assert (known.id, known.user.name) == (ids["ben"], "Ben")
    for name in ("mia", "ben", "sue"):
        viewer = await scene.person(name)
        with pytest.raises(NotFound):
            await members.known_member(viewer, ids["ben"])


@pytest.mark.parametrize("order", MemberOrder)
async def test_a_page_of_members_is_one_statement_with_what_they_used(
    scene: Scene, order: MemberOrder
) -> None:
    olga, account_id, _ids = await acme(scene)
    seen: list[str] = []
    scene.database.on_statement(seen.append)
    page = await members.list_members(scene.fresh(olga), account_id, MemberQuery(order=order))
    assert len(page.rows) == 4
    assert len(seen) == 2
