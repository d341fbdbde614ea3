"""A level-triggered queue of keys: what has to be looked at, and when.

A key is in it once, however often it is added; it is worked on by one worker at a time; added again while worked on,
it is looked at once more afterwards. A failed look comes back after a delay that doubles up to a cap. Nothing but the
key is stored: each look reads the present state, so no event can be applied late, twice or in the wrong order.
"""

import asyncio
import heapq
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K")

FIRST_RETRY = 0.5
"""Seconds before the first repetition of a failed look."""
LAST_RETRY = 60.0
"""Seconds that the delay never exceeds."""


@dataclass(frozen=True)
class Result:
    """How a look ended: `requeue_after` seconds until the next one (None: only when something happens)."""

    requeue_after: float | None = None
    failed: bool = False


Handler = Callable[[K], Awaitable[Result]]


class KeyedQueue(Generic[K]):
    """Keys with due times. `clock` is monotonic seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._due: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._order = itertools.count()
        self._working: dict[K, float] = {}
        self._again: dict[K, float] = {}
        self._failures: dict[K, int] = {}
        self._changed = asyncio.Event()
        self.retries = 0
        """Failed looks so far."""

    def add(self, key: K, after: float = 0.0) -> None:
        """Look at this key in `after` seconds; an earlier date already set stands."""
        due = self._clock() + after
        pending = self._again if key in self._working else self._due
        if pending.get(key, float("inf")) <= due:
            return
        pending[key] = due
        if pending is self._due:
            heapq.heappush(self._heap, (due, next(self._order), key))
            self._changed.set()

    def forget(self, key: K) -> None:
        """Drop a key that is gone, with its history."""
        self._due.pop(key, None)
        self._again.pop(key, None)
        self._failures.pop(key, None)

    async def take(self) -> K:
        """Wait for the next key that is due and mark it as worked on."""
        while True:
            now = self._clock()
            while self._heap and self._due.get(self._heap[0][2]) != self._heap[0][0]:
                heapq.heappop(self._heap)  # superseded by an earlier date, or forgotten
            if self._heap and self._heap[0][0] <= now:
                _, _, key = heapq.heappop(self._heap)
                del self._due[key]
                self._working[key] = now
                return key
            self._changed.clear()
            wait = self._heap[0][0] - now if self._heap else None
            try:
                await asyncio.wait_for(self._changed.wait(), wait)
            except TimeoutError:
                continue

    def done(self, key: K, result: Result) -> None:
        """Note how the look ended and set the next date."""
        del self._working[key]
        again = self._again.pop(key, None)
        after = result.requeue_after
        if result.failed:
            failures = self._failures[key] = self._failures.get(key, 0) + 1
            self.retries += 1
            after = min(LAST_RETRY, FIRST_RETRY * 2 ** min(failures - 1, 10))
        else:
            self._failures.pop(key, None)
        if again is not None and not result.failed:
            self.add(key, max(0.0, again - self._clock()))
        if after is not None:
            self.add(key, after)

    async def work(self, handler: Handler[K]) -> None:
        """Be one worker, for ever. The handler turns a stack's troubles into a Result; what it raises is fatal."""
        while True:
            key = await self.take()
            result = Result(failed=True)
            try:
                result = await handler(key)
            finally:
                self.done(key, result)

    def depth(self) -> int:
        """Return how many keys are due now and not yet worked on."""
        now = self._clock()
        return sum(due <= now for due in self._due.values())

    def oldest_age(self) -> float:
        """Return for how many seconds the oldest item has been due, or been worked on."""
        now = self._clock()
        begun = [*self._due.values(), *self._working.values()]
        return max(0.0, now - min(begun)) if begun else 0.0
