"""What was measured, and what it says: the product's rate over each other one's, round by round. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

PRODUCT = "product"


@dataclass(frozen=True)
class Sample:
    """One contender's turn in one round. Times are milliseconds; `busy` is the server's CPU seconds a second."""

    per_second: float
    p50: float
    p99: float
    busy: float

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
