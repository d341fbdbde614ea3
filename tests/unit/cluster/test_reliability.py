"""The page of `make chaos`: gaps read from logs, rows in the faults' order, a dot for each run."""

from __future__ import annotations

import json

import pytest
from tests.cluster.reliability import Series, longest_gap, plot, table, wanted

pytestmark = pytest.mark.unit

TARGETS = {"killed": "≤ 8", "hung": "≤ 9", "never run": "≤ 1"}
DAY = "2026-11-24"
RECORD = [
    Series("hung", DAY, 500, 0, 3, [6.0], [7.0]),
    Series("killed", DAY, 400, 1, 0, [1.0, 2.0], [2.0, 3.0]),
    Series("killed", DAY, 600, 1, 9, [6.0], [4.0]),
]


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
    rows = table(RECORD, TARGETS).splitlines()[2:]
    assert rows == [
        "| killed | 3 | 1000 | 2 | 9 | 0 | 0 | 2.0, 6.0 | 3.0, 4.0 | ≤ 8 |",
        "| hung | 1 | 500 | 0 | 3 | 0 | 0 | 6.0, 6.0 | 7.0, 7.0 | ≤ 9 |",
    ]


def test_the_plot_has_a_dot_for_each_run_and_a_name_for_each_fault_that_was_run() -> None:
    drawn = plot(RECORD, TARGETS)
    assert drawn.count("<circle") == 4
    assert "never run" not in drawn


def test_what_is_missing_comes_evenly_and_what_is_on_record_does_not_come_again() -> None:
    assert wanted(RECORD, dict.fromkeys(TARGETS, 4), at_once=2) == [
        ("killed", 1),
        ("hung", 2),
        ("never run", 2),
        ("hung", 1),
        ("never run", 2),
    ]
    assert wanted(RECORD, {"hung": 1}, at_once=5) == []
