"""Limits on documents: depth, aliases and rows, counted through fragments before anything runs.

Strawberry's own limiters walk every spread anew, so that a chain of fragments that each spread the
next one twice takes them for ever; here each fragment is weighed once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    ASTValidationRule,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
)
from graphql.validation import ASTValidationContext

from app.settings import Settings

INTROSPECTION_DEPTH = 16
"""The standard introspection query of graphql-js is 13 to 15 deep, by its version."""
NESTING = 64
"""Deeper than any document within the limits; keeps the walk clear of Python's own limit."""


class OverLimit(GraphQLError):
    """A document that asks for too much; answered 400 in every media type."""


@dataclass(frozen=True, slots=True)
class Weight:
    """What a selection comes to: levels, aliases and rows in all."""

    depth: int = 0
    aliases: int = 0
    rows: int = 0


@dataclass(slots=True)
class Scales:
    """Weighs the selections of one document. Without `variables`, unknown page sizes count as the largest."""

    settings: Settings
    page_sizes: Mapping[str, int]
    fragments: Mapping[str, FragmentDefinitionNode]
    variables: Mapping[str, Any] | None = None
    _known: dict[str, Weight] = field(default_factory=dict)
    _open: set[str] = field(default_factory=set)

    def weigh(self, selections: SelectionSetNode | None, level: int = 0) -> Weight:
        """Add up a selection. Raises `OverLimit` when it is nested beyond all reason."""
        if level > NESTING:
            raise OverLimit("This document is nested too deep.")
        depth = aliases = rows = 0
        for one in selections.selections if selections is not None else ():
            if isinstance(one, FieldNode):
                part = self._field(one, level)
            elif isinstance(one, InlineFragmentNode):
                part = self.weigh(one.selection_set, level + 1)
            elif isinstance(one, FragmentSpreadNode):
                part = self._fragment(one.name.value, level)
            else:
                continue
            depth, aliases, rows = (
                max(depth, part.depth),
                aliases + part.aliases,
                rows + part.rows,
            )
        return Weight(depth, aliases, rows)

    def _field(self, node: FieldNode, level: int) -> Weight:
        inside = self.weigh(node.selection_set, level + 1)
        times = self._rows_of(node)
        depth = inside.depth + 1
        if node.name.value in ("__schema", "__type"):
            # Introspection has bounds of its own, and never more rows than the schema has names.
            depth = 1 if depth <= INTROSPECTION_DEPTH else depth
        aliases = inside.aliases + (node.alias is not None)
        rows = inside.rows if times is None else times * (inside.rows + 1)
        return Weight(depth, aliases, rows)

    def _fragment(self, name: str, level: int) -> Weight:
        if name not in self._known:
            found = self.fragments.get(name)
            if found is None or name in self._open:
                return Weight()  # Unknown ones and circles are refused by GraphQL's own rules.
            self._open.add(name)
            self._known[name] = self.weigh(found.selection_set, level + 1)
            self._open.discard(name)
        return self._known[name]

    def _rows_of(self, node: FieldNode) -> int | None:
        """Tell how often a list's selection may be answered: by page size, ids or accounts; None for no list."""
        given = {argument.name.value: argument.value for argument in node.arguments or ()}
        name = node.name.value
        if name in self.page_sizes:
            if "first" not in given:
                return self.page_sizes[name]
            return min(self._number(given["first"]), self.settings.page_size)
        if name == "nodes":
            return self._length(given["ids"]) if "ids" in given else None
        return self.settings.organization_cap + 1 if name == "accounts" else None

    def _number(self, value: ValueNode) -> int:
        if isinstance(value, IntValueNode):
            return max(int(value.value), 0) if len(value.value) <= len("-2147483648") else 0
        known = self._variable(value)
        return max(known, 0) if isinstance(known, int) else self.settings.page_size

    def _length(self, value: ValueNode) -> int:
        if isinstance(value, ListValueNode):
            return len(value.values)
        known = self._variable(value)
        return len(known) if isinstance(known, list) else self.settings.list_input

    def _variable(self, value: ValueNode) -> Any:
        if isinstance(value, VariableNode) and self.variables is not None:
            return self.variables.get(value.name.value)
        return None


def fragments_of(document: DocumentNode) -> dict[str, FragmentDefinitionNode]:
    """Name a document's fragments."""
    return {
        one.name.value: one
        for one in document.definitions
        if isinstance(one, FragmentDefinitionNode)
    }


def operations_of(document: DocumentNode) -> list[OperationDefinitionNode]:
    """List a document's operations."""
    return [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]


def page_sizes_of(schema: GraphQLSchema) -> dict[str, int]:
    """Name each field that is a list in pages, with the size of a page that nobody sized."""
    return {
        name: field.args["first"].default_value
        for kind in schema.type_map.values()
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType)
        for name, field in kind.fields.items()
        if "first" in field.args
    }


def rows_asked(
    document: DocumentNode,
    settings: Settings,
    page_sizes: Mapping[str, int],
    variables: Mapping[str, Any] | None = None,
) -> int:
    """Count the most rows that one of a document's operations can answer with."""
    scales = Scales(settings, page_sizes, fragments_of(document), variables)
    return max((scales.weigh(one.selection_set).rows for one in operations_of(document)), default=0)


def must_be_within_rows(
    document: DocumentNode,
    settings: Settings,
    page_sizes: Mapping[str, int],
    variables: Mapping[str, Any],
) -> None:
    """Refuse documents whose page sizes multiply to too many rows. Raises `OverLimit`."""
    if rows_asked(document, settings, page_sizes, variables) > settings.query_rows:
        raise OverLimit(
            f"This asks for more than {settings.query_rows} rows: ask for smaller pages."
        )


def limit_rule(settings: Settings) -> type[ASTValidationRule]:
    """Make the rule on depth and aliases. Once per schema: caches know a rule by its class."""

    class LimitRule(ASTValidationRule):
        def enter_document(self, node: DocumentNode, *_args: Any) -> None:
            scales = Scales(settings, {}, fragments_of(node))
            for one in operations_of(node):
                try:
                    weight = scales.weigh(one.selection_set)
                except OverLimit as refusal:
                    self.report_error(refusal)
                    return
                _report(self.context, weight, settings)

    return LimitRule


def _report(context: ASTValidationContext, weight: Weight, settings: Settings) -> None:
    if weight.depth > settings.query_depth:
        context.report_error(
            OverLimit(
                f"This is {weight.depth} levels deep; at most {settings.query_depth} are answered."
            )
        )
    if weight.aliases > settings.query_aliases:
        context.report_error(
            OverLimit(
                f"This has {weight.aliases} aliases; at most {settings.query_aliases} are answered."
            )
        )
