"""Workers follow the queue, take no busy pod away, and go to zero only when nothing comes any more."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcs_operator.api.observed import QueueFigures, Reason, Recommendation
from hcs_operator.decide.autoscaling.workers import PRIOR_RATE, WINDOW, WorkerLaw, WorkerSamples, WorkerState, decide

pytestmark = pytest.mark.unit
LAW = WorkerLaw(minimum=0, maximum=10, max_wait=30, rate_hint=None, idle_timeout=60)


def samples(
    now: float, current: int, *, busy: int = 0, ready: int = 0, unacked: int = 0, **counters: int
) -> WorkerSamples:
    figures = QueueFigures(ready, unacked, counters.get("published", 0), counters.get("acked", 0), now)
    return WorkerSamples(now, current, current, busy, figures)


def settled(now: float, **fields: object) -> WorkerState:
    """A state whose restart pause is over and which was quiet until now."""
    return WorkerState(since=now - 10 * WINDOW, **fields)  # type: ignore[arg-type]


def test_a_backlog_wakes_workers_up_from_zero() -> None:
    found = decide(samples(0, 0, ready=1), None, LAW)
    assert found.desired == 1


def test_as_many_as_empty_the_backlog_within_the_allowed_wait() -> None:
    found = decide(samples(0, 1, ready=1000), None, LAW)
    assert found.desired == 4  # 1000 / (10/s * 30 s), rounded up
    assert "1 -> 4: backlog 1000" in found.reason.message


def test_the_users_hint_replaces_the_prior_rate() -> None:
    law = WorkerLaw(0, 10, 30, 4.0, 60)
    assert decide(samples(0, 1, ready=1000), None, law).desired == 9


def test_the_rate_is_measured_while_messages_wait() -> None:
    state = None
    for tick in range(60):
        found = decide(samples(tick * 5.0, 2, ready=5000, acked=tick * 5 * 2 * 20), state, LAW)
        state = found.state
    assert state is not None
    assert state.rate == pytest.approx(20)


def test_one_wild_measurement_moves_the_rate_by_at_most_two() -> None:
    state = settled(0, rate=10.0, figures=QueueFigures(10, 0, 0, 0, 0.0))
    found = decide(samples(5, 1, ready=10, acked=100_000), state, LAW)
    assert found.state.rate == 20


def test_a_counter_that_falls_is_a_restarted_broker_and_no_measurement() -> None:
    state = settled(0, rate=10.0, figures=QueueFigures(10, 0, 500, 500, 0.0))
    assert decide(samples(5, 1, ready=10, acked=3, published=3), state, LAW).state.rate == 10


def test_the_maximum_limits_and_says_so() -> None:
    found = decide(samples(0, 1, ready=100_000), None, LAW)
    assert (found.desired, found.limited_by) == (10, "MaxReplicas")


def test_scale_in_waits_for_the_largest_need_of_the_window() -> None:
    state = settled(100, needs=((95.0, 5),))
    assert decide(samples(100, 6), state, LAW).desired == 5
    assert decide(samples(100 + WINDOW, 6), state, LAW).desired == 1


def test_busy_workers_are_not_taken() -> None:
    found = decide(samples(100, 6, busy=4, unacked=4), settled(100), LAW)
    assert (found.desired, found.limited_by) == (4, "BusyWorkers")


def test_the_last_worker_stays_until_the_idle_time_is_over() -> None:
    state = settled(100, quiet_since=90.0, figures=QueueFigures(0, 0, 7, 7, 95.0))
    early = decide(samples(100, 1, published=7, acked=7), state, LAW)
    late = decide(samples(150, 1, published=7, acked=7), state, LAW)
    assert (early.desired, early.limited_by, late.desired) == (1, "IdleTimeout", 0)


def test_a_published_message_starts_the_idle_time_anew() -> None:
    state = settled(100, quiet_since=0.0, figures=QueueFigures(0, 0, 7, 7, 95.0))
    assert decide(samples(100, 1, published=8, acked=8), state, LAW).desired == 1


def test_a_broker_that_does_not_answer_holds_the_count() -> None:
    seen = WorkerSamples(100, 3, 3, 0, Reason("QueueUnreachable", "the broker does not answer"))
    found = decide(seen, settled(100), LAW)
    assert (found.desired, found.limited_by) == (3, "QueueUnseen")
    assert "the broker does not answer" in found.reason.message


def test_a_restarted_operator_takes_nobody_for_one_window() -> None:
    found = decide(samples(100, 6), WorkerState(since=90), LAW)
    assert (found.desired, found.limited_by) == (6, "JustStarted")


@given(
    current=st.integers(0, 20),
    busy=st.integers(0, 20),
    ready=st.integers(0, 10_000),
    unacked=st.integers(0, 500),
    minimum=st.integers(0, 3),
)
def test_the_count_stays_in_bounds_and_above_the_busy(
    current: int, busy: int, ready: int, unacked: int, minimum: int
) -> None:
    law = WorkerLaw(minimum, 20, 30, None, 60)
    found = decide(samples(1000, current, busy=min(busy, current), ready=ready, unacked=unacked), settled(1000), law)
    assert minimum <= found.desired <= 20
    assert found.desired >= min(busy, current)
    assert found.desired > 0 or ready + unacked == 0


def test_a_drained_spike_ends_at_zero_without_flapping() -> None:
    """Two thousand messages at ten a second and worker: up once, down once, to zero."""
    law = WorkerLaw(0, 4, 30, None, 5)
    state, current, backlog, done, counts = None, 0, 2000.0, 0.0, [0]
    for tick in range(400):
        unacked = min(int(backlog), current * 4)
        busy = min(current, unacked)
        found = decide(
            samples(
                tick, current, busy=busy, ready=int(backlog) - unacked, unacked=unacked, published=2000, acked=int(done)
            ),
            state,
            law,
        )
        state, current = found.state, found.desired
        finished = min(backlog, current * PRIOR_RATE)
        backlog, done = backlog - finished, done + finished
        if current != counts[-1]:
            counts.append(current)
    assert counts[:2] == [0, 4]
    assert counts[-1] == 0
    assert counts == [0, 4, *sorted(counts[2:], reverse=True)]


def test_every_recommendation_names_its_numbers() -> None:
    found: Recommendation = decide(samples(0, 2, ready=4210), None, LAW)
    assert (
        found.reason.message == "2 -> 10: backlog 4210, 0.0 msg/s in, 10.0 msg/s per worker, wait 210 s of 30 s allowed"
    )


def test_as_many_as_the_arrivals_keep_busy_are_not_taken() -> None:
    state = settled(100, rate=10.0, arrivals=25.0, figures=QueueFigures(0, 0, 1000, 1000, 95.0))
    found = decide(samples(100, 6, published=1125, acked=1125), state, LAW)
    assert (found.desired, found.limited_by) == (3, "Arrivals")


def test_arrivals_alone_add_none_while_the_backlog_is_small() -> None:
    state = settled(100, rate=10.0, arrivals=25.0, figures=QueueFigures(0, 5, 1000, 1000, 95.0))
    assert decide(samples(100, 1, unacked=5, published=1125, acked=1120), state, LAW).desired == 1


@pytest.mark.parametrize("every", [0.2, 3.0, 7.0, 20.0])
def test_a_trickle_that_one_worker_carries_changes_no_word(every: float) -> None:
    """What a look sees of it is chance: a message waiting, one worked on, or none."""
    state, told = None, []
    for tick in range(120):
        now = tick * 5.0
        published = int(now / every)
        backlog = int(published - int((now - 5) / every) > 0 and tick % 3 == 0)
        unacked = int(backlog and tick % 2)
        seen = samples(
            now,
            1,
            busy=unacked,
            ready=backlog - unacked,
            unacked=unacked,
            published=published,
            acked=published - backlog,
        )
        found = decide(seen, state, LAW)
        state = found.state
        told.append((found.desired, found.limited_by))
    settled_ = told[2 * int(WINDOW / 5) :]
    assert len(set(settled_)) == 1, settled_


def test_a_word_is_told_anew_once_it_has_not_held_for_a_while() -> None:
    state = settled(100, quiet_since=90.0, figures=QueueFigures(0, 0, 7, 7, 95.0))
    law = WorkerLaw(0, 10, 30, None, 10_000)
    found = decide(samples(100, 1, published=7, acked=7), state, law)
    assert found.limited_by == "IdleTimeout"
    for now in (110.0, 120.0, 125.0):
        found = decide(samples(now, 1, ready=1, published=8, acked=7), found.state, law)
        assert found.limited_by == "IdleTimeout"
    assert decide(samples(131, 1, ready=1, published=8, acked=7), found.state, law).limited_by is None


@pytest.mark.parametrize(("workers", "ready", "wait"), [(2, 1000, 50.0), (0, 1, inf), (0, 0, 0.0)])
def test_the_wait_is_what_the_present_workers_take_for_the_backlog(workers: int, ready: int, wait: float) -> None:
    assert decide(samples(0, workers, ready=ready), None, LAW).state.wait == wait


def test_without_figures_there_is_no_wait_and_the_last_measurement_is_remembered() -> None:
    seen = decide(samples(0, 1, ready=10), None, LAW).state
    blind = decide(WorkerSamples(5, 1, 1, 0, Reason("QueueUnreachable", "no answer")), seen, LAW).state
    assert (blind.wait, blind.measured_at) == (None, 0)
