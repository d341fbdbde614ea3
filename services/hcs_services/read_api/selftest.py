"""Does reading work right now? The heartbeat row is read at a replica, else at the primary, and sent through the cache.

While no primary shows itself, `frozen_since` and `frozen_until` (Unix seconds) say what the replicas' answers are of,
and for how long they may serve: the operator tells both in the condition ReadsAvailable.

Not through the users' read path: a self-test is neither a user's read for the metrics nor something to be shed.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Any, Protocol

from hcs_services.admin import SelftestResult
from hcs_services.cache import CacheUnavailable, EntityCache
from hcs_services.database.errors import ReadersTooOld
from hcs_services.database.staleness import Outage, stamp
from hcs_services.read_api.sources import Primary, Session

_HEARTBEAT = "SELECT beat_at FROM heartbeat WHERE id = 1"
_STEP_SECONDS = 0.7  # two steps at the database and one at the cache, within the admin port's bound


class ObservedReplicas(Protocol):
    """The part of `ReaderPool` used here."""

    def reader(self, token_gtid: str | None = None) -> AbstractAsyncContextManager[Session]:
        """A session on an eligible replica; raises NoReader."""

    def eligible(self) -> list[Any]:
        """The replicas that may serve."""

    def outage(self) -> Outage | None:
        """What bounds them while no primary shows itself."""


class Selftest:
    """The read API's self-test; `own_key` is this process's alone, so that two never meet in the cache."""

    def __init__(self, cache: EntityCache, replicas: ObservedReplicas, primary: Primary) -> None:
        self._cache = cache
        self._replicas = replicas
        self._primary = primary
        self._own_key = f"selftest:{secrets.token_hex(8)}"

    async def run(self) -> SelftestResult:
        """Ok while users' reads can be answered; the message says what is missing all the same."""
        outage = self._replicas.outage()
        data: dict[str, float] = {"replicas": len(self._replicas.eligible())}
        if outage:
            data |= {"frozen_since": outage.since, "frozen_until": outage.until}
        found, missing, too_old = await self._read()
        if found is None:
            data["cache"] = 0
            if too_old:
                return SelftestResult(ok=False, reason="ReadersTooOld", message=missing, data=data)
            return SelftestResult(ok=False, reason="DatabaseUnreachable", message=missing, data=data)
        if found["beat_at"] is not None:
            data["heartbeat_age_seconds"] = max(0.0, time.time() - found["beat_at"].replace(tzinfo=UTC).timestamp())
        figures, cache_error = await self._through_cache(found["beat_at"])
        data |= figures | {"cache": 0 if cache_error else 1}
        if cache_error:
            message = f"Reads go to the database, the cache does not answer: {cache_error}. {missing}".strip()
            return SelftestResult(ok=True, reason="CacheUnavailable", message=message, data=data)
        if missing:
            return SelftestResult(ok=True, reason="NoReplica", message=missing, data=data)
        if outage:
            message = f"Replicas serve what they had at {stamp(outage.since)}, when a primary was seen last."
            return SelftestResult(ok=True, reason="StaleReads", message=message, data=data)
        return SelftestResult(ok=True, reason="ReadsWork", message="Replica and cache answer.", data=data)

    async def _read(self) -> tuple[dict[str, Any] | None, str, bool]:
        """The heartbeat's row (its time None if there was never one), what is missing, in a sentence, and whether the
        replicas are too old to serve without a primary.
        """
        try:
            async with asyncio.timeout(_STEP_SECONDS), self._replicas.reader() as session:
                return await session.fetch_one(_HEARTBEAT) or {"beat_at": None}, "", False
        except Exception as error:  # noqa: BLE001 - whatever keeps the replicas from answering, the primary is next
            replica_error, too_old = _sentence(error), isinstance(error, ReadersTooOld)
        try:
            async with asyncio.timeout(_STEP_SECONDS), self._primary.connection() as session:
                row = await session.fetch_one(_HEARTBEAT) or {"beat_at": None}
        except Exception as error:  # noqa: BLE001 - the finding is that nobody answers
            return None, f"No replica answers ({replica_error}), nor does the primary ({_sentence(error)}).", too_old
        return row, f"The primary serves all reads that miss the cache; no replica answers ({replica_error}).", False

    async def _through_cache(self, beat_at: datetime | None) -> tuple[dict[str, float], str]:
        """Write and read back: the cache's own figures, or why there are none."""
        mark = str(beat_at).encode()
        try:
            async with asyncio.timeout(_STEP_SECONDS):
                await self._cache.store_page(self._own_key, self._cache.loaded(1, mark))
                held = await self._cache.get(self._own_key)
                figures = await self._cache.figures()
        except (CacheUnavailable, TimeoutError) as error:
            return {}, _sentence(error)
        if held is None or held.data != mark:
            return {}, "what was written could not be read back"
        # the operator has no way into Redis: it knows the cache by these
        return {f"cache_{name}": value for name, value in figures._asdict().items()}, ""


def _sentence(error: BaseException) -> str:
    return (str(error) or type(error).__name__)[:200]
