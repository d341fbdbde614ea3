"""What was measured, and what it says: the product's rate over each other one's, round by round. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

PRODUCT = "product"
KEPT = 0.98
"""The share of a fixed rate below which what was done in its time is not that rate: there is a backlog."""
BEHIND = 0.25
"""The share of requests that came to a backlog from which on it is in the median, too."""


@dataclass(frozen=True)
class Sample:
    """One contender's turn in one round. Times are milliseconds; `busy` is the server's CPU seconds a second.

    Of a turn at a fixed rate, `asked` is that rate, `per_second` what was answered while it lasted, `late` the 99th
    percentile of how late the load itself was, which is in the latencies, and `behind` the share of requests that fell
    due while as many were under way as those without a fixed rate have connections.
    """

    per_second: float
    p50: float
    p99: float
    busy: float
    asked: float | None = None
    late: float | None = None
    behind: float | None = None

    @property
    def per_cpu_second(self) -> float:
        """Requests for each second of the server's CPU time: says what it costs even where the load was the limit."""
        return self.per_second / self.busy

    @property
    def tail(self) -> float:
        """How many times longer than the median request one of a hundred takes, or more."""
        return self.p99 / self.p50


@dataclass(frozen=True)
class Series:
    """One contender's turns, a sample for each round. `target` is the least that product ÷ it should be; None: none."""

    name: str
    samples: tuple[Sample, ...]
    target: float | None = None

    @property
    def kept(self) -> bool:
        """Whether those at a fixed rate were answered at that rate and in step with it, in the median of the rounds."""
        answered = median([each.per_second / each.asked if each.asked else 1 for each in self.samples])
        return answered >= KEPT and median([each.behind or 0 for each in self.samples]) < BEHIND

    @property
    def punctual(self) -> bool:
        """Whether the load was in time: what it was late by itself is no more than half of the median latency."""
        return median([(each.late or 0) / each.p50 for each in self.samples]) <= 0.5

    @property
    def rates(self) -> list[float]:
        """Requests a second, round by round."""
        return [sample.per_second for sample in self.samples]


@dataclass(frozen=True)
class Spread:
    """A median, and the least and the most."""

    middle: float
    least: float
    most: float

    @staticmethod
    def of(values: Sequence[float]) -> Spread:
        """Of at least one value."""
        return Spread(median(values), min(values), max(values))


@dataclass(frozen=True)
class Result:
    """One row of the table: the product first, then what it is compared with, all measured in the same rounds.

    `steady` are the product after them, at a share of the rate that it reached there, and others at that same rate.
    """

    name: str
    title: str
    series: tuple[Series, ...]
    conditions: Mapping[str, str]
    steady: tuple[Series, ...] = ()

    def ratio(self, other: Series) -> Spread:
        """Product ÷ `other` by rate, of the two turns of each round: what slows a whole round down slows both."""
        return Spread.of([ours.per_second / theirs.per_second for ours, theirs in self._rounds(other)])

    def thrift(self, other: Series) -> Spread:
        """Product ÷ `other` by requests for each second of CPU time."""
        return Spread.of([ours.per_cpu_second / theirs.per_cpu_second for ours, theirs in self._rounds(other)])

    def _rounds(self, other: Series) -> list[tuple[Sample, Sample]]:
        return list(zip(self.series[0].samples, other.samples, strict=True))

    def to_json(self) -> str:
        """The text that `from_json` reads."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"

    @staticmethod
    def from_json(text: str) -> Result:
        """What `to_json` wrote."""
        found: dict[str, Any] = json.loads(text)
        series, steady = (tuple(map(_series, found[which])) for which in ("series", "steady"))
        return Result(found["name"], found["title"], series, found["conditions"], steady)


def _series(found: dict[str, Any]) -> Series:
    return Series(found["name"], tuple(Sample(**sample) for sample in found["samples"]), found["target"])
