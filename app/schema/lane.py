"""The quick lane: lists of plain objects, written by functions that are made once for each query.

graphql-core asks a dozen questions about each field of each row; for a page of members that is most of
the time that a query takes. Where every selected field of a list's objects is a plain attribute, or a
resolver that needs its object alone, the answers are the same for all rows: they are asked once.
What is not so plain goes the long way, and so does a list in which anything is found wrong: the long way
knows the place of each error, and what null does.
"""

from collections.abc import Callable
from operator import attrgetter
from typing import Any, cast

from graphql import (
    GraphQLField,
    GraphQLLeafType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLResolveInfo,
    is_leaf_type,
)
from graphql.pyutils import AwaitableOrValue, Path
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.schema.schema_converter import CustomGraphQLEnumType, GraphQLCoreConverter
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.field import StrawberryField

Write = Callable[[Any], Any]
DEFINITION = GraphQLCoreConverter.DEFINITION_BACKREF


class NotPlain(Exception):
    """This list, or one of its values, has to go the long way."""


class Lane(StrawberryGraphQLCoreExecutionContext):
    """Executes as graphql-core does, lists of plain objects faster."""

    def complete_iterable_value(
        self,
        item_type: Any,
        field_details_list: Any,
        info: GraphQLResolveInfo[Any],
        path: Path,
        items: Any,
        position_context: Any,
    ) -> AwaitableOrValue[list[Any]]:
        """Write a list; the long way where this one cannot."""
        if type(items) is list and len(items) > 1 and not is_leaf_type(_inner(item_type)):
            try:
                write = self._writer(item_type, field_details_list)
                return [write(item) for item in items]
            except Exception:  # noqa: BLE001, S110 - whatever it is, the long way meets it again and tells it well
                pass
        return super().complete_iterable_value(
            item_type, field_details_list, info, path, items, position_context
        )

    def _writer(self, kind: Any, details: Any) -> Write:
        if isinstance(kind, GraphQLNonNull):
            return _never_null(self._writer(kind.of_type, details))
        if isinstance(kind, GraphQLList):
            return _each(self._writer(kind.of_type, details))
        if is_leaf_type(kind):
            return _leaf(kind)
        if isinstance(kind, GraphQLObjectType):
            return self._object(kind, details)
        raise NotPlain  # which type an interface or union stands for, each row says itself

    def _object(self, kind: GraphQLObjectType, details: Any) -> Write:
        fields, deferred, *_more = self.collect_subfields(kind, details)
        definition = kind.extensions.get(DEFINITION)
        between = self.middleware_manager is not None and self.middleware_manager.middlewares
        if deferred or between or definition is None:
            raise NotPlain
        parts = []
        for name, inside in fields.items():
            field = self.schema.get_field(kind, inside[0].node.name.value)
            if field is None:
                raise NotPlain
            parts.append((name, _reader(field), self._writer(field.type, inside)))
        return _fields(parts, _class_of(definition) if kind.is_type_of else None)


def _inner(kind: Any) -> Any:
    return kind.of_type if isinstance(kind, GraphQLNonNull) else kind


def _class_of(definition: StrawberryObjectDefinition) -> type:
    origin: type = definition.origin
    return origin


def _reader(field: GraphQLField) -> Write:
    """Find what gives a field's value from its object alone."""
    known = field.extensions.get(DEFINITION)
    if not isinstance(known, StrawberryField) or known.extensions:
        raise NotPlain
    resolver = known.base_resolver
    if resolver is None:
        return attrgetter(known.python_name)
    needs_more = resolver.info_parameter or resolver.parent_parameter or resolver.arguments
    if resolver.is_async or needs_more or resolver.self_parameter is None:
        raise NotPlain
    found: Any = resolver.wrapped_func
    return cast("Write", found)


def _never_null(write: Write) -> Write:
    def written(value: Any) -> Any:
        done = write(value)
        if done is None:
            raise NotPlain
        return done

    return written


def _each(write: Write) -> Write:
    def written(values: Any) -> Any:
        if values is None:
            return None
        if type(values) is not list:
            raise NotPlain
        return [write(value) for value in values]

    return written


def _leaf(kind: GraphQLLeafType) -> Write:
    if isinstance(kind, CustomGraphQLEnumType):
        return _enum(kind)
    coerce = kind.coerce_output_value
    is_text = kind.name in ("ID", "String")

    def written(value: Any) -> Any:
        if value is None or (is_text and type(value) is str):
            return value
        done = coerce(value)
        if done is None or isinstance(value, Exception):
            raise NotPlain
        return done

    return written


def _enum(kind: CustomGraphQLEnumType) -> Write:
    # By identity: the members of an enumeration of numbers equal plain numbers.
    members: list[Any] = list(kind.wrapped_cls)
    names = {id(member): kind.coerce_output_value(member) for member in members}

    def written(value: Any) -> Any:
        return None if value is None else names[id(value)]

    return written


def _fields(parts: list[tuple[str, Write, Write]], only: type | None) -> Write:
    def written(value: Any) -> Any:
        if value is None:
            return None
        if only is not None and type(value) is not only:
            raise NotPlain
        return {name: write(read(value)) for name, read, write in parts}

    return written
