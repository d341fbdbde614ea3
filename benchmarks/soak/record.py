"""What a soak saw of each process, and what that says of its memory and its file descriptors. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from benchmarks.soak.growth import Slope, slope

SECONDS = 1200.0
"""How long the load lasts."""
SETTLED = 0.25
"""The share of a run after which pools and caches are full: what comes before counts for nothing."""
LIMIT = 10.0
"""MiB an hour that memory may grow by."""


@dataclass(frozen=True)
class Sample:
    """A process at a moment: seconds since the load began, MiB that it shares with nobody, open file descriptors."""

    at: float
    memory: float
    descriptors: int


@dataclass(frozen=True)
class Course:
    """One process from the load's first second to its last."""

    process: str
    samples: tuple[Sample, ...]

    @property
    def settled(self) -> Sequence[Sample]:
        """The samples that count."""
        return [sample for sample in self.samples if sample.at >= SETTLED * self.samples[-1].at]

    @property
    def memory(self) -> Slope:
        """MiB an hour."""
        return slope([sample.at / 3600 for sample in self.settled], [sample.memory for sample in self.settled])

    @property
    def leaks(self) -> bool:
        """Whether memory grows for certain, and perhaps by the limit or more."""
        found = self.memory
        return found.low > 0 and found.high >= LIMIT

    @property
    def descriptors(self) -> tuple[float, float]:
        """The median number of the first and of the last third of what counts."""
        counts = [sample.descriptors for sample in self.settled]
        third = max(1, len(counts) // 3)
        return median(counts[:third]), median(counts[-third:])

    @property
    def gathers_descriptors(self) -> bool:
        """Whether there are more at the end, and for certain: a pool that breathes has now more, now fewer."""
        first, last = self.descriptors
        counts = [float(sample.descriptors) for sample in self.settled]
        return last > first and slope([sample.at for sample in self.settled], counts).low > 0

    @property
    def holds(self) -> bool:
        """Whether neither grows."""
        return not self.leaks and not self.gathers_descriptors


@dataclass(frozen=True)
class Record:
    """One run. `answered`: by kind of call, how many had the answer that was due; `otherwise`: how many had not."""

    courses: tuple[Course, ...]
    answered: Mapping[str, int]
    otherwise: int
    conditions: Mapping[str, str]

    @property
    def holds(self) -> bool:
        """Whether nothing grows in any process."""
        return all(course.holds for course in self.courses)

    def to_json(self) -> str:
        """The text that `from_json` reads; a sample is a list of three."""
        document = asdict(self)
        for course in document["courses"]:
            course["samples"] = [list(sample.values()) for sample in course["samples"]]
        return json.dumps(document, ensure_ascii=False) + "\n"

    @staticmethod
    def from_json(text: str) -> Record:
        """What `to_json` wrote."""
        found: dict[str, Any] = json.loads(text)
        courses = [
            Course(each["process"], tuple(Sample(*sample) for sample in each["samples"])) for each in found["courses"]
        ]
        return Record(tuple(courses), found["answered"], found["otherwise"], found["conditions"])
