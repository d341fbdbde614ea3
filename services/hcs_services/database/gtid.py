"""GTID sets, as far as containment: does what a replica has executed contain what a token names?

Syntax: https://dev.mysql.com/doc/refman/8.4/en/replication-gtids-concepts.html, tags of 8.3+ included.
"""

from __future__ import annotations

from collections.abc import Iterator

Intervals = list[tuple[int, int]]


class GtidSet:
    """An immutable set of transactions: source and tag → closed, merged, sorted intervals."""

    __slots__ = ("_sources",)

    def __init__(self, sources: dict[str, Intervals]) -> None:
        self._sources = sources

    @classmethod
    def parse(cls, text: str) -> GtidSet:
        """Read `uuid[:tag]:1-5:7,…`; raises ValueError for anything else."""
        sources: dict[str, Intervals] = {}
        for part in "".join(text.split()).split(","):
            for name, interval in _intervals(part) if part else ():
                sources.setdefault(name, []).append(interval)
        return cls({name: _merged(intervals) for name, intervals in sources.items()})

    def contains(self, other: GtidSet) -> bool:
        """Whether every transaction of `other` is in this set."""
        return all(
            any(low <= start and end <= high for low, high in self._sources.get(name, ()))
            for name, intervals in other._sources.items()
            for start, end in intervals
        )


def _intervals(part: str) -> Iterator[tuple[str, tuple[int, int]]]:
    source, *rest = part.lower().split(":")
    name = source
    if not source or not rest:
        raise ValueError("not a GTID set")
    for item in rest:
        if item[:1].isdigit():
            low, _, high = item.partition("-")
            yield name, (int(low), int(high or low))
        elif item:
            name = f"{source}:{item}"  # the intervals that follow carry this tag
        else:
            raise ValueError("not a GTID set")


def _merged(intervals: Intervals) -> Intervals:
    merged: Intervals = []
    for low, high in sorted(intervals):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], high))
        else:
            merged.append((low, high))
    return merged
