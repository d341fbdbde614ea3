"""The table and the plots of what was measured. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from benchmarks.services.measurement import Result, Series, Spread
from hack.dot_plot import dot_plot
from hack.marked import with_marked

BEGIN, END = "<!-- figures: written by make bench -->", "<!-- end of figures -->"
HEAD = (
    "| row | contender | requests/s: median (least to most) | p50, p99 (ms) | CPU a request (µs) | of its core "
    "| product ÷ it, by rate | by CPU | target |"
)

TAIL = 5.0
"""The most that p99 ÷ p50 should be at the share of the highest rate."""


def with_table(page: str, results: Iterable[Result]) -> str:
    """The page with the table between its markers. Raises NoMarkers."""
    return with_marked(page, BEGIN, END, table(results))


def table(results: Iterable[Result]) -> str:
    """A Markdown table: a line for each contender of each row."""
    lines = [HEAD, "|" + "---|" * 9]
    for result in results:
        lines += [_line(result, series) for series in result.series]
        lines += [_tail(series, ours=series is result.steady[0]) for series in result.steady]
    return "\n".join(lines) + "\n"


def _line(result: Result, series: Series) -> str:
    first = series is result.series[0]
    cells = [
        result.title if first else "",
        *_figures(series),
        "" if first else _spread(result.ratio(series), ".2f"),
        "" if first else f"{result.thrift(series).middle:.2f}",
        "" if series.target is None else f"≥ {series.target:g}",
    ]
    return f"| {' | '.join(cells)} |"


def _tail(series: Series, *, ours: bool) -> str:
    judged = ours and series.kept and series.punctual
    return f"| {' | '.join(['', *_figures(series), _factor(series), '', f'≤ {TAIL:g}' if judged else ''])} |"


def _factor(series: Series) -> str:
    """What there is to say of p99 ÷ p50: nothing where a backlog is in both."""
    if not series.kept:
        asked = Spread.of([sample.asked or 0 for sample in series.samples]).middle
        return f"rate not kept: {asked:,.0f} asked"
    tail = f"p99 ÷ p50: {_spread(Spread.of([sample.tail for sample in series.samples]), '.1f')}"
    late = Spread.of([sample.late or 0 for sample in series.samples]).middle
    return tail if series.punctual else f"{tail}; the load itself was late by {late:.1f} ms (p99)"


def _figures(series: Series) -> list[str]:
    cost = Spread.of([1e6 / sample.per_cpu_second for sample in series.samples]).middle
    busy = Spread.of([sample.busy for sample in series.samples]).middle
    p50 = Spread.of([sample.p50 for sample in series.samples]).middle
    p99 = Spread.of([sample.p99 for sample in series.samples]).middle
    rate = _spread(Spread.of(series.rates), ",.0f")
    return [series.name, rate, f"{p50:.1f}, {p99:.1f}", f"{cost:.0f}", f"{busy:.0%}"]


def _spread(spread: Spread, form: str) -> str:
    return f"{spread.middle:{form}} ({spread.least:{form}} to {spread.most:{form}})"


def plot(result: Result) -> str:
    """An SVG: a line for each contender, a dot for each round at its rate."""
    return dot_plot([(series.name, series.rates) for series in result.series], "/s", marks=6)
