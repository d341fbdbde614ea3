"""The one number that is row version, cache version, entity tag and token: `GREATEST(ver + 1, µs clock)` < 2^53."""

from __future__ import annotations

from datetime import datetime

LIMIT = 2**53  # beyond it JSON readers lose the last digit


def clock_version(now: datetime) -> int:
    """Microseconds since 1970: the version of a row that did not exist."""
    return int(now.timestamp() * 1_000_000)


def next_version(current: int, now: datetime) -> int:
    """The version that follows `current`: the clock, unless it went backwards."""
    return max(current + 1, clock_version(now))
