"""Query: where every look begins."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import cast
from uuid import UUID

import strawberry

from app.errors import Forbidden, Invalid, NotFound, Refusal
from app.ids import read_wire_id
from app.resolvers import (
    accounts,
    alerts,
    api_keys,
    audit,
    invitations,
    invoices,
    ledger,
    management_keys,
    members,
    top_ups,
    usage,
    users,
)
from app.schema.accounts import Account, PersonalAccount
from app.schema.api_keys import api_key
from app.schema.audit import audit_event
from app.schema.billing import balance_alert, invoice, top_up
from app.schema.context import Info
from app.schema.invitations import Invitation, invitation
from app.schema.ledger import ledger_entry
from app.schema.management_keys import management_key
from app.schema.members import member
from app.schema.nodes import Node
from app.schema.organizations import Organization, account
from app.schema.usage import usage_record
from app.schema.users import User, user


@strawberry.type(description="The signed-in person, and what is theirs.")
class Viewer:
    """The signed-in person."""

    user: User

    @strawberry.field(description="The viewer's own account.")
    async def personal_account(self, info: Info) -> PersonalAccount:
        """Show the personal account."""
        first = (await info.context.once(accounts.list_accounts))[0]
        return cast("PersonalAccount", account(first))

    @strawberry.field(
        description="The personal account first, then the organizations by name: what the switcher lists."
    )
    async def accounts(self, info: Info) -> list[Account]:
        """List the accounts."""
        return [account(seat) for seat in await info.context.once(accounts.list_accounts)]

    @strawberry.field(description="Invitations to the viewer's verified e-mail that still wait.")
    async def pending_invitations(self, info: Info) -> list[Invitation]:
        """List the invitations."""
        rows = await info.context.once(invitations.pending_invitations)
        return [invitation(row) for row in rows]


async def _account(info: Info, row_id: UUID) -> Node:
    return account(await info.context.load(accounts.account, row_id))


async def _user(info: Info, row_id: UUID) -> Node:
    return user(await info.context.user(row_id))


async def _member(info: Info, row_id: UUID) -> Node:
    return member(await info.context.load(members.member, row_id))


async def _invitation(info: Info, row_id: UUID) -> Node:
    try:
        return invitation(await info.context.load(invitations.invitation, row_id))
    except (NotFound, Forbidden) as refusal:
        try:
            return invitation(await info.context.own_invitation(row_id))
        except NotFound:
            raise refusal from None


async def _audit_event(info: Info, row_id: UUID) -> Node:
    return audit_event(await info.context.load(audit.audit_event, row_id))


async def _api_key(info: Info, row_id: UUID) -> Node:
    return api_key(await info.context.load(api_keys.api_key, row_id))


async def _management_key(info: Info, row_id: UUID) -> Node:
    return management_key(await info.context.load(management_keys.management_key, row_id))


async def _ledger_entry(info: Info, row_id: UUID) -> Node:
    return ledger_entry(await info.context.load(ledger.ledger_entry, row_id))


async def _usage_record(info: Info, row_id: UUID) -> Node:
    return usage_record(await info.context.load(usage.usage_record, row_id))


async def _top_up(info: Info, row_id: UUID) -> Node:
    return top_up(await info.context.load(top_ups.top_up, row_id))


async def _invoice(info: Info, row_id: UUID) -> Node:
    return invoice(await info.context.load(invoices.invoice, row_id))


async def _balance_alert(info: Info, row_id: UUID) -> Node:
    return balance_alert(await info.context.load(alerts.balance_alert, row_id))


LOOK_UPS: dict[str, Callable[[Info, UUID], Awaitable[Node]]] = {
    "account": _account,
    "user": _user,
    "member": _member,
    "invitation": _invitation,
    "audit_event": _audit_event,
    "api_key": _api_key,
    "management_key": _management_key,
    "ledger_entry": _ledger_entry,
    "usage_record": _usage_record,
    "top_up": _top_up,
    "invoice": _invoice,
    "balance_alert": _balance_alert,
}


async def _look_up(info: Info, global_id: str) -> Node | None:
    """Find what an id names; None for what is unknown or foreign. Raises every other refusal."""
    info.context.viewer.person  # noqa: B018 - refuses the signed-out
    found = read_wire_id(global_id)
    look = LOOK_UPS.get(found[0]) if found is not None else None
    if found is None or look is None:
        return None
    try:
        return await look(info, found[1])
    except NotFound:
        return None


async def _account_by_slug(info: Info, slug: str) -> Account | None:
    try:
        return account(await accounts.account_by_slug(info.context.viewer, slug))
    except NotFound:
        return None


@strawberry.type
class Query:
    """Every look begins here."""

    @strawberry.field(description="The signed-in person.")
    async def viewer(self, info: Info) -> Viewer:
        """Show who asks."""
        return Viewer(user=user(await users.own_user(info.context.viewer)))

    @strawberry.field(description="Anything by its id; null for what is unknown or foreign.")
    async def node(self, info: Info, id: strawberry.ID) -> Node | None:
        """Find one thing."""
        return await _look_up(info, id)

    @strawberry.field(description="Many things by their ids, in their order.")
    async def nodes(self, info: Info, ids: list[strawberry.ID]) -> list[Node | None]:
        """Find many things; each has its own refusal."""
        most = info.context.viewer.settings.list_input
        if len(ids) > most:
            raise Invalid(ids=f"Ask for at most {most}.")
        found = await asyncio.gather(*(_look_up(info, one) for one in ids), return_exceptions=True)
        for one in found:
            if isinstance(one, BaseException) and not isinstance(one, Refusal):
                raise one
        # A refusal as an item is raised at that item's path by graphql-core.
        return cast("list[Node | None]", found)

    @strawberry.field(description="An account by its slug; null for what is unknown or foreign.")
    async def account(self, info: Info, slug: str) -> Account | None:
        """Find an account."""
        return await _account_by_slug(info, slug)

    @strawberry.field(description="The same for organizations only.")
    async def organization(self, info: Info, slug: str) -> Organization | None:
        """Find an organization."""
        found = await _account_by_slug(info, slug)
        return found if isinstance(found, Organization) else None

    @strawberry.field(
        description="What the page behind an invitation link shows before it is accepted. Works signed out."
    )
    async def invitation(self, info: Info, token: str) -> Invitation | None:
        """Find the invitation of a letter; the token is the proof."""
        try:
            return invitation(await invitations.invitation_of_token(info.context.viewer, token))
        except NotFound:
            return None
