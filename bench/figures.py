"""A figure beside its limit."""

import sys
from dataclasses import dataclass

FULL = "--full" in sys.argv[1:]
"""Whether there is time: runs are longer, and say more."""


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured, and whether it is within its limit."""

    name: str
    measured: str
    limit: str
    holds: bool
    said: str = ""


def at_least(name: str, measured: float, least: float, said: str = "") -> Figure:
    """Make a figure that has to reach a limit."""
    return Figure(name, f"{measured:.2f}", f"≥ {least:.2f}", measured >= least, said)


def at_most(name: str, measured: float, most: float, said: str = "") -> Figure:
    """Make a figure that has to stay below a limit."""
    return Figure(name, f"{measured:.2f}", f"≤ {most:.2f}", measured <= most, said)
