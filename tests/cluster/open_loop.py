"""A load that is sent at its rates whatever the answers are, and however late; and orders beside it, as fast as they go."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

import aiohttp
from tests.cluster.attempts import Attempt, ask_for_task, read_back, send

_IN_FLIGHT = 400
_HURRIED_AT_ONCE = 4
Next = Callable[[int], Attempt | None]
"""Makes the attempt of that number; none if there is nothing to try."""


class OpenLoop:
    """Attempts sent from a thread with its own event loop while the block runs, each kind at its rate a second."""

    def __init__(self, gateway: str, rates: Sequence[tuple[Next, float]], answered: list[float]) -> None:
        self._gateway, self._rates = gateway, rates
        self._answered = answered  # gets the time of each order's acknowledgement, in seconds
        self._running, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._running.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(timeout=60)
        assert not self._thread.is_alive(), "the load does not stop"

    def hurry(self, make: Next, enough: Callable[[], bool], seconds: float) -> None:
        """Sends orders beside the load, a few at a time, until there are enough or that many seconds have passed."""
        asyncio.run_coroutine_threadsafe(self._hurry(make, enough, seconds), self._loop).result()

    async def _hurry(self, make: Next, enough: Callable[[], bool], seconds: float) -> None:
        end, numbers = time.monotonic() + seconds, itertools.count()

        async def one_after_another(http: aiohttp.ClientSession) -> None:
            while not enough() and time.monotonic() < end:
                attempt = make(next(numbers))
                await self._ask(http, attempt)
                if attempt and not attempt.acknowledged:
                    await asyncio.sleep(1)  # as a client that is told to come back

        async with aiohttp.ClientSession() as http, asyncio.TaskGroup() as group:
            for _ in range(_HURRIED_AT_ONCE):
                group.create_task(one_after_another(http))

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._running.set()
        connector = aiohttp.TCPConnector(limit=_IN_FLIGHT)
        async with aiohttp.ClientSession(connector=connector) as http, asyncio.TaskGroup() as group:
            for make, rate in self._rates:
                if rate:
                    group.create_task(self._pace(http, make, rate))

    async def _pace(self, http: aiohttp.ClientSession, make: Next, rate: float) -> None:
        gate = asyncio.Semaphore(_IN_FLIGHT)
        started, number = time.monotonic(), 0
        async with asyncio.TaskGroup() as group:
            while not self._stop.is_set():
                await asyncio.sleep(max(0.0, started + number / rate - time.monotonic()))
                await gate.acquire()
                group.create_task(self._one(http, make(number), gate))
                number += 1

    async def _one(self, http: aiohttp.ClientSession, attempt: Attempt | None, gate: asyncio.Semaphore) -> None:
        try:
            await self._ask(http, attempt)
        finally:
            gate.release()

    async def _ask(self, http: aiohttp.ClientSession, attempt: Attempt | None) -> None:
        """Sends it, and asks for what it has made."""
        if attempt is None:
            return
        await send(http, self._gateway, attempt)
        if attempt.acknowledged and "task_id" in attempt.answer:
            await ask_for_task(http, self._gateway, attempt)
        if attempt.acknowledged and attempt.path == "/orders":
            self._answered.append(time.monotonic())
            await read_back(http, self._gateway, attempt)
