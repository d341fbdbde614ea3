"""How many calls may be under way, and that the limit always finds back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcs_services.gateway.concurrency import LEAST, MOST, START, ConcurrencyLimit

pytestmark = pytest.mark.unit
QUICK, MIDDLING, SLOW = 0.01, 0.7, 1.5


def crowded(now: float = 0.0) -> ConcurrencyLimit:
    """With as many calls under way as it allows."""
    limit = ConcurrencyLimit(slow=1.0)
    while limit.has_room(now):
        limit.begin(now)
    return limit


def test_a_quick_answer_makes_room_for_one_more() -> None:
    limit = crowded()
    limit.end(QUICK, 0.01, answered=True)
    assert limit.limit == START + 1


def test_a_middling_one_for_its_share_of_one() -> None:
    limit = crowded()
    limit.end(QUICK, 0.01, answered=True)
    limit.end(MIDDLING, 0.02, answered=True)
    assert limit.limit == START + 1 + 1 / (START + 1)


def test_an_answer_that_sheds_makes_room_for_nobody() -> None:
    limit = crowded()
    limit.end(QUICK, 0.01, answered=True, shed=True)
    assert limit.limit == START


def test_room_that_is_not_used_does_not_grow() -> None:
    limit = ConcurrencyLimit(slow=1.0)
    for at in range(100):
        limit.begin(at)
        limit.begin(at)
        limit.end(QUICK, at + QUICK, answered=True)
        limit.end(QUICK, at + QUICK, answered=True)
    assert limit.limit == START


def test_the_slow_answers_of_one_crowd_take_a_part_once_and_those_of_the_next_again() -> None:
    limit = crowded()
    for at in (0.4, 0.8, 1.2):
        limit.end(QUICK, at, answered=True)
    for _ in range(10):
        limit.end(SLOW, 1.5, answered=True)
    once = limit.limit
    assert once == pytest.approx((START + 3) * 0.7)
    limit.begin(1.5)
    limit.end(SLOW, 3.0, answered=False)
    assert limit.limit == pytest.approx(once * 0.7)


def test_what_was_cut_stays_so_and_what_was_gained_is_forgotten_when_nothing_is_under_way() -> None:
    gained, cut = crowded(), crowded()
    cut.end(SLOW, 0.1, answered=True)
    for limit in (gained, cut):
        while limit.under_way:
            limit.end(QUICK, 0.1, answered=limit is gained)
    assert gained.limit == START
    assert cut.limit == pytest.approx(START * 0.7)


def test_what_was_cut_long_ago_is_forgotten_when_nothing_is_under_way() -> None:
    limit = crowded()
    limit.end(SLOW, 0.1, answered=True)
    while limit.under_way:
        limit.end(QUICK, 0.1, answered=False)
    limit.begin(9.0)
    limit.end(QUICK, 9.1, answered=True)
    assert limit.limit == pytest.approx(START * 0.7)
    limit.begin(10.2)
    limit.end(QUICK, 10.3, answered=True)
    assert limit.limit == START


def test_what_ends_without_an_answer_makes_no_room() -> None:
    limit = crowded()
    limit.end(QUICK, 0.01, answered=False)
    assert limit.limit == START


def test_calls_go_on_to_wait_for_an_upstream_that_answers_nobody_and_are_no_crowd_when_it_is_back() -> None:
    limit = crowded()
    assert not limit.has_room(0.4)
    for _ in range(200):
        assert limit.has_room(0.6)
        limit.begin(0.6)
    limit.end(SLOW, 2.0, answered=True)
    assert limit.limit == START + 200
    assert limit.has_room(2.0)
    limit.end(SLOW, 2.1, answered=True)
    assert limit.limit == START + 200


@given(
    st.lists(
        st.tuples(st.sampled_from([QUICK, MIDDLING, SLOW, 30.0]), st.floats(0, 2), st.booleans(), st.booleans()),
        max_size=300,
    )
)
def test_whatever_happened_quick_answers_bring_the_room_back(
    history: list[tuple[float, float, bool, bool]],
) -> None:
    limit, now = ConcurrencyLimit(slow=1.0), 0.0
    for seconds, pause, answered, begins in history:
        now += pause
        if begins and limit.has_room(now):
            limit.begin(now)
        elif limit.under_way:
            limit.end(seconds, now, answered=answered)
        assert LEAST <= limit.limit <= MOST
        assert 0 <= limit.under_way <= MOST
    for _ in range(round(START)):
        while limit.has_room(now):
            limit.begin(now)
        limit.end(QUICK, now, answered=True)
    assert limit.limit >= START
