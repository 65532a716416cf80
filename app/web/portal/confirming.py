"""Confirming: a dialog, or a page without script, that says what will happen before its button does it."""

from dataclasses import dataclass, field
from typing import ClassVar

CONFIRM_FORM = "confirm_form.html"


@dataclass(frozen=True, slots=True)
class ConfirmPage:
    """A question. `consequences`: one line each; `danger` for what cannot be undone; `fields` are sent as they are."""

    template: ClassVar[str] = "confirm.html"

    title: str
    sentence: str
    label: str
    action: str
    back: str
    consequences: list[str] = field(default_factory=list)
    danger: bool = False
    fields: dict[str, str] = field(default_factory=dict)
