"""A leak is found, and what only looks like one is not."""

from __future__ import annotations

from random import Random

import pytest
from benchmarks.soak.growth import Slope, slope, student
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.unit

TIMES = [number * 5 / 3600 for number in range(180)]
"""A quarter of an hour in hours, a sample each five seconds."""
SPAN = TIMES[-1]


def noise(size: float, seed: int = 1) -> list[float]:
    random = Random(seed)
    return [random.gauss(0, size) for _ in TIMES]


def sawtooth(teeth: int, height: float) -> list[float]:
    return [height * (time / SPAN * teeth % 1) for time in TIMES]


def test_a_straight_line_is_its_own_interval() -> None:
    found = slope([0.0, 1.0, 2.0, 3.0], [5.0, 7.0, 9.0, 11.0])
    assert found == Slope(2.0, 2.0, 2.0)


def test_what_never_changes_has_no_slope() -> None:
    assert slope(TIMES, [57.3] * len(TIMES)) == Slope(0, 0, 0)


def test_four_values_have_the_interval_of_the_textbook() -> None:
    # residuals −1, 1, 1, −1: not alike; 2 degrees of freedom, squares 4, spread 5: half is 4.303·√(4 ÷ 2 ÷ 5)
    found = slope([0.0, 1.0, 2.0, 3.0], [-1.0, 1.0, 1.0, -1.0])
    assert found.middle == 0
    assert found.high == pytest.approx(4.303 * 0.4**0.5, rel=0.01)


@pytest.mark.parametrize(("freedom", "tabled"), [(2, 4.303), (3, 3.182), (5, 2.571), (10, 2.228), (178, 1.973)])
def test_students_t_is_the_tables(freedom: float, tabled: float) -> None:
    assert student(freedom) == pytest.approx(tabled, rel=0.01)


@given(st.integers(0, 1000), st.floats(12, 1000), st.floats(0, 0.2))
def test_a_leak_in_noise_is_found(seed: int, leak: float, size: float) -> None:
    leaking = [leak * time + each for time, each in zip(TIMES, noise(size, seed), strict=True)]
    found = slope(TIMES, leaking)
    assert found.low > 0
    assert found.low <= leak + 3
    assert found.high >= leak - 3


@given(st.integers(2, 20), st.floats(0.1, 500))
def test_a_sawtooth_of_minutes_is_no_leak_however_high_its_teeth(teeth: int, height: float) -> None:
    assert slope(TIMES, sawtooth(teeth, height)).low <= 0


def test_a_leak_below_a_sawtooth_is_found() -> None:
    leaking = [20 * time + tooth for time, tooth in zip(TIMES, sawtooth(8, 5), strict=True)]
    assert slope(TIMES, leaking).low > 10


def test_one_arena_that_stays_is_no_leak() -> None:
    assert slope(TIMES, [0.0] * 90 + [1.0] * 90).low <= 0


def test_a_leak_that_speeds_up_is_found_although_its_samples_are_as_good_as_one() -> None:
    assert slope(TIMES, [5 * (time / SPAN) ** 2 for time in TIMES]).low > 0


def test_likeness_of_neighbours_widens_the_interval() -> None:
    random, last, wandering = Random(1), 0.0, []
    for _ in TIMES:
        wandering.append(last := 0.9 * last + random.gauss(0, 1))
    shuffled = sorted(wandering, key=lambda _: random.random())
    alike, mixed = slope(TIMES, wandering), slope(TIMES, shuffled)
    assert alike.high - alike.low > 2 * (mixed.high - mixed.low)


@given(st.lists(st.floats(-1000, 1000), min_size=5, max_size=60), st.floats(0.1, 100), st.floats(-100, 100))
def test_another_unit_or_zero_changes_the_slope_alike(values: list[float], unit: float, zero: float) -> None:
    times = [float(number) for number in range(len(values))]
    found, other = slope(times, values), slope(times, [unit * value + zero for value in values])
    wanted = [unit * end for end in (found.middle, found.low, found.high)]
    assert [other.middle, other.low, other.high] == pytest.approx(wanted, rel=1e-3, abs=1e-3)
    assert found.low <= found.middle <= found.high
