"""How old a replica's answer may be, with a primary and without one; pure (40-database.md, "Three verdicts").

With a primary the newest heartbeat that it has shown is what a replica is measured by. While none shows itself, that
heartbeat stands still, and so does every replica's lag at its last value: what was fresh goes on serving instead of
vanishing exactly when it is needed. How long nobody has been seen comes on top, and the sum is bounded.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

OUTAGE_AFTER_SECONDS = 5.0
"""Silence of a primary that one slow answer does not explain; shorter where `max_lag` promises more."""


class Bounds(NamedTuple):
    """Seconds: how far behind a replica may be, and how old its answer may be while no primary shows itself."""

    max_lag: float
    max_staleness: float


class Sight(NamedTuple):
    """When a primary was last seen, by the process's steady clock and in Unix seconds, and the heartbeat it showed."""

    at: float
    unix: float
    beat: datetime | None = None


class Outage(NamedTuple):
    """No primary shows itself. Times are Unix seconds: replicas serve what they had at `since`, and until `until`."""

    since: float
    until: float
    seconds: float


def lag(own: datetime | None, newest: datetime | None) -> float:
    """Seconds from a replica's heartbeat to the newest known; infinite for a replica without one."""
    if own is None or newest is None:
        return float("inf")
    return max(0.0, (newest - own).total_seconds())


def outage_seconds(silence: float, bounds: Bounds) -> float:
    """For how long there has been no primary; 0 while the silence is too short to tell."""
    return silence if silence > min(bounds.max_lag, OUTAGE_AFTER_SECONDS) else 0.0


def serves(lag: float, silence: float, bounds: Bounds) -> bool:
    """Whether a replica may serve that was `lag` behind when a primary was seen last, `silence` seconds ago."""
    if lag > bounds.max_lag:
        return False
    return outage_seconds(silence, bounds) == 0 or lag + silence <= bounds.max_staleness


def unseen(newest: datetime | None, began: Sight, now: Sight) -> Sight:
    """The sight of a process that has seen no primary since it `began`: the newest heartbeat at a replica dates it.

    Otherwise each restart would begin the outage anew. Here alone a heartbeat is compared with this machine's clock:
    there is nothing else to go by.
    """
    if newest is None:
        return began
    age = max(0.0, now.unix - newest.replace(tzinfo=UTC).timestamp())
    return Sight(now.at - age, now.unix - age)


def stamp(unix: float) -> str:
    """Unix seconds → `2026-01-31T12:00:00Z`."""
    return datetime.fromtimestamp(int(unix), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
