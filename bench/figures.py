"""A figure beside its limit."""

from dataclasses import dataclass


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
