"""Quantities and durations are read as Kubernetes reads them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcs_operator.api.durations import milliseconds, seconds
from hcs_operator.api.quantities import amount, in_bytes, mebibytes


def test_quantities_are_read_as_kubernetes_reads_them() -> None:
    read = {"1Ki": 1024, "1.5Gi": 1610612736, "2e3": 2000, "3E": 3 * 10**18, "5k": 5000, "7": 7}
    assert {text: in_bytes(text) for text in read} == read
    assert str(amount("100m")) == "0.100"


@given(st.integers(0, 10**6), st.sampled_from(["", "k", "M", "G", "Ki", "Mi", "Gi", "Ti"]))
def test_a_suffix_multiplies(count: int, unit: str) -> None:
    assert amount(f"{count}{unit}") == count * amount(f"1{unit}")


@pytest.mark.parametrize("text", ["", "Gi", "1 Gi", "1gib", "much", "1.2.3", "0x10", "1Gi\n"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no quantity"):
        amount(text)


def test_mebibytes_are_at_least_one() -> None:
    assert (mebibytes("1Gi"), mebibytes("10k")) == (1024, 1)


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59), st.integers(0, 999))
def test_parts_of_a_duration_add_up(hours: int, minutes: int, secs: int, millis: int) -> None:
    expected = 3_600_000 * hours + 60_000 * minutes + 1000 * secs + millis
    assert milliseconds(f"{hours}h{minutes}m{secs}s{millis}ms") == expected


@pytest.mark.parametrize("text", ["", "5", "5 s", "-5s", "1d", "s", "1.5h", "5s\n"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        seconds(text)
