"""A worker holds what it will soon begin, and no more."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcs_services.worker.prefetch import AHEAD_SECONDS, Prefetch, window

pytestmark = pytest.mark.unit
QUICK, SLOW = "hcs.default", "hcs.critical"


@pytest.mark.parametrize(
    ("concurrency", "most", "seconds", "held"),
    [
        (4, 32, 0.0, 32),
        (4, 32, 0.001, 32),
        (4, 32, 0.1, 14),
        (4, 32, 0.5, 6),
        (4, 32, 60.0, 5),
        (4, 4, 0.001, 4),
        (4, 4, 60.0, 4),
    ],
)
def test_short_tasks_have_the_whole_window_and_long_ones_are_not_hoarded(
    concurrency: int, most: int, seconds: float, held: int
) -> None:
    assert window(concurrency, most, seconds) == held


@given(st.integers(1, 64), st.integers(0, 200), st.floats(0, 1000))
def test_what_runs_is_always_held_and_never_more_than_was_allowed(concurrency: int, more: int, seconds: float) -> None:
    held = window(concurrency, concurrency + more, seconds)
    assert min(concurrency + more, concurrency + 1) <= held <= concurrency + more
    assert (held - concurrency - 1) * seconds <= concurrency * AHEAD_SECONDS


def test_each_queue_follows_its_own_tasks() -> None:
    prefetch = Prefetch([QUICK, SLOW], 4, 32)
    assert prefetch.changed() == {}
    for _ in range(10):
        prefetch.took(QUICK, 0.001)
        prefetch.took(SLOW, 5.0)
    assert prefetch.changed() == {SLOW: 5}
    assert prefetch.windows == {QUICK: 32, SLOW: 5}
    assert prefetch.changed() == {}
    prefetch.took(SLOW, 0.01)
    assert prefetch.changed() == {SLOW: 32}


def test_a_small_difference_is_not_worth_a_change() -> None:
    prefetch = Prefetch([SLOW], 4, 7)
    prefetch.took(SLOW, 60.0)
    assert prefetch.changed() == {}
