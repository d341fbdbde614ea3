"""Ejection of failing endpoints, choice among the others, and the budget of second tries."""

from collections import Counter
from dataclasses import dataclass
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcs_services.gateway.balance import choose
from hcs_services.gateway.ejection import Ejections
from hcs_services.gateway.retry import Failure, RetryBudget, may_repeat

pytestmark = pytest.mark.unit
PODS = ["a", "b", "c", "d"]


@dataclass(eq=False)
class Pod:
    in_flight: int = 0


def failing(ejections: Ejections[str], pod: str, now: float = 0.0, times: int = 3) -> None:
    for _ in range(times):
        ejections.failed(pod, now)


def test_an_endpoint_that_failed_three_times_in_a_row_is_left_out() -> None:
    ejections: Ejections[str] = Ejections()
    failing(ejections, "a", times=2)
    assert ejections.admitted(PODS, 0.0) == PODS
    failing(ejections, "a", times=1)
    assert ejections.admitted(PODS, 0.0) == ["b", "c", "d"]


def test_a_success_in_between_starts_the_count_again() -> None:
    ejections: Ejections[str] = Ejections()
    failing(ejections, "a", times=2)
    ejections.succeeded("a")
    failing(ejections, "a", times=2)
    assert ejections.admitted(PODS, 0.0) == PODS


def test_it_comes_back_and_stays_out_twice_as_long_the_next_time() -> None:
    ejections: Ejections[str] = Ejections(first=2.0)
    failing(ejections, "a")
    assert "a" in ejections.admitted(PODS, 2.0)
    ejections.failed("a", 2.0)
    assert "a" not in ejections.admitted(PODS, 5.9)
    assert "a" in ejections.admitted(PODS, 6.0)


def test_a_lone_endpoint_is_never_left_out() -> None:
    ejections: Ejections[str] = Ejections()
    failing(ejections, "a")
    assert ejections.admitted(["a"], 0.0) == ["a"]


@given(
    pods=st.lists(st.integers(0, 20), unique=True, max_size=12),
    events=st.lists(st.tuples(st.integers(0, 20), st.floats(0, 2), st.booleans()), max_size=150),
)
def test_at_most_half_of_the_endpoints_are_ever_left_out(
    pods: list[int], events: list[tuple[int, float, bool]]
) -> None:
    ejections: Ejections[int] = Ejections()
    now = 0.0
    for pod, pause, well in events:
        now += pause
        if well:
            ejections.succeeded(pod)
        else:
            ejections.failed(pod, now)
        assert len(ejections.admitted(pods, now)) * 2 >= len(pods)


def test_the_less_busy_of_two_is_chosen() -> None:
    idle, busy = Pod(0), Pod(9)
    assert all(choose([busy, idle], Random(seed)) is idle for seed in range(20))


def test_the_endpoint_already_tried_is_never_chosen() -> None:
    tried, other = Pod(0), Pod(99)
    assert choose([tried, other], Random(1), tried) is other
    assert choose([tried], Random(1), tried) is None
    assert choose([], Random(1)) is None


def test_equal_endpoints_share_the_calls() -> None:
    pods, random = [Pod() for _ in range(4)], Random(7)
    chosen = Counter(id(choose(pods, random)) for _ in range(4000))
    assert min(chosen.values()) > 800


@given(calls=st.lists(st.booleans(), max_size=300))
def test_second_tries_stay_within_a_fifth_of_the_calls_beyond_the_reserve(calls: list[bool]) -> None:
    budget, earned, spent = RetryBudget(ratio=0.2, reserve=10), 0, 0
    for wants in calls:
        budget.earn()
        earned += 1
        spent += wants and budget.spend()
    assert spent <= 10 + 0.2 * earned


@pytest.mark.parametrize(
    ("failure", "method", "keyed", "expected"),
    [
        (Failure.UNSENT, "POST", False, True),
        (Failure.UNSENT, "PATCH", False, True),
        (Failure.UNKNOWN, "GET", False, True),
        (Failure.UNKNOWN, "HEAD", False, True),
        (Failure.UNKNOWN, "POST", True, True),
        (Failure.UNKNOWN, "POST", False, False),
        (Failure.UNKNOWN, "PATCH", True, False),
        (Failure.UNKNOWN, "DELETE", False, False),
    ],
)
def test_only_harmless_repeats_are_made(failure: Failure, method: str, keyed: bool, expected: bool) -> None:
    assert may_repeat(failure, method, keyed=keyed, allowed=True) is expected
    assert may_repeat(failure, method, keyed=keyed, allowed=False) is False
