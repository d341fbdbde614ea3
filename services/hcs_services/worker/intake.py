"""Deliveries in our hands: at most `concurrency` run at once, the others wait their turn in order of arrival."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress

from prometheus_client import Gauge

from hcs_services.queue import Delivery

IN_FLIGHT = Gauge("hcs_worker_in_flight", "Deliveries that this worker holds: running, or waiting for their turn.")


class Intake:
    """Takes deliveries from the consumer and runs them. An exception out of `run` is a bug and ends `supervise`."""

    def __init__(
        self,
        run: Callable[[Delivery], Awaitable[None]],
        concurrency: int,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._run = run
        self._concurrency = concurrency
        self._clock = clock
        self._waiting: deque[tuple[Delivery, float]] = deque()
        self._running: dict[asyncio.Task[None], float] = {}
        self._idle = asyncio.Event()
        self._idle.set()
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def in_flight(self) -> int:
        """Deliveries held."""
        return len(self._running) + len(self._waiting)

    @property
    def oldest_seconds(self) -> float:
        """How long the oldest of them has been here; 0 without any."""
        arrivals = [*self._running.values(), *(at for _, at in self._waiting)]
        return self._clock() - min(arrivals) if arrivals else 0.0

    def take(self, delivery: Delivery) -> None:
        """Accept a delivery; called by the consumer, returns at once."""
        self._waiting.append((delivery, self._clock()))
        self._start()

    def give_back(self) -> int:
        """Requeue what has not been started; returns how many."""
        count = len(self._waiting)
        while self._waiting:
            self._waiting.popleft()[0].requeue()
        self._settle()
        return count

    async def idle(self, seconds: float) -> bool:
        """Wait until nothing is held, at most `seconds`; whether that came."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        return self._idle.is_set()

    async def supervise(self) -> None:
        """Never returns; raises what a run raised."""
        await asyncio.shield(self._failed)

    def _start(self) -> None:
        while self._waiting and len(self._running) < self._concurrency:
            delivery, arrived = self._waiting.popleft()
            task = asyncio.create_task(self._guarded(delivery), name="delivery")
            self._running[task] = arrived
            task.add_done_callback(self._ended)
        self._settle()

    async def _guarded(self, delivery: Delivery) -> None:
        try:
            await self._run(delivery)
        except Exception as error:
            if not self._failed.done():
                self._failed.set_exception(error)
            raise

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task, None)
        if not task.cancelled():
            task.exception()  # retrieved: `supervise` raises it
        self._start()

    def _settle(self) -> None:
        IN_FLIGHT.set(self.in_flight)
        if self.in_flight:
            self._idle.clear()
        else:
            self._idle.set()
