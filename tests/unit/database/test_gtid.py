"""GTID sets against their meaning: sets of (source, number)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcs_operator.decide.database.gtid import GtidSet

pytestmark = pytest.mark.unit

A, B = "0b9c4d3e-1f2a-5b6c-8d7e-9f0a1b2c3d4e", "11111111-1111-5111-8111-111111111111"
Members = frozenset[tuple[str, int]]
members = st.frozensets(st.tuples(st.sampled_from([A, B, f"{A}:audit"]), st.integers(1, 12)), max_size=20)


def text(members: Members) -> str:
    return ",".join(f"{source}:{number}" for source, number in sorted(members))


@given(members, members)
def test_a_subset_is_a_subset(left: Members, right: Members) -> None:
    assert (GtidSet.parse(text(left)) <= GtidSet.parse(text(right))) == (left <= right)


@given(members, members)
def test_a_difference_is_a_difference(left: Members, right: Members) -> None:
    assert GtidSet.parse(text(left - right)) == GtidSet.parse(text(left)) - GtidSet.parse(text(right))


@given(members)
def test_a_set_reads_back_as_itself(some: Members) -> None:
    parsed = GtidSet.parse(text(some))
    assert GtidSet.parse(str(parsed)) == parsed
    assert len(parsed) == len(some)


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("", ""),
        (f"{A}:1-3:5,\n{B}:7", f"{A}:1-3:5,{B}:7"),
        (f"{A.upper()}:1-2:3-4", f"{A}:1-4"),
        (f"{A}:1-2:audit:1-3:9", f"{A}:1-2,{A}:audit:1-3:9"),
    ],
)
def test_it_is_written_as_the_server_writes_it(written: str, normal: str) -> None:
    assert str(GtidSet.parse(written)) == normal


@pytest.mark.parametrize("wrong", ["nonsense", f"{A}:0", f"{A}:5-3", "1-3"])
def test_what_is_no_set_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError):
        GtidSet.parse(wrong)
