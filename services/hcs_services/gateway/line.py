"""The line of a route: its circuit breaker, its entrance, and the keyed writes that wait until it lets them through.

The earliest deadline goes first. Only the head of the line asks the breaker, so a crowd that waits neither polls it
nor takes all of what it lets through while it ramps.
"""

import asyncio
from bisect import insort
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count

from hcs_services.gateway import metrics
from hcs_services.gateway.breaker import Breaker, BreakerPolicy, Permit
from hcs_services.gateway.entrance import Entrance
from hcs_services.gateway.waiting_room import WaitingRoom


@dataclass(frozen=True, slots=True, order=True)
class _Waiting:
    until: float
    number: int
    woken: asyncio.Event = field(compare=False, default_factory=asyncio.Event)


class Line:
    """Of one route to an upstream of that name; `clock` gives monotonic seconds."""

    def __init__(self, upstream: str, policy: BreakerPolicy, clock: Callable[[], float]) -> None:
        self.breaker = Breaker(policy)
        self.entrance = Entrance(policy.slow_call, clock)
        self.room = WaitingRoom()
        self.upstream = upstream
        self._clock = clock
        self._waiting: list[_Waiting] = []
        self._numbers = count()

    def behind(self, size: int, patience: float) -> bool:
        """Whether others wait for leave, and a call like this may wait behind them."""
        return bool(self._waiting) and self.room.declines(size, patience, self._clock()) is None

    def wake(self) -> None:
        """Let the head of the line ask anew: a result has been reported, or the head is another."""
        if self._waiting:
            self._waiting[0].woken.set()

    @contextmanager
    def place(self, size: int, patience: float) -> Iterator[bool]:
        """Hold a place for a call of `size` bytes that can wait `patience` seconds; False if there is none for it."""
        begun = self._clock()
        declined = self.room.declines(size, patience, begun)
        if declined is not None:
            self.gave_up(declined)
            yield False
            return
        self.room.enter(size)
        metrics.HELD.labels(self.upstream).inc()
        try:
            yield True
        finally:
            self.room.leave(size)
            metrics.HELD.labels(self.upstream).dec()
            metrics.HELD_SECONDS.labels(self.upstream).observe(self._clock() - begun)

    async def turn(self, pause: float, seconds: float) -> Permit | None:
        """Wait for leave to call: not before `pause` seconds, and for at most `seconds`; None if they passed."""
        waiting = _Waiting(self._clock() + seconds, next(self._numbers))
        try:
            async with asyncio.timeout(seconds):
                await asyncio.sleep(pause)
                return await self._admitted(waiting)
        except TimeoutError:
            return None

    def gave_up(self, reason: str) -> None:
        """Count a keyed write that is refused although it might have waited."""
        metrics.GIVEN_UP.labels(self.upstream, reason).inc()

    async def _admitted(self, waiting: _Waiting) -> Permit:
        insort(self._waiting, waiting)
        try:
            while True:
                waiting.woken.clear()
                seconds = None
                if self._waiting[0] is waiting:
                    verdict = self.breaker.admit_held(self._clock())
                    if isinstance(verdict, Permit):
                        return verdict
                    seconds = verdict.seconds
                with suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        await waiting.woken.wait()
        finally:
            self._waiting.remove(waiting)
            self.wake()
