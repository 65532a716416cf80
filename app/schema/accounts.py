"""Accounts: what both kinds share, and the personal one."""

from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

import strawberry

from app.permissions import permissions_of
from app.resolvers import alerts, api_keys, audit, balances, billing, invoices, ledger
from app.resolvers import usage as usages
from app.schema.api_keys import ApiKey, api_key
from app.schema.audit import AuditEvent, AuditFilter, audit_event, event_filter
from app.schema.balances import Balance, balance
from app.schema.billing import (
    BalanceAlert,
    BillingDetails,
    Invoice,
    balance_alert,
    billing_details,
    invoice,
)
from app.schema.connections import Connection, connection
from app.schema.context import Info, given
from app.schema.enums import AccountKind, Granularity, Permission, Role, UsageDimension
from app.schema.ledger import LedgerEntry, ledger_entry
from app.schema.nodes import Node, node_id
from app.schema.requires import requires
from app.schema.usage import (
    UsageFilter,
    UsageRange,
    UsageRecord,
    UsageReport,
    records_query,
    usage_query,
    usage_record,
    usage_report,
)
from app.seats import Seat

# Printed in the matrix's order, whatever order a set has.
_LISTED = {
    (kind, role): [one for one in Permission if one in permissions_of(kind, role)]
    for kind in AccountKind
    for role in Role
}


@strawberry.interface(
    description="A workspace that owns credits, keys and usage: everyone's personal one, or an organization."
)
class Account(Node):
    """What both kinds of account show."""

    kind: AccountKind
    name: str
    slug: str
    created_at: datetime
    viewer_role: Role
    viewer_permissions: list[Permission]
    account_id: strawberry.Private[UUID]

    @requires(balances.balance, "What there is to spend.")
    async def balance(self, info: Info) -> Balance | None:
        """Show the balance."""
        return balance(await info.context.load(balances.balance, self.account_id))

    @requires(ledger.list_ledger, "Every movement of credits, newest first.")
    async def ledger(
        self, info: Info, first: int = 50, after: str | None = strawberry.UNSET
    ) -> Connection[LedgerEntry] | None:
        """List entries."""
        load = info.context.load
        page = await load(ledger.list_ledger, self.account_id, first, given(after))
        count = partial(load, ledger.count_ledger, self.account_id)
        return connection(page, ledger_entry, count)

    @requires(usages.own_usage_report, "The viewer's own usage in this account.")
    async def my_usage(
        self,
        info: Info,
        range: UsageRange,
        granularity: Granularity = Granularity.DAY,
        time_zone: str = "UTC",
        group_by: list[UsageDimension] = [],  # noqa: B006 - printed into the schema, never changed
    ) -> UsageReport | None:
        """Sum the viewer's own."""
        query = usage_query(info, range, granularity, time_zone, group_by)
        load = info.context.load
        return usage_report(await load(usages.own_usage_report, self.account_id, query))

    @requires(usages.own_usage_records, "The viewer's own records in this account, newest first.")
    async def my_usage_records(
        self,
        info: Info,
        range: UsageRange,
        first: int = 50,
        after: str | None = strawberry.UNSET,
    ) -> Connection[UsageRecord] | None:
        """List the viewer's own."""
        query = records_query(info, range)
        load = info.context.load
        page = await load(usages.own_usage_records, self.account_id, query, first, given(after))
        count = partial(load, usages.count_own_usage_records, self.account_id, query)
        return connection(page, usage_record, count)

    @requires(usages.usage_report, "Everybody's usage in this account.")
    async def usage(
        self,
        info: Info,
        range: UsageRange,
        granularity: Granularity = Granularity.DAY,
        time_zone: str = "UTC",
        group_by: list[UsageDimension] = [],  # noqa: B006 - printed into the schema, never changed
        filter: UsageFilter | None = strawberry.UNSET,
    ) -> UsageReport | None:
        """Sum everybody's."""
        query = usage_query(info, range, granularity, time_zone, group_by, filter)
        load = info.context.load
        return usage_report(await load(usages.usage_report, self.account_id, query))

    @requires(usages.usage_records, "Everybody's records in this account, newest first.")
    async def usage_records(
        self,
        info: Info,
        range: UsageRange,
        filter: UsageFilter | None = strawberry.UNSET,
        first: int = 50,
        after: str | None = strawberry.UNSET,
    ) -> Connection[UsageRecord] | None:
        """List everybody's."""
        query = records_query(info, range, filter)
        load = info.context.load
        page = await load(usages.usage_records, self.account_id, query, first, given(after))
        count = partial(load, usages.count_usage_records, self.account_id, query)
        return connection(page, usage_record, count)

    @requires(
        api_keys.list_api_keys,
        "The viewer's own standard keys; all members' with `all: true`, which takes MANAGE_ALL_KEYS.",
    )
    async def api_keys(
        self,
        info: Info,
        all: bool = False,
        first: int = 50,
        after: str | None = strawberry.UNSET,
    ) -> Connection[ApiKey] | None:
        """List keys."""
        load = info.context.load
        page = await load(
            api_keys.list_api_keys, self.account_id, all=all, first=first, after=given(after)
        )
        count = partial(load, api_keys.count_api_keys, self.account_id, all=all)
        return connection(page, api_key, count)

    @requires(invoices.list_invoices, "Invoices, newest first.")
    async def invoices(
        self, info: Info, first: int = 20, after: str | None = strawberry.UNSET
    ) -> Connection[Invoice] | None:
        """List invoices."""
        load = info.context.load
        page = await load(invoices.list_invoices, self.account_id, first, given(after))
        count = partial(load, invoices.count_invoices, self.account_id)
        return connection(page, invoice, count)

    @requires(alerts.list_alerts, "Below which balance somebody is mailed, the lowest first.")
    async def alerts(self, info: Info) -> list[BalanceAlert] | None:
        """List the thresholds."""
        rows = await info.context.load(alerts.list_alerts, self.account_id)
        return [balance_alert(row) for row in rows]

    @requires(
        billing.billing_details, "Whom invoices are made out to; empty before the first top-up."
    )
    async def billing_details(self, info: Info) -> BillingDetails | None:
        """Ask Stripe."""
        return billing_details(await info.context.load(billing.billing_details, self.account_id))

    @requires(audit.audit_log, "Every change of state, newest first.")
    async def audit_log(
        self,
        info: Info,
        filter: AuditFilter | None = strawberry.UNSET,
        first: int = 50,
        after: str | None = strawberry.UNSET,
    ) -> Connection[AuditEvent] | None:
        """List events."""
        which = event_filter(info, filter)
        load = info.context.load
        page = await load(audit.audit_log, self.account_id, which, first, given(after))
        count = partial(load, audit.count_audit_events, self.account_id, which)
        return connection(page, audit_event, count)


@strawberry.type(
    description="Everyone's own workspace: one user, no members, invitations or roles."
)
class PersonalAccount(Account):
    """A person's own account."""


def facts(seat: Seat) -> dict[str, Any]:
    """Say of an account what both kinds show, from the viewer's seat in it."""
    if seat.role is None:
        raise RuntimeError("a management key looks through no GraphQL")
    return {
        "id": node_id("account", seat.account_id),
        "kind": seat.kind,
        "name": seat.name,
        "slug": seat.slug,
        "created_at": seat.created_at,
        "viewer_role": seat.role,
        "viewer_permissions": _LISTED[seat.kind, seat.role],
        "account_id": seat.account_id,
    }
