"""Whether figures may be published: only of a whole run, on a machine that had nothing else to do. Pure."""

from __future__ import annotations

from collections.abc import Mapping

QUIET = 1.5
"""The load average of the last minute from which on figures are of no use: other work had both cores."""


def unfit(load: float, given: Mapping[str, str], defaults: Mapping[str, float]) -> str | None:
    """Why this run's figures are not to be published, if anything speaks against it.

    `load` is the load average at its start, `defaults` has the variables that shorten a run with the values of a whole
    one, `given` is the environment.
    """
    if load >= QUIET:
        return f"the load average was {load:.2f} when this began, and is to be below {QUIET}"
    other = [name for name, whole in defaults.items() if given.get(name) and float(given[name]) != whole]
    if other:
        return "it was no whole run: " + ", ".join(f"{name} was {given[name]}" for name in other)
    return None
