"""Whether writes work now: the heartbeat row on the primary is young. Cache and outbox are reported beside it.

A cache that is away or an old outbox fails no write, so neither fails the self-test; the operator reads their numbers.
"""

from __future__ import annotations

import asyncio

from hcs_services.admin import SelftestResult
from hcs_services.cache import CacheUnavailable, EntityCache
from hcs_services.database.errors import DatabaseFailure, meaning
from hcs_services.database.errors import Meaning as ErrorMeaning
from hcs_services.database.members import PrimaryPool

STALE_SECONDS = 5.0
OLD_OUTBOX_SECONDS = 30.0
_PRIMARY_SECONDS = 1.5
_CACHE_SECONDS = 0.5  # both within the admin port's bound: a pool of connections and a retry may wait longer
_AGES = (
    "SELECT (SELECT TIMESTAMPDIFF(MICROSECOND, beat_at, UTC_TIMESTAMP(6)) FROM heartbeat WHERE id = 1) AS beat,"
    " (SELECT TIMESTAMPDIFF(MICROSECOND, created_at, UTC_TIMESTAMP(6)) FROM outbox ORDER BY id LIMIT 1) AS outbox"
)


class Selftest:
    """Called by the admin port."""

    def __init__(self, pool: PrimaryPool, cache: EntityCache) -> None:
        self._pool = pool
        self._cache = cache

    async def __call__(self) -> SelftestResult:
        """Ask the primary and the cache."""
        try:
            async with asyncio.timeout(_PRIMARY_SECONDS), self._pool.connection() as connection:
                row = await connection.fetch_one(_AGES)
        except Exception as error:
            if not isinstance(error, DatabaseFailure) and meaning(error) is ErrorMeaning.OTHER:
                raise
            why = str(error)[:120] or f"none within {_PRIMARY_SECONDS} s"
            return SelftestResult(ok=False, reason="NoPrimary", message=f"No primary answers: {why}.")
        assert row is not None
        return judge(_seconds(row["beat"]), _seconds(row["outbox"]), cache_answers=await self._cache_answers())

    async def _cache_answers(self) -> bool:
        try:
            async with asyncio.timeout(_CACHE_SECONDS):
                await self._cache.get("selftest")
        except (CacheUnavailable, TimeoutError):
            return False
        return True


def judge(beat: float | None, outbox: float | None, *, cache_answers: bool) -> SelftestResult:
    """The verdict on the heartbeat's and the oldest outbox row's age in seconds (None: there is no row); pure."""
    data = {
        "heartbeatAgeSeconds": -1.0 if beat is None else round(beat, 3),
        "outboxAgeSeconds": round(outbox or 0.0, 3),
        "cacheAnswers": float(cache_answers),
    }
    if beat is None or beat > STALE_SECONDS:
        age = "never beat" if beat is None else f"last beat {beat:.0f} s ago"
        return SelftestResult(
            ok=False, reason="HeartbeatStale", message=f"The relay's heart {age}: writes do not commit.", data=data
        )
    if not cache_answers:
        return SelftestResult(
            ok=True, reason="CacheUnavailable", message="Writes commit; the cache takes no updates now.", data=data
        )
    if outbox is not None and outbox > OLD_OUTBOX_SECONDS:
        return SelftestResult(
            ok=True, reason="OutboxOld", message=f"Writes commit; the outbox is {outbox:.0f} s behind.", data=data
        )
    return SelftestResult(ok=True, reason="WritesCommit", message="Writes commit.", data=data)


def _seconds(microseconds: int | None) -> float | None:
    return None if microseconds is None else max(0.0, microseconds / 1e6)
