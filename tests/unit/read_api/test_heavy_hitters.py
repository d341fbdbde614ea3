"""The sketch of what is read most, held to what is counted exactly."""

from __future__ import annotations

from collections import Counter
from itertools import chain, repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcs_services.read_api.heavy_hitters import HeavyHitters, SpaceSaving

pytestmark = pytest.mark.unit
streams = st.lists(st.integers(0, 30), max_size=300)
capacities = st.integers(1, 20)


def sketch(keys: list[int], capacity: int) -> SpaceSaving[int]:
    found: SpaceSaving[int] = SpaceSaving(capacity)
    for key in keys:
        found.count(key)
    return found


@given(streams, capacities)
def test_as_many_keys_are_held_as_there_are_places_or_keys(keys: list[int], capacity: int) -> None:
    assert min(capacity, len(set(keys))) == len(sketch(keys, capacity).estimates())


@given(streams, capacities)
def test_no_estimate_is_too_low_nor_too_high_by_more_than_the_bound(keys: list[int], capacity: int) -> None:
    found, exact = sketch(keys, capacity), Counter(keys)
    assert found.error <= len(keys) / capacity
    for key, estimate in found.estimates().items():
        assert exact[key] <= estimate <= exact[key] + found.error


@given(streams, capacities)
def test_every_key_that_came_more_often_than_the_bound_is_held(keys: list[int], capacity: int) -> None:
    expected = {key for key, times in Counter(keys).items() if times > len(keys) / capacity}
    assert expected <= sketch(keys, capacity).estimates().keys()


@given(streams, capacities)
def test_all_counts_together_are_what_was_counted(keys: list[int], capacity: int) -> None:
    assert len(keys) == sum(sketch(keys, capacity).estimates().values())


@given(streams)
def test_with_a_place_for_each_key_the_counts_are_exact(keys: list[int]) -> None:
    assert Counter(keys) == sketch(keys, 31).estimates()


def test_without_places_nothing_is_held() -> None:
    assert sketch([1, 1, 2], 0).estimates() == {}


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_hottest_come_first() -> None:
    hot: HeavyHitters[str] = HeavyHitters(10, 60, Clock())
    for key in chain(repeat("b", 2), repeat("a", 3), repeat("c", 1)):
        hot.count(key)
    assert hot.hottest() == ["a", "b", "c"]


def test_both_windows_count_and_together_give_no_more_keys_than_places() -> None:
    clock = Clock()
    hot: HeavyHitters[str] = HeavyHitters(2, 60, clock)
    for key in ("a", "a", "b"):
        hot.count(key)
    clock.now = 60
    for key in ("c", "c", "c", "c", "b", "b"):
        hot.count(key)
    assert hot.hottest() == ["c", "b"]


def test_what_nobody_asked_for_in_two_windows_is_forgotten() -> None:
    clock = Clock()
    hot: HeavyHitters[str] = HeavyHitters(10, 60, clock)
    for now, key in ((0, "old"), (60, "newer"), (120, "new")):
        clock.now = now
        hot.count(key)
    assert set(hot.hottest()) == {"newer", "new"}


def test_while_nothing_is_counted_nothing_is_forgotten() -> None:
    clock = Clock()
    hot: HeavyHitters[str] = HeavyHitters(10, 60, clock)
    hot.count("hot")
    clock.now = 3_600
    hot.count("next")
    assert set(hot.hottest()) == {"hot", "next"}
