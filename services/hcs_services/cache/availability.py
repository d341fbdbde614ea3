"""Whether to bother Redis at all: after several failures in a row it is left alone for a moment.

Without this every request of a process would wait for the same time-out while the cache hangs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prometheus_client import Counter, Gauge
from redis.exceptions import RedisError

from hcs_services.settings import MissingCredentialError

UNAVAILABLE = Counter(
    "hcs_cache_unavailable_total",
    "Cache operations that got no answer, or were spared after several failures in a row.",
    ["operation"],
)
AVAILABLE = Gauge("hcs_cache_available", "1 if the last cache operation was answered, 0 if not.")
_FAILURES = 5
_PAUSE_SECONDS = 0.5


class CacheUnavailable(Exception):
    """Redis did not answer in time, refused, or is being left alone after repeated failures."""


class Availability:
    """Counts failures in a row; `guarded` turns every way Redis can fail into CacheUnavailable."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures = 0
        self._paused_until = float("-inf")

    @contextmanager
    def guarded(self, operation: str) -> Iterator[None]:
        """Run one operation; raises CacheUnavailable."""
        if self._clock() < self._paused_until:
            UNAVAILABLE.labels(operation).inc()
            raise CacheUnavailable("left alone after repeated failures")
        try:
            yield
        except (RedisError, OSError, TimeoutError, MissingCredentialError) as error:
            self._failures += 1
            if self._failures >= _FAILURES:
                self._paused_until = self._clock() + _PAUSE_SECONDS
            UNAVAILABLE.labels(operation).inc()
            AVAILABLE.set(0)
            raise CacheUnavailable(str(error) or type(error).__name__) from error
        self._failures = 0
        AVAILABLE.set(1)
