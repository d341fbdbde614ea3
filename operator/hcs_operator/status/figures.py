"""Figures that people like to see and that must not make a write each tick: two digits, rarely renewed."""

from math import floor, log10

MOVED = 0.2
"""Share by which a figure must have moved to be written again."""
REST = 30.0
"""Seconds for which a written figure stands at least."""


def two_digits(value: float) -> int:
    """Round to two significant digits: 4213 → 4200, 7.4 → 7."""
    whole = round(value)
    return whole if abs(whole) < 100 else round(whole, 1 - floor(log10(abs(whole))))


def renewed(old: float | None, old_at: float | None, new: float, now: float) -> bool:
    """Say whether `new` is to be written over `old`, which was written at `old_at` (both Unix seconds)."""
    if old is None or old_at is None:
        return True
    moved = new != old if old == 0 or new == 0 else abs(new - old) >= MOVED * abs(old)
    return moved and now - old_at >= REST
