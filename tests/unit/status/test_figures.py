"""Two digits, renewed when they moved by a fifth and half a minute has passed."""

from hypothesis import given
from hypothesis import strategies as st

from hcs_operator.status.figures import renewed, two_digits


def test_two_digits_remain() -> None:
    assert [two_digits(value) for value in (0, 0.4, 7.4, 42, 99.6, 4213, 4999)] == [0, 0, 7, 42, 100, 4200, 5000]


@given(st.floats(0, 1e12))
def test_rounding_moves_a_figure_by_less_than_what_renews_it(value: float) -> None:
    assert abs(two_digits(value) - value) <= max(0.5, 0.05 * value)


@given(st.integers(0, 10**9))
def test_a_figure_at_rest_is_never_renewed(value: int) -> None:
    assert not renewed(value, 0.0, value, 1e9)


def test_nothing_is_renewed_within_half_a_minute() -> None:
    assert not renewed(10, 100.0, 1000, 129.9)
    assert renewed(10, 100.0, 1000, 130.0)


def test_leaving_and_reaching_zero_counts_as_having_moved() -> None:
    assert renewed(0, 0.0, 1, 60.0)
    assert renewed(1, 0.0, 0, 60.0)
