"""Fills what is read most again when Redis has come back empty, so that the hit rate need not wait for users' misses.

1. The cache was emptied if its horizons began anew (`hcs_services.cache.scripts`, rule 3): they do so at the first put
   or fill after a restart, a flush or a failover to an empty server, and at no other time but their own eviction. Then
   there is little to do, since what is held is not loaded.
2. The hottest rows go first, by the way of users' misses: the same leases, statements, permits and rules for fills. So
   several processes share the work, nobody loads what another does, and nothing out of date can be stored.
3. Until the database's heartbeat is past the new horizon nothing can be stored; and database or Redis may be away.
   Then the same rows are tried again a moment later.
4. It never has more than a share of the permits, rests between two statements, and ends: with the last row, or when its
   time is over.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Iterable
from itertools import compress

import structlog
from prometheus_client import Counter as Metric
from prometheus_client import Gauge

from hcs_services.cache import CacheUnavailable, EntityCache, FillOutcome
from hcs_services.read_api.cached_reads import CachedReads
from hcs_services.read_api.heavy_hitters import HeavyHitters
from hcs_services.read_api.rows import Row, Table
from hcs_services.read_api.together import SIZE

WARM_UPS = Metric(
    "hcs_read_warm_ups_total",
    "How often this process found the cache emptied and filled what is read most: to the end (done), or not (late).",
    ["ended"],
)
WARMED = Metric(
    "hcs_read_warm_up_keys_total",
    "Keys that a warm-up came to, by what it did: filled, held (in the cache already), or left (to another's lease, or "
    "refused by the cache's rules).",
    ["outcome"],
)
WARMING = Gauge("hcs_read_warming", "1 while this process fills an emptied cache again.")
WINDOW_SECONDS = 120.0
"""How far back what is hot is remembered, twice: short enough that a process's memory is level within minutes."""
_SHARE = 4
"""One permit of so many is a warm-up's."""
_LOOK_SECONDS = 0.5
_REST_SECONDS = 0.01
_AGAIN_SECONDS = 0.25
_AT_MOST_SECONDS = 30.0
_NOT_TAKEN = {FillOutcome.UNPROVEN, FillOutcome.NO_MEMORY, None}
_log = structlog.get_logger(__name__)


class WarmUp:
    """Watches for an emptied cache. `permits`: the statements that may be at one kind of server at once."""

    def __init__(
        self,
        cache: EntityCache,
        reads: CachedReads,
        hot: HeavyHitters[Row],
        *,
        permits: int,
        again: float = _AGAIN_SECONDS,
        at_most: float = _AT_MOST_SECONDS,
    ) -> None:
        self._cache = cache
        self._reads = reads
        self._hot = hot
        self._abreast = max(1, permits // _SHARE)
        self._again = again
        self._at_most = at_most
        self._began: float | None = None

    async def watch(self) -> None:
        """Look for ever. Run in the Background."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            if await self.emptied():
                await self.run()

    async def emptied(self) -> bool:
        """Whether the cache was emptied between two looks; the first one cannot tell."""
        try:
            began = await self._cache.horizons_began()
        except CacheUnavailable:
            return False
        if began is None:
            return False  # nothing has been stored since, so nobody reads; whoever does starts the horizons
        before, self._began = self._began, began
        return before is not None and before != began

    async def run(self) -> Counter[str]:
        """Fill what is hot; how many keys were filled, held and left."""
        started, hottest, done = time.monotonic(), self._hot.hottest(), Counter[str]()
        _log.info("the cache was emptied: a warm-up begins", keys=len(hottest))
        ended, waiting = "done", deque(batches(hottest))
        try:
            with WARMING.track_inprogress():
                async with asyncio.timeout(self._at_most), asyncio.TaskGroup() as group:
                    for _ in range(self._abreast):
                        group.create_task(self._work_off(waiting, done))
        except TimeoutError:
            ended = "late"
        WARM_UPS.labels(ended).inc()
        seconds = round(time.monotonic() - started, 3)
        _log.info("the warm-up has ended", ended=ended, seconds=seconds, keys=len(hottest), **done)
        return done

    async def _work_off(self, waiting: deque[list[Row]], done: Counter[str]) -> None:
        while waiting:
            batch = waiting.popleft()
            outcomes = await self._fill(batch)
            if outcomes is None:
                waiting.appendleft(batch)
                await asyncio.sleep(self._again)
                continue
            done.update(outcomes)
            for outcome, count in outcomes.items():
                WARMED.labels(outcome).inc(count)
            await asyncio.sleep(_REST_SECONDS)

    async def _fill(self, batch: list[Row]) -> dict[str, int] | None:
        """Load what is not held; None if nothing could be read or stored for now."""
        try:
            absent = await self._cache.absent([row.key for row in batch])
            answers = await self._reads.refill(compress(batch, absent))
        except Exception as error:  # noqa: BLE001 - whatever it is, users' reads meet it too, and are told
            _log.debug("a warm-up waits", error=str(error)[:200])
            return None
        fills = [answer.filled for answer in answers if answer is not None and not answer.from_cache]
        if fills and _NOT_TAKEN.issuperset(fills):
            return None
        filled, newer_held = fills.count(FillOutcome.STORED), fills.count(FillOutcome.NEWER_HELD)
        left = answers.count(None) + len(fills) - filled - newer_held
        return {"filled": filled, "held": len(batch) - filled - left, "left": left}


def batches(rows: Iterable[Row]) -> list[list[Row]]:
    """The rows by the statements that read them, of one table each, in the order in which their first rows come."""
    found, begun = list[list[Row]](), dict[Table, list[Row]]()
    for row in rows:
        batch = begun.get(row.table)
        if batch is None or len(batch) == SIZE:
            batch = begun[row.table] = []
            found.append(batch)
        batch.append(row)
    return found
