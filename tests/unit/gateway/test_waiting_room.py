"""Who may wait: never more than the room holds, nobody without time, and nobody for an upstream given up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcs_services.gateway.waiting_room import Declined, WaitingRoom

pytestmark = pytest.mark.unit


def room(*entered: int, silent_since: float | None = None) -> WaitingRoom:
    made = WaitingRoom(places=3, size=100, hope=30)
    for size in entered:
        made.enter(size)
    if silent_since is not None:
        made.failed(silent_since)
    return made


@pytest.mark.parametrize(
    ("found", "size", "patience", "expected"),
    [
        pytest.param(room(), 10, 5.0, None, id="an empty room"),
        pytest.param(room(10, 10), 10, 5.0, None, id="the last place"),
        pytest.param(room(10, 10, 10), 10, 5.0, Declined.FULL, id="no place"),
        pytest.param(room(60), 40, 5.0, None, id="the last byte"),
        pytest.param(room(60), 41, 5.0, Declined.FULL, id="too many bytes"),
        pytest.param(room(), 10, 0.0, Declined.LATE, id="no time"),
        pytest.param(room(silent_since=71.0), 10, 5.0, None, id="silent for less than its hope"),
        pytest.param(room(silent_since=70.0), 10, 5.0, Declined.HOPELESS, id="silent for all its hope"),
    ],
)
def test_who_is_let_in(found: WaitingRoom, size: int, patience: float, expected: Declined | None) -> None:
    assert found.declines(size, patience, 100.0) is expected


def test_silence_counts_from_the_first_failure() -> None:
    found = room(silent_since=70.0)
    found.failed(99.0)
    assert found.declines(10, 5.0, 100.0) is Declined.HOPELESS


def test_one_answer_brings_hope_back() -> None:
    found = room(silent_since=10.0)
    found.answered()
    found.failed(99.0)
    assert found.declines(10, 5.0, 100.0) is None


@given(st.lists(st.one_of(st.integers(0, 120), st.none()), max_size=60))
def test_it_never_holds_more_than_its_bounds_and_loses_no_place(steps: list[int | None]) -> None:
    found = room()
    inside: list[int] = []
    for size in steps:
        if size is None and inside:
            found.leave(inside.pop())
        elif size is not None and found.declines(size, 1.0, 0.0) is None:
            found.enter(size)
            inside.append(size)
        assert (found.waiting, found.bytes) == (len(inside), sum(inside))
        assert len(inside) <= 3
        assert sum(inside) <= 100
    for size in inside:
        found.leave(size)
    assert found.declines(100, 1.0, 0.0) is None
