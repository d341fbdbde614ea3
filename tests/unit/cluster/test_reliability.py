"""The page of `make chaos`: gaps read from logs, rows in the faults' order, a dot for each run."""

from __future__ import annotations

import json

import pytest
from tests.cluster.reliability import Run, longest_gap, plot, table

pytestmark = pytest.mark.unit

TARGETS = {"killed": "≤ 8", "hung": "≤ 9", "never run": "≤ 1"}
RUNS = [Run("hung", 500, 3, 6.0, 7.0), Run("killed", 400, 0, 1.0, 2.0), Run("killed", 600, 9, 5.0, 4.0)]


def line(second: str, status: int = 201, route: str = "/api/v1/orders") -> str:
    return json.dumps(
        {"event": "request", "route": route, "status": status, "timestamp": f"2026-11-24T12:00:{second}Z"}
    )


def test_the_longest_gap_is_between_two_acknowledged_orders_of_any_pod() -> None:
    first, second = [line("00.0"), line("09.5")], ["not JSON", line("01.0"), line("05.0", 503), line("06.0", 201, "/p")]
    assert longest_gap([*first, *second]) == 8.5


def test_without_two_orders_there_is_no_gap() -> None:
    assert longest_gap([line("00.0")]) == 0.0


def test_a_row_has_the_sums_and_the_median_and_worst_gap_of_its_fault() -> None:
    rows = table(RUNS, TARGETS).splitlines()[2:]
    assert rows == [
        "| killed | 2 | 1000 | 9 | 0 | 0 | 3.0, 5.0 | 3.0, 4.0 | ≤ 8 |",
        "| hung | 1 | 500 | 3 | 0 | 0 | 6.0, 6.0 | 7.0, 7.0 | ≤ 9 |",
    ]


def test_the_plot_has_a_dot_for_each_run_and_a_name_for_each_fault_that_was_run() -> None:
    drawn = plot(RUNS, TARGETS)
    assert drawn.count("<circle") == len(RUNS)
    assert "never run" not in drawn
