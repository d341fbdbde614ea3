"""What `make bench` says of its figures: ratios of the same round, a table between the page's markers, a dot a round."""

from __future__ import annotations

from dataclasses import replace

import pytest
from benchmarks.services.measurement import Result, Sample, Series, Spread
from benchmarks.services.report import BEGIN, END, plot, table, with_table
from hack.marked import NoMarkers

pytestmark = pytest.mark.unit


def samples(*rates: float, busy: float = 1.0) -> tuple[Sample, ...]:
    return tuple(Sample(rate, p50=1.25, p99=9.0, busy=busy) for rate in rates)


OURS = Series("product", samples(1000, 3000, 2000))
THEIRS = Series("Envoy", samples(2000, 3000, 8000, busy=0.5), target=1.0)
RESULT = Result("gateway-small", "gateway: GET", (OURS, THEIRS), {"load before": "0.10"})


def test_a_ratio_is_of_the_two_turns_of_a_round_and_not_of_the_medians() -> None:
    assert RESULT.ratio(THEIRS) == Spread(0.5, 0.25, 1.0)


def test_thrift_counts_the_servers_cpu_time_and_not_the_clock() -> None:
    assert RESULT.thrift(THEIRS) == Spread(0.25, 0.125, 0.5)


def test_what_is_written_is_read_again() -> None:
    assert Result.from_json(RESULT.to_json()) == RESULT


def test_the_table_has_a_line_for_each_contender_and_the_rows_title_once() -> None:
    assert table([RESULT]).splitlines()[2:] == [
        "| gateway: GET | product | 2,000 (1,000 to 3,000) | 1.2, 9.0 | 500 | 100% |  |  |  |",
        "|  | Envoy | 3,000 (2,000 to 8,000) | 1.2, 9.0 | 167 | 50% | 0.50 (0.25 to 1.00) | 0.25 | ≥ 1 |",
    ]


def test_what_the_product_does_at_a_share_of_its_rate_is_a_line_of_its_own_and_is_read_again() -> None:
    steady = Series("product at 70%", (Sample(1400, 1.0, 3.0, 0.5), Sample(1400, 2.0, 8.0, 0.5)))
    other = Series("Envoy at that rate", (Sample(1400, 1.0, 2.0, 0.25), Sample(1400, 1.0, 2.0, 0.25)))
    result = replace(RESULT, steady=(steady, other))
    assert Result.from_json(result.to_json()) == result
    assert table([result]).splitlines()[-2:] == [
        "|  | product at 70% | 1,400 (1,400 to 1,400) | 1.5, 5.5 | 357 | 50% | p99 ÷ p50: 3.5 (3.0 to 4.0) |  | ≤ 5 |",
        "|  | Envoy at that rate | 1,400 (1,400 to 1,400) | 1.0, 2.0 | 179 | 25% | p99 ÷ p50: 2.0 (2.0 to 2.0) |  |  |",
    ]


ASKED = Sample(1000, p50=2.0, p99=8.0, busy=0.5, asked=1000, late=0.2)


@pytest.mark.parametrize(
    ("samples", "told", "target"),
    [
        ([ASKED] * 3, "p99 ÷ p50: 4.0 (4.0 to 4.0)", "≤ 5"),
        ([replace(ASKED, per_second=981), *[replace(ASKED, per_second=900)] * 2], "rate not kept: 1,000 asked", ""),
        ([replace(ASKED, per_second=900), *[replace(ASKED, per_second=981)] * 2], "p99 ÷ p50: 4.0 (4.0 to 4.0)", "≤ 5"),
        ([replace(ASKED, behind=0.3)] * 3, "rate not kept: 1,000 asked", ""),
        ([replace(ASKED, behind=0.2)] * 3, "p99 ÷ p50: 4.0 (4.0 to 4.0)", "≤ 5"),
        ([replace(ASKED, late=1.1)] * 3, "p99 ÷ p50: 4.0 (4.0 to 4.0); the load itself was late by 1.1 ms (p99)", ""),
    ],
    ids=[
        "kept",
        "not kept in most rounds",
        "kept in most rounds",
        "made up for in time by most",
        "made up for by some",
        "kept by a load that was late",
    ],
)
def test_the_factor_is_judged_only_where_the_rate_was_kept_and_the_load_in_time(
    samples: list[Sample], told: str, target: str
) -> None:
    result = replace(RESULT, steady=(Series("product at 70%", tuple(samples)),))
    assert [cell.strip() for cell in table([result]).splitlines()[-1].split("|")][7:10] == [told, "", target]


def test_a_page_keeps_all_but_what_is_between_its_markers() -> None:
    page = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    assert with_table(page, [RESULT]) == f"before\n{BEGIN}\n{table([RESULT])}{END}\nafter\n"


@pytest.mark.parametrize("page", ["neither", f"only {BEGIN}", f"only {END}", f"{END} before {BEGIN}"])
def test_a_page_without_both_markers_in_order_is_refused(page: str) -> None:
    with pytest.raises(NoMarkers):
        with_table(page, [RESULT])


def test_the_plot_has_a_dot_for_each_round_of_each_contender_within_its_width() -> None:
    drawn = plot(RESULT)
    assert drawn.count("<circle") == 6
    assert 'cx="860.0"' in drawn  # the fastest round is at the right end
    assert ">5,000/s<" not in drawn
    assert [f">{mark:,}/s<" in drawn for mark in (0, 2000, 4000, 6000, 8000)] == [True] * 5
