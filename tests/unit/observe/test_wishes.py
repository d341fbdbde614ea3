"""What the spec asks of the database reaches the look at it in seconds."""

from __future__ import annotations

from tests.unit.build.stacks import FULL, stack

from hcs_operator.observe.look import wishes


def test_how_old_readers_may_be_is_told_in_seconds() -> None:
    smallest, full = wishes(stack()), wishes(stack(FULL))
    assert (smallest.max_lag, smallest.max_staleness) == (5.0, 60.0)
    assert (full.max_lag, full.max_staleness) == (2.0, 90.0)
