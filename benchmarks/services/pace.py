"""Moments at a fixed rate, and the figures of what was due at them."""

from __future__ import annotations

import json
import os
import time
from bisect import bisect_right
from collections.abc import Sequence

from benchmarks.services.wrk import CONNECTIONS


def first_on_its_core() -> None:
    """Let this process run before others of its container: it shares its core with them, and would wait for them at the
    moments that it is to keep. Needs CAP_SYS_NICE.
    """
    os.nice(-20)


class Pace:
    """So many moments a second for so many seconds from `begin` on; `late` tells of each by how many it was missed."""

    def __init__(self, seconds: float, per_second: float) -> None:
        self.seconds, self.per_second = seconds, per_second
        self.count = round(seconds * per_second)
        self.late: list[float] = []

    def begin(self) -> None:
        """The first moment is now."""
        self.began = self._next = time.monotonic()

    def due(self) -> list[float]:
        """The moments that have come since this was last asked."""
        now, moments = time.monotonic(), list[float]()
        while self._next <= now and self.more:
            moments.append(self._next)
            self.late.append(now - self._next)
            self._next = self.began + len(self.late) / self.per_second
        return moments

    @property
    def more(self) -> bool:
        """Whether there is another moment to come."""
        return len(self.late) < self.count

    def wait(self) -> float:
        """Seconds until then."""
        return max(0.0, self._next - time.monotonic())


class Outcomes:
    """What was due and is done: when, and how long after its moment."""

    def __init__(self) -> None:
        self._done: list[tuple[float, float]] = []

    def __len__(self) -> int:
        return len(self._done)

    def add(self, due: float) -> None:
        """What was due then is done now."""
        now = time.monotonic()
        self._done.append((now, now - due))

    def figures(self, pace: Pace, late: Sequence[float], busy: float) -> str:
        """Of a Sample, as JSON: the rate is that of what was done while the moments lasted."""
        in_time = sum(at <= pace.began + pace.seconds for at, _ in self._done)
        latencies = [latency for _, latency in self._done]
        sample = {
            "per_second": in_time / pace.seconds,
            "p50": quantile(latencies, 0.5) * 1e3,
            "p99": quantile(latencies, 0.99) * 1e3,
            "busy": busy,
            "asked": pace.per_second,
            "late": quantile(late, 0.99) * 1e3,
            "behind": self._behind(),
        }
        return json.dumps(sample)

    def _behind(self) -> float:
        """The share of what fell due while as much was under way as those without a fixed rate ever have."""
        done = sorted(at for at, _ in self._done)
        due = sorted(at - latency for at, latency in self._done)
        return sum(number - bisect_right(done, at) >= CONNECTIONS for number, at in enumerate(due)) / len(due)


def quantile(values: Sequence[float], share: float) -> float:
    """The least that `share` of the values do not exceed, or the next."""
    return sorted(values)[int(len(values) * share)]
