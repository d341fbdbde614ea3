"""Looks for the fault that must not exist: a cached state that differs from the primary's and stays so.

A few of the keys that users have just read are compared. A difference may be a write on its way to the cache, so it
counts only if it is still there well after it was seen: the cached state the same, and the primary's still another.
The primary is asked again, because what it said first may have been the last words of one that was cut off.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import structlog
from prometheus_client import Counter

from hcs_services.cache import CacheUnavailable, EntityCache
from hcs_services.cache.entry import VALUE
from hcs_services.identifiers import parse_order_id
from hcs_services.problem import Problem
from hcs_services.read_api import rows
from hcs_services.read_api.local_cache import LocalCache
from hcs_services.read_api.sources import Session, Snapshot, Sources

INCONSISTENT = Counter(
    "hcs_cache_inconsistent_total", "Cached states found to differ from the primary's for good; must stay 0."
)
SAMPLED = Counter("hcs_cache_sampled_total", "Cached states that were compared with the primary's.")
_KEYS = 16
_log = structlog.get_logger(__name__)


class Sampler:
    """Compares `_KEYS` keys every `period` seconds and again, where they differ, after `settle` seconds."""

    def __init__(
        self, cache: EntityCache, local: LocalCache, sources: Sources, *, period: float = 5.0, settle: float = 15.0
    ) -> None:
        self._cache = cache
        self._local = local
        self._sources = sources
        self._period = period
        self._settle = settle

    async def watch(self) -> None:
        """Sample for ever. Run in the Background."""
        while True:
            await asyncio.sleep(self._period)
            await self.sample(self._local.recent(_KEYS))

    async def sample(self, keys: Iterable[str]) -> int:
        """Compare these keys; returns how many are inconsistent."""
        try:
            suspects = await self._differing(keys)
            if not suspects:
                return 0
            await asyncio.sleep(self._settle)
            still = await self._differing(suspects)
        except (CacheUnavailable, Problem):
            return 0  # nothing can be said now
        stayed = [key for key, version in suspects.items() if still.get(key) == version]
        for key in stayed:
            _log.error("cache inconsistent", key=key, cached=suspects[key])
        INCONSISTENT.inc(len(stayed))
        return len(stayed)

    async def _differing(self, keys: Iterable[str]) -> dict[str, int]:
        """Keys whose cached version is not the primary's, with the cached one. The cache is read first: a commit in
        between makes a difference that passes.
        """
        held = await self._held(keys)
        SAMPLED.inc(len(held))
        current = await self._current(list(held))
        return {key: version for key, version in held.items() if current.get(key) != version}

    async def _held(self, keys: Iterable[str]) -> dict[str, int]:
        found = {}
        for key in keys:
            if key.startswith(("o:", "p:")):
                entry = await self._cache.get(key)
                if entry is not None and entry.flag == VALUE:
                    found[key] = entry.version
        return found

    async def _current(self, keys: list[str]) -> dict[str, int]:
        """The primary's versions; a key without a row is absent."""
        if not keys:
            return {}
        orders = [parse_order_id(key[2:]) for key in keys if key.startswith("o:")]
        products = [key[2:] for key in keys if key.startswith("p:")]
        current: dict[str, int] = {}

        async def query(session: Session) -> list[Snapshot]:
            for kind, ids in (("o", orders), ("p", products)):
                found = await rows.versions(session, kind, ids)
                current.update({f"{kind}:{name}": version for name, version in found.items()})
            return []

        await self._sources.from_primary(query)
        return current
