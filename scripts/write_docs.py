"""Writes the tables in docs/ that are taken from the code: `make docs`. tests/test_docs.py compares them."""

import ast
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import typer.main
from prometheus_client import REGISTRY

import app.errors
import app.main
from app.access import VERBS
from app.cli import app as command_line
from app.errors import Refusal
from app.permissions import (
    MANAGEMENT_KEY_PERMISSIONS,
    PERSONAL_PERMISSIONS,
    ROLE_PERMISSIONS,
    Permission,
    Role,
)
from app.settings import PREFIX, Settings

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"<!-- from the code: (\w+) -->\n.*?<!-- end -->", re.DOTALL)
YES, NO = "●", "\u2013"


def settings_table() -> Iterator[str]:
    """List every setting with its default, bounds and sentence."""
    yield "| setting | default | what it is |"
    yield "|---|---|---|"
    for name, field in Settings.model_fields.items():
        secret = "Secret" in str(field.annotation)
        default = "" if secret else str(field.default).strip("()")
        bounds = {
            kind: getattr(one, kind)
            for one in field.metadata
            for kind in ("ge", "le")
            if hasattr(one, kind)
        }
        said = f" {bounds['ge']:,} to {bounds['le']:,}." if bounds else ""
        shown = f"`{default}`" if default else ""
        yield f"| `{PREFIX}{name.upper()}` | {shown} | {_cell(str(field.description))}{said} |"


def commands_table() -> Iterator[str]:
    """List every command of `r9s`."""
    yield "| command | what it does |"
    yield "|---|---|"
    for words, help_text in sorted(commands().items()):
        yield f"| `r9s {words}` | {_cell(help_text)} |"


def commands() -> dict[str, str]:
    """Name every command with its first sentence."""
    found: dict[str, str] = {}

    def walk(group: object, words: tuple[str, ...]) -> None:
        for name, one in getattr(group, "commands", {}).items():
            if hasattr(one, "commands"):
                walk(one, (*words, name))
            else:
                found[" ".join((*words, name))] = (one.help or "").strip().splitlines()[0]

    walk(typer.main.get_command(command_line), ())
    return found


def figures_table() -> Iterator[str]:
    """List our own figures for Prometheus."""
    yield "| figure | kind | labels | what it counts |"
    yield "|---|---|---|---|"
    for one in sorted(_figures(), key=lambda figure: str(figure._name)):  # type: ignore[attr-defined]  # noqa: SLF001
        name, kind = one._name, type(one).__name__.lower()  # type: ignore[attr-defined]  # noqa: SLF001
        labels = ", ".join(f"`{label}`" for label in one._labelnames)  # type: ignore[attr-defined]  # noqa: SLF001
        total = "_total" if kind == "counter" else ""
        yield f"| `{name}{total}` | {kind} | {labels} | {one._documentation} |"  # type: ignore[attr-defined]  # noqa: SLF001


def _figures() -> list[object]:
    known = set(REGISTRY._names_to_collectors.values())  # noqa: SLF001 - the registry lists itself nowhere else
    return [one for one in known if str(getattr(one, "_name", "")).startswith("r9s_")]


def roles_table() -> Iterator[str]:
    """Say who holds which permission, and which verbs ask for it."""
    yield "| permission | Owner | Admin | Member | own account | `sk_mg_` key | asked for by |"
    yield "|---|---|---|---|---|---|---|"
    for permission in Permission:
        held = [
            *(ROLE_PERMISSIONS[role] for role in sorted(Role, reverse=True)),
            PERSONAL_PERMISSIONS,
            MANAGEMENT_KEY_PERMISSIONS,
        ]
        marks = " | ".join(YES if permission in one else NO for one in held)
        verbs = ", ".join(
            f"`{declared.name}`{'*' if declared.fresh else ''}"
            for _name, declared in sorted(VERBS.items())
            if declared.permission is permission
        )
        yield f"| `{permission.value}` | {marks} | {verbs or 'no verb by itself'} |"


def rooms_table() -> Iterator[str]:
    """Say what each room holds, in the order in which rooms may import one another."""
    yield "| room | holds |"
    yield "|---|---|"
    for path in _rooms():
        name = path.relative_to(ROOT).as_posix()
        shown = f"`{name.removesuffix('__init__.py')}`"
        yield f"| {shown} | {_cell(_first_line(path))} |"


def _rooms() -> list[Path]:
    """Order rooms as the layers in pyproject.toml do."""
    text = (ROOT / "pyproject.toml").read_text()
    layers = re.search(r"^layers = \[(.*?)^\]", text, re.DOTALL | re.MULTILINE)
    names = re.findall(r"\w+", layers[1] if layers else "")
    found = []
    for name in names:
        both = (ROOT / "app" / f"{name}.py", ROOT / "app" / name / "__init__.py")
        found += [path for path in both if path.exists()]
    return found


def errors_table() -> Iterator[str]:
    """List every refusal with its status."""
    kinds = [
        one
        for _name, one in inspect.getmembers(app.errors, inspect.isclass)
        if issubclass(one, Refusal) and one is not Refusal
    ]
    yield "| `code` | `status` | what it says |"
    yield "|---|---|---|"
    seen = set()
    for one in sorted(kinds, key=lambda kind: (kind.status, kind.code)):
        if one.code not in seen:
            seen.add(one.code)
            yield f"| `{one.code.upper()}` | {one.status} | {_cell(one.says)} |"


def _first_line(path: Path) -> str:
    said = ast.get_docstring(ast.parse(path.read_text())) or ""
    return said.split("\n\n")[0].replace("\n", " ")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")


TABLES: dict[str, Callable[[], Iterator[str]]] = {
    "settings": settings_table,
    "commands": commands_table,
    "figures": figures_table,
    "roles": roles_table,
    "rooms": rooms_table,
    "errors": errors_table,
}


def filled(text: str) -> str:
    """Fill a page's blocks with what the code says now."""

    def fill(block: re.Match[str]) -> str:
        table = "\n".join(TABLES[block[1]]())
        return f"<!-- from the code: {block[1]} -->\n{table}\n<!-- end -->"

    return BLOCK.sub(fill, text)


def main() -> None:
    """Fill every page."""
    for path in sorted((ROOT / "docs").rglob("*.md")):
        before = path.read_text()
        after = filled(before)
        if after != before:
            path.write_text(after)
            sys.stdout.write(f"{path.relative_to(ROOT)}: written\n")


if __name__ == "__main__":
    main()
