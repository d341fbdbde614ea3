"""The relay: one leading pod beats the heart, empties the outbox and sweeps what has had its time.

Cache rows and queue rows are worked on by loops of their own, so that a broker that is away delays no cache refresh
and a Redis that is away no mail.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import structlog
from prometheus_client import Gauge

from hcs_services import request_context
from hcs_services.database.connection import Connection
from hcs_services.database.members import PrimaryPool
from hcs_services.settings import Settings
from hcs_services.write_api import outbox, retention
from hcs_services.write_api.lease import Lease
from hcs_services.write_api.outbox import OutboxRow, Publishing
from hcs_services.write_api.unit import Cache

BEAT_SECONDS = 1.0
_IDLE_SECONDS = 0.25  # between looks at an empty outbox; a commit of this process is noticed at once
_TROUBLE_SECONDS = 1.0
_TURN_SECONDS = 15.0  # one turn of a loop: a deadline for its waits on the pool
_BEAT = (
    "INSERT INTO heartbeat (id, beat_at) VALUES (1, UTC_TIMESTAMP(6))"
    " ON DUPLICATE KEY UPDATE beat_at = UTC_TIMESTAMP(6)"
)

LEADING = Gauge("hcs_relay_leading", "1 while this process leads the relay.")

_log = structlog.get_logger(__name__)

Deliver = Callable[[Sequence[OutboxRow], Connection], Awaitable[set[int]]]


class Relay:
    """Spawn `lead`, `relay_cache`, `relay_tasks` and `sweep`; `committed` wakes them after a commit of this process."""

    def __init__(self, pool: PrimaryPool, cache: Cache, publisher: Publishing, settings: Settings, holder: str) -> None:
        self._pool = pool
        self._cache = cache
        self._publisher = publisher
        self._settings = settings
        self._lease = Lease(holder, settings.relay_lease_seconds)
        self._leading = asyncio.Event()
        self._wake = {outbox.CACHE_KINDS: asyncio.Event(), outbox.TASK_KINDS: asyncio.Event()}

    def committed(self) -> None:
        """There is something in the outbox."""
        for event in self._wake.values():
            event.set()

    async def lead(self) -> None:
        """Hold the lease, and beat the heart each second while it is held."""
        while True:
            request_context.set_deadline(None)
            started = time.monotonic()
            try:
                async with asyncio.timeout(self._settings.relay_lease_seconds), self._pool.connection() as connection:
                    leads = await self._lease.hold(connection)
                    if leads:
                        await connection.execute(_BEAT)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is not leading now and tries again
                _log.info("no lease", error=str(error)[:200])
                leads = False
            self._set_leading(leads=leads)
            spent = time.monotonic() - started
            await asyncio.sleep(max(0.1, BEAT_SECONDS - spent))

    async def relay_cache(self) -> None:
        """Refresh the cache from the outbox for ever."""
        await self._relay(outbox.CACHE_KINDS, lambda rows, tx: outbox.refresh(rows, tx, self._cache))

    async def relay_tasks(self) -> None:
        """Publish tasks and refunds from the outbox for ever."""
        timeout = self._settings.publish_timeout
        await self._relay(outbox.TASK_KINDS, lambda rows, _tx: outbox.publish(rows, self._publisher, timeout))

    async def sweep(self) -> None:
        """Delete what has had its time, in small batches, for ever."""
        while True:
            await self._leading.wait()
            pause = retention.PAUSE_SECONDS
            request_context.set_deadline(None)
            try:
                async with self._pool.connection() as connection:
                    pause = await retention.sweep(connection, self._settings)
            except Exception as error:  # noqa: BLE001 - swept next time
                _log.info("sweep failed", error=str(error)[:200])
            await asyncio.sleep(pause)

    async def stop(self) -> None:
        """Give the lease up, so that another pod leads within a second."""
        if self._leading.is_set():
            self._set_leading(leads=False)
            with suppress(Exception):
                async with asyncio.timeout(1), self._pool.connection() as connection:
                    await self._lease.give_up(connection)

    async def turn(self, kinds: tuple[str, ...], deliver: Deliver) -> tuple[int, int]:
        """One batch: take, deliver, delete; returns how many rows were taken and how many are done."""
        async with self._pool.transaction() as tx:
            rows = await outbox.take(tx, kinds, self._settings.relay_batch)
            done = await deliver(rows, tx) if rows else set()
            await outbox.settle(tx, rows, done)
        return len(rows), len(done)

    async def _relay(self, kinds: tuple[str, ...], deliver: Deliver) -> None:
        while True:
            await self._leading.wait()
            self._wake[kinds].clear()
            request_context.set_deadline(time.monotonic() + _TURN_SECONDS)
            try:
                taken, done = await self.turn(kinds, deliver)
            except Exception as error:  # noqa: BLE001 - an outbox in trouble must not take the writes down with it
                _log.warning("outbox not relayed", kinds=kinds, error=f"{type(error).__name__}: {str(error)[:200]}")
                taken, done = 1, 0
            if done < taken:
                await asyncio.sleep(_TROUBLE_SECONDS)
            elif taken < self._settings.relay_batch:
                with suppress(TimeoutError):
                    async with asyncio.timeout(_IDLE_SECONDS):
                        await self._wake[kinds].wait()

    def _set_leading(self, *, leads: bool) -> None:
        LEADING.set(leads)
        if leads and not self._leading.is_set():
            _log.info("leading")
            self._leading.set()
        elif not leads:
            self._leading.clear()
