"""The circuit breaker's states, and that it can always close again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcs_services.gateway.breaker import Breaker, BreakerPolicy, Permit, Refused, State, Wait, _Window

pytestmark = pytest.mark.unit
POLICY = BreakerPolicy(
    window=10, min_requests=4, failure_ratio=0.5, slow_call=1, slow_ratio=0.5, open_for=5, half_open_probes=2
)
FAST, SLOW = 0.01, 1.5


def permitted(breaker: Breaker, now: float) -> Permit:
    permit = breaker.admit(now)
    assert isinstance(permit, Permit)
    return permit


def fail(breaker: Breaker, now: float, times: int = 1) -> None:
    for _ in range(times):
        breaker.failed(permitted(breaker, now), now)


def succeed(breaker: Breaker, now: float, times: int = 1, seconds: float = FAST) -> None:
    for _ in range(times):
        breaker.succeeded(permitted(breaker, now), seconds, now)


def opened(now: float = 0.0) -> Breaker:
    breaker = Breaker(POLICY)
    fail(breaker, now, 4)
    assert breaker.state is State.OPEN
    return breaker


def test_stays_closed_below_the_minimum_volume() -> None:
    breaker = Breaker(POLICY)
    fail(breaker, 0.0, 3)
    assert breaker.state is State.CLOSED


def test_opens_when_the_failure_ratio_is_reached() -> None:
    breaker = Breaker(POLICY)
    succeed(breaker, 0.0, 2)
    fail(breaker, 0.0, 2)
    assert breaker.state is State.OPEN


def test_stays_closed_below_the_failure_ratio() -> None:
    breaker = Breaker(POLICY)
    succeed(breaker, 0.0, 10)
    fail(breaker, 0.0, 9)
    assert breaker.state is State.CLOSED


def test_opens_when_most_calls_crawl() -> None:
    breaker = Breaker(POLICY)
    succeed(breaker, 0.0, 4, seconds=SLOW)
    assert breaker.state is State.OPEN


def test_failures_older_than_the_window_do_not_count() -> None:
    breaker = Breaker(POLICY)
    fail(breaker, 0.0, 3)
    succeed(breaker, 11.0, 3)
    fail(breaker, 11.0, 1)
    assert breaker.state is State.CLOSED


def test_open_it_refuses_and_says_for_how_long() -> None:
    assert opened().admit(1.5) == Refused(retry_after=4)


def test_half_open_it_lets_only_the_probes_through() -> None:
    breaker = opened()
    admitted = [breaker.admit(5.0) for _ in range(4)]
    assert [isinstance(answer, Permit) for answer in admitted] == [True, True, False, False]


def test_a_failed_probe_opens_it_again() -> None:
    breaker = opened()
    fail(breaker, 5.0)
    assert breaker.state is State.OPEN
    assert breaker.admit(5.1) == Refused(retry_after=5)


def test_a_slow_probe_opens_it_again() -> None:
    breaker = opened()
    succeed(breaker, 5.0, seconds=SLOW)
    assert breaker.state is State.OPEN


def test_an_abandoned_probe_may_be_made_again() -> None:
    breaker = opened()
    for _ in range(10):
        breaker.abandoned(permitted(breaker, 5.0))
    succeed(breaker, 5.0, 2)
    assert breaker.state is State.RAMPING


def test_ramping_admits_a_growing_share_then_all() -> None:
    breaker = opened()
    succeed(breaker, 5.0, 2)
    early = sum(isinstance(breaker.admit(6.0), Permit) for _ in range(100))
    late = sum(isinstance(breaker.admit(9.0), Permit) for _ in range(100))
    assert early == pytest.approx(20, abs=1)
    assert late == pytest.approx(80, abs=1)
    assert isinstance(breaker.admit(10.0), Permit)
    assert breaker.state is State.CLOSED


def test_failures_while_ramping_open_it_again() -> None:
    breaker = opened()
    succeed(breaker, 5.0, 2)
    while breaker.state is State.RAMPING:
        permit = breaker.admit(9.0)
        if isinstance(permit, Permit):
            breaker.failed(permit, 9.0)
    assert breaker.state is State.OPEN


def test_results_of_calls_admitted_before_it_opened_are_ignored() -> None:
    breaker = Breaker(POLICY)
    late = [permitted(breaker, 0.0) for _ in range(5)]
    fail(breaker, 0.0, 4)
    breaker.admit(5.0)
    for permit in late:
        breaker.failed(permit, 5.0)
    assert breaker.state is State.HALF_OPEN


@given(
    steps=st.lists(
        st.tuples(st.floats(0, 3), st.sampled_from(["fail", "slow", "well", "abandon", "hang"])), max_size=200
    )
)
def test_whatever_happened_it_closes_once_calls_are_well_again(steps: list[tuple[float, str]]) -> None:
    breaker, now = Breaker(POLICY), 0.0
    hanging: list[Permit] = []
    for pause, outcome in steps:
        now += pause
        permit = breaker.admit(now)
        if isinstance(permit, Permit):
            report(breaker, permit, outcome, now, hanging)
    for permit in hanging:
        breaker.abandoned(permit)
    for _ in range(400):
        now += 0.1
        permit = breaker.admit(now)
        if isinstance(permit, Permit):
            breaker.succeeded(permit, FAST, now)
    assert breaker.state is State.CLOSED
    assert isinstance(breaker.admit(now), Permit)


def report(breaker: Breaker, permit: Permit, outcome: str, now: float, hanging: list[Permit]) -> None:
    if outcome == "fail":
        breaker.failed(permit, now)
    elif outcome == "abandon":
        breaker.abandoned(permit)
    elif outcome == "hang":
        hanging.append(permit)
    else:
        breaker.succeeded(permit, SLOW if outcome == "slow" else FAST, now)


def held(breaker: Breaker, now: float) -> Permit:
    permit = breaker.admit_held(now)
    assert isinstance(permit, Permit)
    return permit


def crawled_open() -> Breaker:
    breaker = Breaker(POLICY)
    succeed(breaker, 0.0, 4, seconds=SLOW)
    return breaker


def test_a_held_call_scouts_a_circuit_at_once_that_slow_answers_opened() -> None:
    assert isinstance(crawled_open().admit_held(0.0), Permit)


def test_after_a_failure_the_next_scout_waits_as_long_as_a_call_may_take() -> None:
    breaker = opened()
    assert breaker.admit_held(0.4) == Wait(0.6)
    breaker.failed(held(breaker, 1.0), 1.5)
    assert breaker.admit_held(2.0) == Wait(0.5)


def test_while_a_scout_is_out_the_next_one_waits() -> None:
    breaker = crawled_open()
    held(breaker, 0.0)
    assert breaker.admit_held(0.25) == Wait(0.75)


def test_never_more_scouts_are_out_than_probes() -> None:
    breaker = crawled_open()
    held(breaker, 0.0)
    held(breaker, 1.0)
    assert breaker.admit_held(2.0) == Wait(3.0)


def test_a_slow_scout_sends_the_next_one_at_once() -> None:
    breaker = crawled_open()
    breaker.succeeded(held(breaker, 0.0), SLOW, 0.5)
    assert isinstance(breaker.admit_held(0.5), Permit)
    assert breaker.state is State.OPEN


def test_a_scout_that_is_well_is_the_first_probe() -> None:
    breaker = crawled_open()
    states = []
    for now in (0.1, 0.3):
        breaker.succeeded(held(breaker, now), FAST, now)
        states.append(breaker.state)
    assert states == [State.HALF_OPEN, State.RAMPING]


def test_scouts_do_not_let_others_in() -> None:
    breaker = crawled_open()
    held(breaker, 0.0)
    assert breaker.admit(0.5) == Refused(retry_after=5)


def test_an_abandoned_scout_makes_room_for_another() -> None:
    breaker = crawled_open()
    for second in range(4):
        breaker.abandoned(held(breaker, float(second)))


def test_of_the_held_only_a_few_are_under_way_and_quick_answers_make_them_more() -> None:
    breaker = Breaker(POLICY)
    first = [held(breaker, 0.0), held(breaker, 0.0)]
    assert breaker.admit_held(0.0) == Wait(POLICY.open_for)
    for permit in first:
        breaker.succeeded(permit, FAST, 0.1)
    assert [isinstance(breaker.admit_held(0.2), Permit) for _ in range(5)] == [True] * 4 + [False]


@pytest.mark.parametrize("outcome", ["slow", "fail"])
def test_a_slow_or_failed_answer_makes_them_fewer(outcome: str) -> None:
    breaker = Breaker(BreakerPolicy(min_requests=100, half_open_probes=2))
    for _ in range(4):
        breaker.succeeded(held(breaker, 0.0), FAST, 0.1)
    report(breaker, held(breaker, 0.2), outcome, 0.3, [])
    assert [isinstance(breaker.admit_held(0.4), Permit) for _ in range(4)] == [True] * 3 + [False]


@given(
    steps=st.lists(
        st.tuples(st.floats(0, 3), st.booleans(), st.sampled_from(["fail", "slow", "well", "abandon", "hang"])),
        max_size=200,
    )
)
def test_whatever_happened_held_calls_alone_close_it_once_they_are_well(
    steps: list[tuple[float, bool, str]],
) -> None:
    breaker, now = Breaker(POLICY), 0.0
    hanging: list[Permit] = []
    for pause, waits, outcome in steps:
        now += pause
        permit = breaker.admit_held(now) if waits else breaker.admit(now)
        if isinstance(permit, Permit):
            report(breaker, permit, outcome, now, hanging)
        elif isinstance(permit, Wait):
            assert 0 < permit.seconds <= POLICY.open_for
    for permit in hanging:
        breaker.abandoned(permit)
    # as long as a scout may be put off, and then two probes, one after the other
    for _ in range(2 + POLICY.half_open_probes):
        verdict = breaker.admit_held(now)
        if isinstance(verdict, Wait):
            now += verdict.seconds
        else:
            breaker.succeeded(verdict, FAST, now)
    assert breaker.state in {State.RAMPING, State.CLOSED}


@given(st.lists(st.tuples(st.sampled_from([0.0, 0.3, 1.0, 4.0, 25.0]), st.booleans(), st.booleans()), max_size=30))
def test_the_window_counts_the_calls_of_its_last_ten_slices(calls: list[tuple[float, bool, bool]]) -> None:
    window, now, made = _Window(10.0), 100.0, list[tuple[int, bool, bool]]()
    for pause, failed, slow in calls:
        now += pause
        window.add(now, failed=failed, slow=slow)
        made.append((int(now), failed, slow))
        recent = [each for each in made if each[0] > int(now) - 10]
        expected = (len(recent), sum(each[1] for each in recent), sum(each[2] for each in recent))
        assert expected == window.counts(now)
