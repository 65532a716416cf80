"""Documents: parsed and checked once, kept by their text in a bounded cache."""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSyntaxError,
    NoSchemaIntrospectionCustomRule,
    parse,
    validate,
)
from graphql.validation import recommended_rules, specified_rules
from strawberry.extensions import SchemaExtension

from app.schema.limits import (
    OverLimit,
    limit_rule,
    must_be_within_rows,
    operations_of,
    page_sizes_of,
    rows_asked,
)
from app.settings import Settings

KEPT = 256


class Documents:
    """Parses and validates; keeps what was found, and how many rows a document may ask for at most.

    Strawberry's own two caches do the same with a hash over the whole tree at every look; one look by the
    text costs less, and lets a document that nests too deep for the parser be refused as one over a limit.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        rules = [limit_rule(settings), *specified_rules]
        for rule in recommended_rules:
            if rule not in rules:
                rules.append(rule)
        if not settings.sandbox:
            rules.append(NoSchemaIntrospectionCustomRule)
        self.rules = tuple(rules)
        self.page_sizes: dict[str, int] = {}
        self.parsed: Callable[[str], DocumentNode] = lru_cache(KEPT)(self._parse)
        self.checked: Any = lru_cache(KEPT)(self._check)

    def _parse(self, text: str) -> DocumentNode:
        try:
            return parse(text, max_tokens=self.settings.query_tokens)
        except GraphQLSyntaxError as error:
            if "Parsing aborted" in error.message:  # too many tokens, or nested too deep
                raise OverLimit(error.message) from None
            raise
        except RecursionError:
            raise OverLimit("This document is nested too deep.") from None

    def _check(self, text: str, schema: Any) -> tuple[tuple[GraphQLError, ...], int]:
        document = self.parsed(text)
        errors = tuple(validate(schema, document, self.rules))
        # With variables unknown, page sizes count as the largest.
        sizes = self.page_sizes = self.page_sizes or page_sizes_of(schema)
        return errors, 0 if errors else rows_asked(document, self.settings, sizes)


class KeptDocuments(SchemaExtension):
    """Let Strawberry take parsed and checked documents from the cache."""

    documents: Documents

    def on_parse(self) -> Iterator[None]:
        """Parse, or know the text already. Raises a GraphQL error for one operation too many."""
        context = self.execution_context
        document = self.documents.parsed(context.query or "")
        context.graphql_document = document
        operations = operations_of(document)
        named = context.operation_name
        if not operations:
            raise GraphQLError("This document has no operation.")
        if len(operations) > 1 and context._provided_operation_name is None:  # noqa: SLF001 - the other name guesses
            raise GraphQLError("This document has several operations: name one.")
        if named is not None and named not in {one.name.value for one in operations if one.name}:
            raise GraphQLError("This document has no operation of that name.")
        yield

    def on_validate(self) -> Iterator[None]:
        """Check the document, or know already; then its rows, with the variables that were given."""
        context = self.execution_context
        documents = self.documents
        errors, rows = documents.checked(context.query, context.schema._schema)  # noqa: SLF001 - Strawberry's caches do so
        context.pre_execution_errors = list(errors)
        if not errors and rows > documents.settings.query_rows:
            document = context.graphql_document
            if document is None:
                raise RuntimeError("validated without a document")
            try:
                must_be_within_rows(
                    document, documents.settings, documents.page_sizes, context.variables or {}
                )
            except OverLimit as refusal:
                context.pre_execution_errors = [refusal]
        yield


def kept_documents(documents: Documents) -> Callable[[], KeptDocuments]:
    """Make the factory that Strawberry asks for an extension at each request."""

    def make() -> KeptDocuments:
        extension = KeptDocuments()
        extension.documents = documents
        return extension

    return make
