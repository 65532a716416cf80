"""The GraphQL window: types, connections, loaders and limits; every field is a line or two onto a verb."""

from collections.abc import Iterable
from typing import Any

import strawberry
from strawberry.schema.config import StrawberryConfig
from strawberry.types.execution import ExecutionContext

from app.schema.accounts import PersonalAccount
from app.schema.api_keys import ApiKeyMutations
from app.schema.audit import AuditEvent
from app.schema.billing import BillingMutations
from app.schema.documents import Documents, kept_documents
from app.schema.invitations import InvitationMutations
from app.schema.lane import Lane
from app.schema.management_keys import ManagementKeyMutations
from app.schema.members import MemberMutations
from app.schema.organizations import Organization, OrganizationMutations
from app.schema.queries import Query
from app.schema.scalars import SCALARS
from app.schema.users import User
from app.settings import Settings

HEADER = "# Exported by `make schema`; the code in app/schema is where to change it.\n\n"


@strawberry.type(description="What can be done. Each field is a transaction of its own, in order.")
class Mutation(
    OrganizationMutations,
    InvitationMutations,
    MemberMutations,
    ApiKeyMutations,
    ManagementKeyMutations,
    BillingMutations,
):
    """What can be done."""


class Schema(strawberry.Schema):
    """The schema and the documents that it knows."""

    documents: Documents

    def process_errors(
        self, errors: Iterable[Any], execution_context: ExecutionContext | None = None
    ) -> None:
        """Leave logging to whoever writes the answer, who knows the request's id."""
        del errors, execution_context


def build_schema(settings: Settings) -> Schema:
    """Build the schema with the limits of these settings. Once per process: it takes a while."""
    documents = Documents(settings)
    schema = Schema(
        query=Query,
        mutation=Mutation,
        types=[PersonalAccount, Organization, AuditEvent, User],
        extensions=[kept_documents(documents)],
        execution_context_class=Lane,
        config=StrawberryConfig(scalar_map=SCALARS, disable_field_suggestions=not settings.sandbox),
    )
    schema.documents = documents
    return schema


def sdl() -> str:
    """Write the public schema, as `schema.graphql` at the project's root holds it."""
    return HEADER + build_schema(Settings(_env_file=None)).as_str() + "\n"
