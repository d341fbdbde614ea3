"""What becomes of a task after a failed try."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcs_services.worker.registry import TRIES
from hcs_services.worker.retry import Again, Dead, after_failure
from hcs_services.worker.task import Permanent, Transient

pytestmark = pytest.mark.unit


@given(st.integers(1, 50), st.booleans())
def test_a_permanent_failure_is_dead_at_once_with_its_own_reason(attempt: int, late: bool) -> None:
    assert after_failure(Permanent("declined", "no"), attempt, None, late=late) == Dead("declined", "no")


@pytest.mark.parametrize(
    ("attempt", "late", "exchange"),
    [
        (1, False, "hcs.wait.900"),
        (1, True, "hcs.wait.1100"),
        (2, False, "hcs.wait.4500"),
        (2, True, "hcs.wait.5500"),
        (3, False, "hcs.wait.27000"),
        (3, True, "hcs.wait.33000"),
    ],
)
def test_a_transient_failure_waits_by_the_number_of_its_try(attempt: int, late: bool, exchange: str) -> None:
    assert after_failure(Transient("x", "y"), attempt, TRIES, late=late) == Again(exchange)


@given(st.integers(4, 50), st.booleans())
def test_the_fourth_transient_failure_is_dead_and_tells_the_last_one(attempt: int, late: bool) -> None:
    verdict = after_failure(Transient("provider", "503"), attempt, TRIES, late=late)
    assert isinstance(verdict, Dead)
    assert verdict.reason == "retries-spent"
    assert "provider: 503" in verdict.detail


@given(st.integers(4, 20_160))
def test_without_a_bound_every_further_try_waits_as_long_as_the_last(attempt: int) -> None:
    assert after_failure(Transient("provider", "503"), attempt, None, late=False) == Again("hcs.wait.27000")
