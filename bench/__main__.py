"""`python -m bench [NAME…] [--sqlite | --postgresql] [--full]`: measure; exit 1 where a figure misses its limit."""

import importlib
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.figures import Figure

KINDS = ("sqlite", "postgresql")
PARTS = {"__init__", "__main__", "books", "figures", "ground", "load", "server"}


def measurements() -> list[str]:
    """Name every measurement: each module here that is no part of others."""
    return sorted(one.stem for one in Path(__file__).parent.glob("*.py") if one.stem not in PARTS)


def main(arguments: list[str]) -> int:
    """Run what was named, or all."""
    kinds = tuple(one for one in KINDS if f"--{one}" in arguments) or KINDS
    named = [one for one in arguments if not one.startswith("--")] or measurements()
    figures: list[Figure] = []
    for name in named:
        figures += importlib.import_module(f"bench.{name}").run(kinds)
    table = Table("figure", "measured", "limit", "")
    for one in figures:
        name = f"{one.name} ({one.said})" if one.said else one.name
        table.add_row(name, one.measured, one.limit, "holds" if one.holds else "MISSED")
    Console().print(table)
    return 0 if all(one.holds for one in figures) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
