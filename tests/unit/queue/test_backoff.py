"""Delays between attempts to connect."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcs_services.queue.backoff import Backoff

pytestmark = pytest.mark.unit


@given(st.integers(0, 100))
def test_a_delay_never_leaves_its_bounds(failures: int) -> None:
    backoff = Backoff()
    for _ in range(failures):
        backoff.next()
    assert 0.05 <= backoff.next() <= 5.0


def test_the_ceiling_doubles_and_a_success_starts_over() -> None:
    backoff = Backoff(uniform=lambda _low, high: high)
    assert [backoff.next() for _ in range(4)] == [0.2, 0.4, 0.8, 1.6]
    backoff.reset()
    assert backoff.next() == 0.2
