from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcs_services.database.gtid import GtidSet

A, B = "3e11fa47-71ca-11e1-9e33-c80aa9429562", "4e11fa47-71ca-11e1-9e33-c80aa9429562"
transactions = st.frozensets(st.tuples(st.sampled_from([A, B, f"{A}:tag"]), st.integers(1, 30)), max_size=40)


def written(members: frozenset[tuple[str, int]]) -> str:
    return ",".join(f"{source}:{number}" for source, number in members)


@given(transactions, transactions)
def test_containment_is_that_of_the_transactions(
    one: frozenset[tuple[str, int]], other: frozenset[tuple[str, int]]
) -> None:
    assert (other <= one) == GtidSet.parse(written(one)).contains(GtidSet.parse(written(other)))


@pytest.mark.parametrize(
    ("held", "asked", "contained"),
    [
        (f"{A}:1-10", f"{A}:3-7", True),
        (f"{A}:1-10", f"{A}:3-11", False),
        (f"{A}:1-5:6-10", f"{A}:5-6", True),
        (f"{A}:1-5:7-10", f"{A}:5-7", False),
        (f"{A}:1-5,\n{B}:1", f"{B}:1", True),
        (f"{A.upper()}:1-5", f"{A}:1", True),
        (f"{A}:1-5:tag:1-3", f"{A}:tag:2", True),
        (f"{A}:1-5:tag:1-3", f"{A}:tag:4", False),
        (f"{A}:1-5", f"{A}:tag:1", False),
        ("", "", True),
        ("", f"{A}:1", False),
        (f"{A}:1", "", True),
    ],
)
def test_sets_as_mysql_prints_them(held: str, asked: str, contained: bool) -> None:
    assert contained == GtidSet.parse(held).contains(GtidSet.parse(asked))


@pytest.mark.parametrize("text", ["x", f"{A}", f"{A}:", ":1", f"{A}:1-x"])
def test_anything_else_is_no_set(text: str) -> None:
    with pytest.raises(ValueError):
        GtidSet.parse(text)
