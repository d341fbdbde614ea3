"""Which keys are counted most, in bounded memory. Pure.

Space-Saving (Metwally, Agrawal, El Abbadi: Efficient Computation of Frequent and Top-k Elements in Data Streams, ICDT
2005): a key that is not held takes the place of one with the least count, and goes on from that count. Of n counts over
`capacity` places every key that has more than n ÷ capacity is held, and no estimate is too low, or too high by more
than that.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class SpaceSaving(Generic[Key]):
    """At most `capacity` keys with their estimated counts. To count one takes the same time however many are held."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._counts: dict[Key, int] = {}
        self._by_count: dict[int, dict[Key, None]] = {}
        self._least = 0

    @property
    def error(self) -> int:
        """By how much an estimate may be too high: the least count held once a key had to go, nothing before."""
        return self._least if len(self._counts) == self._capacity else 0

    def count(self, key: Key) -> None:
        """Count a key once."""
        count = self._counts.get(key, 0)
        if count:
            del self._by_count[count][key]
        elif len(self._counts) < self._capacity:
            self._least = 1
        elif self._capacity:
            count = self._least
            outgoing, _ = self._by_count[count].popitem()
            del self._counts[outgoing]
        else:
            return
        self._counts[key] = count + 1
        self._by_count.setdefault(count + 1, {})[key] = None
        if count and not self._by_count[count]:
            del self._by_count[count]
            if count == self._least:
                self._least = count + 1

    def estimates(self) -> dict[Key, int]:
        """The keys held, each with its count: at least the true one, at most that and `error`."""
        return dict(self._counts)


class HeavyHitters(Generic[Key]):
    """The keys counted most in this window of `seconds` and in the one before: older ones are forgotten.

    A window ends with the first count after its time, so while nothing is counted nothing is forgotten. `clock` is
    steady.
    """

    def __init__(self, capacity: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._capacity = capacity
        self._seconds = seconds
        self._clock = clock
        self._before: dict[Key, int] = {}
        self._now: SpaceSaving[Key] = SpaceSaving(capacity)
        self._until = clock() + seconds

    def count(self, key: Key) -> None:
        """Count a key once."""
        if self._clock() >= self._until:
            self._before, self._now = self._now.estimates(), SpaceSaving(self._capacity)
            self._until = self._clock() + self._seconds
        self._now.count(key)

    def hottest(self) -> list[Key]:
        """At most `capacity` keys, the one counted most first."""
        both = self._now.estimates()
        for key, count in self._before.items():
            both[key] = both.get(key, 0) + count
        return sorted(both, key=both.__getitem__, reverse=True)[: self._capacity]
