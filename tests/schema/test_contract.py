"""The exported schema: equal to the code, and what clients were promised."""

from pathlib import Path

from graphql import (
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    build_schema,
    validate_schema,
)
from graphql.utilities import find_breaking_changes

from app.access import VERBS
from app.permissions import Permission
from app.schema import sdl

ROOT = Path(__file__).parents[2]


def contract() -> GraphQLSchema:
    return build_schema((ROOT / "tests" / "contract.graphql").read_text())


def code() -> GraphQLSchema:
    return build_schema(sdl())


def test_the_export_equals_the_code() -> None:
    assert (ROOT / "schema.graphql").read_text() == sdl(), "run `make schema`"


def test_the_export_and_the_contract_are_valid() -> None:
    assert validate_schema(code()) == []
    assert validate_schema(contract()) == []


def test_nothing_that_the_contract_promises_is_missing_or_changed() -> None:
    assert [one.description for one in find_breaking_changes(contract(), code())] == []


def _requires(field: GraphQLField) -> list[str]:
    node = field.ast_node
    found = [one for one in (node.directives or () if node else ()) if one.name.value == "requires"]
    return [one.arguments[0].value.value for one in found]


def _guarded(schema: GraphQLSchema) -> dict[str, str]:
    return {
        f"{kind.name}.{name}": permissions[0]
        for kind in schema.type_map.values()
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType)
        for name, field in kind.fields.items()
        if (permissions := _requires(field))
    }


def test_every_field_with_requires_is_nullable_and_asks_for_one_permission() -> None:
    schema = code()
    guarded = _guarded(schema)
    assert guarded
    for name in guarded:
        kind, field_name = name.split(".")
        field = schema.type_map[kind].fields[field_name]
        assert not isinstance(field.type, GraphQLNonNull), name
        assert len(_requires(field)) == 1, name


def test_every_field_asks_for_the_permission_of_the_contract() -> None:
    assert _guarded(code()) == _guarded(contract())


def test_the_permission_of_a_field_is_that_of_a_verb() -> None:
    declared = {one.permission for one in VERBS.values()}
    assert {Permission[name] for name in _guarded(code()).values()} <= declared
