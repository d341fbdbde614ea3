"""How many statements of reads may be at a server at once. Beyond that a few wait a moment, the rest are shed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prometheus_client import Counter, Gauge

from hcs_services import request_context
from hcs_services.problem import problem

SHED = Counter(
    "hcs_read_shed_total",
    "Statements of reads refused (503) because too many were at the replicas or at the primary.",
    ["source"],
)
AT_DATABASE = Gauge(
    "hcs_read_at_database", "Statements of reads that are at the replicas or at the primary now.", ["source"]
)
_WAITING_FOR_EACH = 4
_PATIENCE_SECONDS = 0.5


class Admission:
    """A semaphore with a short queue; raises the problem `overloaded` instead of letting the queue grow."""

    def __init__(self, source: str, permits: int, *, patience: float = _PATIENCE_SECONDS) -> None:
        self._source = source
        self._permits = asyncio.Semaphore(permits)
        self._places = permits * _WAITING_FOR_EACH
        self._patience = patience
        self._waiting = 0

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Hold one permit."""
        if self._waiting >= self._places:
            raise self._shed()
        self._waiting += 1
        try:
            async with asyncio.timeout(request_context.remaining(self._patience)):
                await self._permits.acquire()
        except TimeoutError:
            raise self._shed() from None
        finally:
            self._waiting -= 1
        with AT_DATABASE.labels(self._source).track_inprogress():
            try:
                yield
            finally:
                self._permits.release()

    def _shed(self) -> Exception:
        SHED.labels(self._source).inc()
        return problem("overloaded", f"Too many reads wait for the {self._source}.", retry_after=1)
