"""What a profiler sampled is told by function, wherever in it the samples fell."""

from __future__ import annotations

import pytest
from benchmarks.services.profiling import shares

pytestmark = pytest.mark.unit

STACKS = [
    "run (server.py:10);serve (app.py:1);send (app.py:5) 6",
    "run (server.py:11);serve (app.py:2);send (app.py:7) 2",
    "run (server.py:11) 1",
    "run (server.py:10);serve (app.py:1);serve (app.py:1) 1",
]


def test_a_function_counts_once_a_sample_in_all_and_where_it_is_the_innermost_alone() -> None:
    assert shares(STACKS).splitlines() == [
        "10 samples",
        "",
        "| in all | alone | what |",
        "|---|---|---|",
        "| 100.0% | 10.0% | `run (server.py)` |",
        "| 90.0% | 10.0% | `serve (app.py)` |",
        "| 80.0% | 80.0% | `send (app.py)` |",
    ]
