"""The tables themselves refuse what must never be stored, on both databases."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlmodel import col

from app.columns import EnumNumber, EnumText, UtcDateTime
from app.database import Database
from app.ids import new_id
from app.models import Account, Invitation, InvitationStatus, Member, User, metadata
from app.permissions import AccountKind, Role
from tests.accounts import AT, account

ACCOUNT, ANN, BOB = new_id(), new_id(), new_id()


def user(row_id: UUID, name: str, **given: Any) -> User:
    plain = {"issuer": "https://id.example", "subject": name, "email": f"{name}@acme.example"}
    folded = {"email_folded": f"{name}@acme.example", "email_verified": True, "name": name}
    return User(**{"id": row_id, "created_at": AT, **plain, **folded} | given)


def member(user_id: UUID, **given: Any) -> Member:
    plain = {"role": Role.MEMBER, "quota": -1, "joined_at": AT}
    folded = {"name_folded": "x", "email_folded": "x@acme.example"}
    return Member(**{"account_id": ACCOUNT, "user_id": user_id, **plain, **folded} | given)


def invitation(**given: Any) -> Invitation:
    plain = {"email": "Kim@acme.example", "email_folded": "kim@acme.example", "invited_by": ANN}
    times = {"created_at": AT, "expires_at": AT + timedelta(days=7)}
    return Invitation(**{"account_id": ACCOUNT, **plain, **times} | given)


@pytest.fixture
async def acme(database: Database) -> Database:
    """Store an organization with its Owner, a stranger, and an invitation that waits."""
    async with database.write() as session:
        session.add_all([account(id=ACCOUNT), user(ANN, "ann"), user(BOB, "bob")])
        await session.flush()
        session.add_all([member(ANN, role=Role.OWNER), invitation()])
    return database


async def everything(database: Database) -> list[Any]:
    """Read every row of every table."""
    return [
        sorted(map(repr, await database.rows(select(table)))) for table in metadata.sorted_tables
    ]


BROKEN: dict[str, Callable[[], Any]] = {
    "a second Owner": lambda: member(BOB, role=Role.OWNER),
    "a second membership of one person": lambda: member(ANN),
    "a quota below -1": lambda: member(BOB, quota=-2),
    "a member of no account": lambda: member(BOB, account_id=new_id()),
    "a member who is nobody": lambda: member(new_id()),
    "a second waiting invitation of one address": lambda: invitation(email="KIM@acme.example"),
    "an invitation with a quota below -1": lambda: invitation(email_folded="x", quota=-2),
    "an invitation by nobody": lambda: invitation(email_folded="x", invited_by=new_id()),
    "a slug used again": lambda: account(name="Other"),
    "a default quota below -1": lambda: account("other", default_quota=-2),
    "the same identity twice": lambda: user(new_id(), "ann", email="other@acme.example"),
}
TOO_LONG: dict[str, Callable[[], Any]] = {
    "an account's name": lambda: account("other", name="x" * 201),
    "a slug": lambda: account("x" * 81),
    "a person's name": lambda: user(new_id(), "x" * 201, subject="kim", email="k"),
    "an e-mail": lambda: user(new_id(), "kim", email="x" * 255),
    "an invited e-mail": lambda: invitation(email="x" * 255, email_folded="x"),
}


@pytest.mark.parametrize("what", BROKEN)
async def test_a_table_refuses(acme: Database, what: str) -> None:
    before = await everything(acme)
    with pytest.raises(IntegrityError):
        async with acme.write() as session:
            session.add(BROKEN[what]())
    assert await everything(acme) == before


@pytest.mark.parametrize("what", TOO_LONG)
async def test_a_table_refuses_text_that_is_too_long(acme: Database, what: str) -> None:
    before = await everything(acme)
    with pytest.raises(DBAPIError):
        async with acme.write() as session:
            session.add(TOO_LONG[what]())
    assert await everything(acme) == before


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE accounts SET kind = 'TEAM'",
        "UPDATE members SET role = 15",
        "UPDATE members SET role = 40",
        "UPDATE invitations SET status = 'EXPIRED'",
        "UPDATE invitations SET status = 'pending'",
        "DELETE FROM accounts",
        "DELETE FROM users WHERE name = 'ann'",
    ],
)
async def test_a_table_refuses_by_hand_too(acme: Database, statement: str) -> None:
    before = await everything(acme)
    with pytest.raises(IntegrityError):
        async with acme.write() as session:
            await session.execute(text(statement))
    assert await everything(acme) == before


async def test_what_has_ended_stands_in_nobodys_way(acme: Database) -> None:
    async with acme.write() as session:
        await session.execute(text("UPDATE invitations SET status = 'REVOKED'"))
        session.add(invitation())
        owner = (await session.execute(select(Member))).scalar_one()
        owner.ended_at = AT
        await session.flush()
        session.add(member(BOB, role=Role.OWNER))
    rows = await acme.rows(select(col(Invitation.status)))
    assert {row.status for row in rows} == {InvitationStatus.REVOKED, InvitationStatus.PENDING}


async def test_values_come_back_as_they_were_stored(acme: Database) -> None:
    row = await acme.row(
        select(Account.id, Account.kind, Account.created_at, Account.default_quota)
    )
    assert tuple(row) == (ACCOUNT, AccountKind.ORGANIZATION, AT, -1)
    role = (await acme.row(select(Member.role)))[0]
    assert role is Role.OWNER


def test_columns_refuse_values_that_mean_nothing() -> None:
    dialect: Any = None
    with pytest.raises(ValueError, match="zone"):
        UtcDateTime().process_bind_param(AT.replace(tzinfo=None), dialect)
    for column, value in ((EnumNumber(Role), 15), (EnumText(AccountKind), "TEAM")):
        write: Any = column.bind_processor(dialect)
        for store in (write, lambda one, column=column: column.process_bind_param(one, dialect)):
            with pytest.raises(LookupError):
                store(value)
            assert store(None) is None
        read: Any = column.result_processor(dialect, None)
        with pytest.raises(LookupError):
            read(value)
        assert read(None) is None
