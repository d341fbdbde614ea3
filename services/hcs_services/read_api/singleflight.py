"""One load at a time for each key in this process; whoever asks meanwhile shares its outcome."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from hcs_services import request_context

T = TypeVar("T")


class Singleflight(Generic[T]):
    """A flight is a task of its own with a time of its own: a caller who gives up takes nobody else down."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._flights: dict[Hashable, asyncio.Task[T]] = {}

    async def run(self, key: Hashable, load: Callable[[], Awaitable[T]]) -> T:
        """The outcome of the flight under way for this key, or of a new one."""
        flight = self._flights.get(key)
        if flight is None:
            flight = asyncio.create_task(self._fly(load))
            self._flights[key] = flight
            flight.add_done_callback(lambda done: self._land(key, done))
        return await asyncio.shield(flight)

    async def close(self) -> None:
        """Cancel what is under way."""
        flights = list(self._flights.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    async def _fly(self, load: Callable[[], Awaitable[T]]) -> T:
        request_context.set_deadline(time.monotonic() + self._seconds)
        return await load()

    def _land(self, key: Hashable, done: asyncio.Task[T]) -> None:
        self._flights.pop(key, None)
        if not done.cancelled():
            done.exception()  # everyone who waited has it; nobody may have waited
