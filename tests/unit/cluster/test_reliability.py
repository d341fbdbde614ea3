"""The page of `make chaos`: gaps read from logs, rows in the faults' order, a dot for each run."""

from __future__ import annotations

import json

import pytest
from tests.cluster.reliability import Series, Target, in_a_line, longest_gap, page, plot, remarks, table, wanted

pytestmark = pytest.mark.unit

TARGETS = {
    "killed": Target(worst=8),
    "hung": Target(median=6.5, worst=10, reason="it thaws late"),
    "never run": Target(worst=1),
}
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
        "| killed | 3 | 1000 | 2 | 9 | 0 | 0 | 0 | 2.0, 6.0 | 3.0, 4.0 | ≤ 8 |",
        "| hung | 1 | 500 | 0 | 3 | 0 | 0 | 0 | 6.0, 6.0 | 7.0, 7.0 | ≤ 6.5 median, ≤ 10 worst: **missed** |",
    ]


FAILED = Series("killed", DAY, 700, 1, 9, [50.0], [60.0], lost=2, doubled=1, wrong="lost: order 7")


def test_a_series_that_failed_is_told_with_what_it_lost_and_doubled_and_proves_no_run() -> None:
    row = table([*RECORD, FAILED], TARGETS).splitlines()[2]
    assert row == "| killed | 3 | 1000 | 2 | 9 | 2 | 1 | 1 | 2.0, 6.0 | 3.0, 4.0 | ≤ 8 |"
    assert f"Series that failed:\n\n- killed, {DAY}: lost: order 7\n" in page([*RECORD, FAILED], TARGETS)
    assert wanted([FAILED], {"killed": 1}, at_once=5) == [("killed", 1)]
    assert plot([*RECORD, FAILED], TARGETS) == plot(RECORD, TARGETS)


def test_a_fault_of_which_every_series_failed_has_a_row_without_gaps() -> None:
    assert table([FAILED], TARGETS).splitlines()[2] == "| killed | 0 | 0 | 0 | 0 | 2 | 1 | 1 | – | – | ≤ 8 |"


def test_what_was_wrong_is_one_line_however_much_it_was() -> None:
    assert in_a_line(["Late:\n  not  within", "b", "c", "d", "e", "f", "g"]) == "Late: not within; b; c; d; e; 2 more"
    assert in_a_line([]) == ""


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (Target(median=6.5, reason="it thaws late"), "- hung: median 7.0 s, not ≤ 6.5 at the client: it thaws late."),
        (Target(worst=6.5), "- hung: worst 7.0 s, not ≤ 6.5 at the client: why is not known."),
        (Target(besides="back", reason="a back-off"), "- hung: a back-off."),
        (Target(worst=7, reason="it thaws late"), ""),
        (Target(besides="back"), ""),
    ],
)
def test_a_gap_that_is_too_long_or_has_no_bound_is_told_with_its_reason(target: Target, expected: str) -> None:
    assert "".join(remarks(RECORD, {"hung": target}).splitlines()[2:]) == expected


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (Target(median=8, worst=10), "≤ 8 median, ≤ 10 worst"),
        (Target(worst=1.5, besides="no failed request"), "≤ 1.5, no failed request"),
        (Target(besides="back without a person"), "back without a person"),
    ],
)
def test_a_target_is_told_in_words(target: Target, expected: str) -> None:
    assert str(target) == expected


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
