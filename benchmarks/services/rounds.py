"""Measures contenders in turn, round after round, so that what the machine does meanwhile falls on all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median

from benchmarks.services.measurement import Result, Sample, Series

ROUNDS, SECONDS = 5, 3.0
"""Turns of each contender and the length of each, unless BENCH_ROUNDS and BENCH_SECONDS say otherwise."""
WARM_UP_SECONDS = 1.0
SHARE = 0.7
"""Of the highest rate: what a service that is sized well has to do at its busiest."""
STEADY = 3
"""Times as long as the others is a turn at that share: p99 needs requests, and its ends are to count for little."""


def _nothing() -> None:
    """What a server leaves behind that has no work of its own."""


@dataclass(frozen=True)
class Contender:
    """One of those compared: `drive` loads it for so many seconds, `settle` returns once it is at rest again."""

    name: str
    drive: Callable[[float], Sample]
    target: float | None = None
    settle: Callable[[], None] = _nothing
    at_rate: Callable[[float, float], Sample] | None = None
    """Loads it with so many requests a second, for so many seconds, whatever its answers; the sample says `asked`."""


@dataclass(frozen=True)
class Comparison:
    """A row to be: the product first."""

    name: str
    title: str
    contenders: Sequence[Contender]
    sustained: Callable[[float, float], float] | None = None
    """What the product does a second, asked for so many for so many seconds, where a load at a rate takes from what the
    highest rate is measured with; else that is what a share is taken of.
    """


def measure(comparison: Comparison, rounds: int, seconds: float, conditions: Mapping[str, str]) -> Result:
    """Each contender's turn in each round, after one that does not count; each round begins with another one. Then
    turns at a share of the product's median rate.
    """
    samples: dict[str, list[Sample]] = {contender.name: [] for contender in comparison.contenders}
    for contender in comparison.contenders:
        _turn(contender, contender.drive, WARM_UP_SECONDS)
    for number in range(rounds):
        for contender in _rotated(comparison.contenders, number):
            samples[contender.name].append(_turn(contender, contender.drive, seconds))
    series = tuple(Series(each.name, tuple(samples[each.name]), each.target) for each in comparison.contenders)
    highest = median(series[0].rates)
    if comparison.sustained:
        highest = comparison.sustained(highest, seconds * STEADY)
    steady = _steady(comparison.contenders, highest * SHARE, rounds, seconds)
    return Result(comparison.name, comparison.title, series, conditions, steady)


def _steady(contenders: Sequence[Contender], rate: float, rounds: int, seconds: float) -> tuple[Series, ...]:
    """In turns, those that can be loaded at a rate; the product is the first."""
    samples: dict[str, list[Sample]] = {}
    for _ in range(rounds):
        for number, contender in enumerate(contenders):
            if contender.at_rate:
                name = f"{contender.name} at that rate" if number else f"{contender.name} at {SHARE:.0%}"
                sample = _turn(contender, partial(contender.at_rate, rate), seconds * STEADY)
                samples.setdefault(name, []).append(sample)
    return tuple(Series(name, tuple(found)) for name, found in samples.items())


def _turn(contender: Contender, drive: Callable[[float], Sample], seconds: float) -> Sample:
    try:
        sample = drive(seconds)
        contender.settle()
    except Exception as error:
        error.add_note(f"it was the turn of: {contender.name}")
        raise
    return sample


def _rotated(contenders: Sequence[Contender], by: int) -> Sequence[Contender]:
    start = by % len(contenders)
    return [*contenders[start:], *contenders[:start]]
