"""What a query asks for beneath a field, so that what nobody asked for need not be found out."""

from collections.abc import Set as AbstractSet
from typing import Any

from graphql import FieldNode, FragmentSpreadNode

from app.schema.context import Info


def asks_for(info: Info, names: AbstractSet[str]) -> bool:
    """Tell whether one of these fields stands anywhere beneath this one, in fragments too.

    Directives are not looked at: a field that is skipped counts as asked for.
    """
    raw = info._raw_info  # noqa: SLF001 - Strawberry's `selected_fields` copies the whole selection
    seen: set[str] = set()
    waiting: list[Any] = [node.selection_set for node in raw.field_nodes]
    while waiting:
        selections = waiting.pop()
        for one in selections.selections if selections is not None else ():
            if isinstance(one, FragmentSpreadNode):
                name = one.name.value
                if name not in seen:
                    seen.add(name)
                    waiting.append(raw.fragments[name].selection_set)
                continue
            if isinstance(one, FieldNode) and one.name.value in names:
                return True
            waiting.append(one.selection_set)
    return False
