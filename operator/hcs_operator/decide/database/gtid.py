"""GTID sets: `uuid[:tag]:first-last[:first-last…][,…]`, as `@@GLOBAL.gtid_executed` shows them.

Written out here because the plan is pure: it cannot ask a server for GTID_SUBSET.
https://dev.mysql.com/doc/refman/9.4/en/replication-gtids-concepts.html
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

Interval = tuple[int, int]
"""First and last transaction number, both included."""

_UUID = re.compile(r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
_TAG = re.compile(r"^[a-z_][a-z0-9_]{0,31}$")


@dataclass(frozen=True)
class GtidSet:
    """A set of transactions: (source uuid, tag) → sorted intervals that neither touch nor overlap."""

    intervals: Mapping[tuple[str, str], tuple[Interval, ...]] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> "GtidSet":
        """Read the textual form; ValueError when it is none."""
        found: dict[tuple[str, str], list[Interval]] = {}
        for part in filter(None, (part.strip() for part in text.replace("\n", "").split(","))):
            uuid, *rest = part.lower().split(":")
            if not _UUID.match(uuid):
                raise ValueError(f"not a GTID set: {part!r}")
            tag = ""
            for word in (word.strip() for word in rest):
                if _TAG.match(word):
                    tag = word
                else:
                    found.setdefault((uuid, tag), []).append(_interval(word))
        return cls({source: _merged(intervals) for source, intervals in found.items()})

    def __bool__(self) -> bool:
        return bool(self.intervals)

    def __le__(self, other: "GtidSet") -> bool:
        """Say whether each of these transactions is in the other set as well."""
        return not self - other

    def __sub__(self, other: "GtidSet") -> "GtidSet":
        """Return the transactions that the other set lacks."""
        left = {
            source: tuple(_without(intervals, other.intervals.get(source, ())))
            for source, intervals in self.intervals.items()
        }
        return GtidSet({source: intervals for source, intervals in left.items() if intervals})

    def of(self, uuid: str) -> "GtidSet":
        """Return those that this source gave their numbers, a server or a group."""
        return GtidSet({source: intervals for source, intervals in self.intervals.items() if source[0] == uuid})

    def __len__(self) -> int:
        return sum(last - first + 1 for intervals in self.intervals.values() for first, last in intervals)

    def __str__(self) -> str:
        return ",".join(
            ":".join([uuid, *([tag] if tag else []), *(f"{a}-{b}" if a != b else f"{a}" for a, b in intervals)])
            for (uuid, tag), intervals in sorted(self.intervals.items())
        )


def _interval(word: str) -> Interval:
    first, _, last = word.partition("-")
    interval = int(first), int(last or first)
    if not 0 < interval[0] <= interval[1]:
        raise ValueError(f"not an interval of transaction numbers: {word!r}")
    return interval


def _merged(intervals: Iterable[Interval]) -> tuple[Interval, ...]:
    merged: list[Interval] = []
    for first, last in sorted(intervals):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = merged[-1][0], max(last, merged[-1][1])
        else:
            merged.append((first, last))
    return tuple(merged)


def _without(intervals: Iterable[Interval], holes: Iterable[Interval]) -> Iterable[Interval]:
    holes = tuple(holes)
    for first, last in intervals:
        start = first
        for a, b in holes:
            if b < start or a > last:
                continue
            if a > start:
                yield start, a - 1
            start = b + 1
        if start <= last:
            yield start, last
