"""How many tasks of a queue a worker holds, by how long they take.

What runs, and what the worker will begin within a quarter of a second: much longer than it takes the broker to bring
more, so it never waits for work; and no more, since what one worker holds another one that has nothing to do cannot
take. Short tasks so have the whole of `spec.workers.prefetch`, and long ones are not hoarded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from math import ceil
from typing import Protocol

import structlog

AHEAD_SECONDS = 0.25
_LOOK_SECONDS = 5.0
_WORTH_IT = 1.5
"""By what factor a window must be off before it is changed: the broker's consumer is cancelled and begun for that."""

log = structlog.get_logger(__name__)


class Resizable(Protocol):
    """`Consumer.resize`."""

    async def resize(self, queue: str, window: int) -> None:
        """Hold at most so many."""


def window(concurrency: int, most: int, seconds: float) -> int:
    """Tasks to hold if one takes so many seconds: from one more than run at once to `most`, where that allows it."""
    ahead = ceil(min(most, concurrency * AHEAD_SECONDS / seconds)) if seconds > 0 else most
    return min(most, concurrency + max(1, ahead))


class Prefetch:
    """The windows of all queues; each begins with `most`."""

    def __init__(self, queues: Iterable[str], concurrency: int, most: int) -> None:
        self._concurrency, self._most = concurrency, most
        self.windows = dict.fromkeys(queues, most)
        self._seen = dict.fromkeys(self.windows, (0, 0.0))  # tries since the last look, and their seconds

    def took(self, queue: str, seconds: float) -> None:
        """Count a try."""
        tries, total = self._seen[queue]
        self._seen[queue] = tries + 1, total + seconds

    def changed(self) -> dict[str, int]:
        """The windows that are to be others from now on."""
        found = {}
        for queue, (tries, total) in self._seen.items():
            if not tries:
                continue
            self._seen[queue] = 0, 0.0
            now, wanted = self.windows[queue], window(self._concurrency, self._most, total / tries)
            if max(now, wanted) >= _WORTH_IT * min(now, wanted):
                found[queue] = self.windows[queue] = wanted
        return found

    async def follow(self, consumer: Resizable) -> None:
        """Look for ever. Run in the Background."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            for queue, wanted in self.changed().items():
                await consumer.resize(queue, wanted)
                log.info("prefetch follows how long tasks take", queue=queue, prefetch=wanted)
