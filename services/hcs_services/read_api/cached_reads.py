"""The cache-aside read of one entity: L1 → Redis → one load under a lease.

Of all readers that miss, in all processes, the one with the lease loads; the others serve what is still held in its
grace, else wait a moment for the fill, else read the database without filling. What a fill may store is decided by
the cache's own rules (`hcs_services.cache.scripts`), never here.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Literal, NamedTuple

from prometheus_client import Counter

from hcs_services.cache import CacheUnavailable, EntityCache, Entry, FillOutcome
from hcs_services.cache.entry import VALUE
from hcs_services.problem import Problem
from hcs_services.read_api.demand import Want
from hcs_services.read_api.local_cache import LocalCache
from hcs_services.read_api.singleflight import Singleflight
from hcs_services.read_api.sources import Query, Snapshot, Sources, lost_write

STALE = Counter(
    "hcs_read_stale_total",
    "Answers from an expired entry, while another read fills it (lease_lost) or no database takes a read (refused).",
    ["reason"],
)
REFRESHES = Counter(
    "hcs_read_refreshes_total", "Entries that were renewed before their expiry, because they are read much."
)
_LOSER_WAITS = (0.01, 0.02, 0.04, 0.08)  # seconds, each ± 50 %
_REFRESHES_AT_ONCE = 8


class Answer(NamedTuple):
    """An entry and where it came from; `relaxed` if it may be older than the request's token."""

    entry: Entry
    source: Literal["l1", "cache", "replica", "primary"]
    relaxed: bool = False

    @property
    def from_cache(self) -> bool:
        """Whether no database server was asked."""
        return self.source in {"l1", "cache"}


class CachedReads:
    """Reads of entities through all levels. `clock` is Unix time, `uniform` draws from [0, 1)."""

    def __init__(
        self,
        cache: EntityCache,
        local: LocalCache,
        sources: Sources,
        *,
        flight_seconds: float,
        clock: Callable[[], float] = time.time,
        uniform: Callable[[], float] = random.random,
    ) -> None:
        self._cache = cache
        self._local = local
        self._sources = sources
        self._flights: Singleflight[Answer] = Singleflight(flight_seconds)
        self._refreshing: set[str] = set()
        self._refreshes: set[asyncio.Task[None]] = set()
        self._clock = clock
        self._uniform = uniform

    async def read(self, key: str, query: Query, want: Want) -> Answer:
        """The entity in a state that meets the demand; raises 503 problems."""
        found = await self.lookup(key, want)
        if found is not None:
            if found.source == "cache" and self._refresh_due(found.entry):
                self._refresh(key, query)
            return found
        work = self._direct if want.skip_caches else self._miss
        try:
            return await self.fly((key, want), lambda: work(key, query, want))
        except Problem as refusal:
            fallback = await self._fallback(key, query, want, refusal)
            if fallback is None:
                raise
            return fallback

    async def fly(self, name: object, work: Callable[[], Awaitable[Answer]]) -> Answer:
        """Join the flight of that name, or start it."""
        return await self._flights.run(name, work)

    async def lookup(self, key: str, want: Want, *, expired: bool = False) -> Answer | None:
        """What L1 or Redis holds that meets the demand; with `expired`, past its logical life too."""
        if want.skip_caches:
            return None
        entry = self._local.get(key)
        if entry is not None and self._serves(entry, want, expired=expired):
            return Answer(entry, "l1")
        try:
            entry = await self._cache.get(key)
        except CacheUnavailable:
            return None
        if entry is None or not self._serves(entry, want, expired=expired):
            return None
        self._local.put(key, entry)
        return Answer(entry, "cache")

    def remember(self, key: str, entry: Entry) -> None:
        """Put an entry into L1."""
        self._local.put(key, entry)

    def entry_of(self, snapshot: Snapshot, started: float) -> Entry:
        """The entry for a snapshot whose load began at `started` (monotonic)."""
        delta_ms = int((time.monotonic() - started) * 1000)
        return self._cache.loaded(snapshot.version, snapshot.data, delta_ms=delta_ms)

    async def close(self) -> None:
        """Cancel loads and refreshes under way."""
        for task in self._refreshes:
            task.cancel()
        await asyncio.gather(*self._refreshes, return_exceptions=True)
        await self._flights.close()

    # -- the parts ------------------------------------------------------------------------------------------------

    def _serves(self, entry: Entry, want: Want, *, expired: bool = False) -> bool:
        return entry.version >= want.version and (expired or not entry.expired(self._clock() * 1000))

    async def _direct(self, _key: str, query: Query, want: Want) -> Answer:
        started = time.monotonic()
        snapshot = await self._sources.read(query, want)
        return _checked(Answer(self.entry_of(snapshot, started), snapshot.source), want)

    async def _miss(self, key: str, query: Query, want: Want) -> Answer:
        try:
            lease = await self._cache.acquire(key)
        except CacheUnavailable:
            answer = await self._direct(key, query, want)
            self._local.put(key, answer.entry)  # all that is left to take the heat off the database
            return answer
        held = lease.entry
        if held is not None and self._serves(held, want):
            if lease.token is not None:
                await self._cache.release(key, lease.token)
            return Answer(held, "cache")
        if lease.token is not None:
            return await self._load(key, query, want, lease.token)
        if held is not None and held.flag == VALUE and self._serves(held, want, expired=True):
            STALE.labels("lease_lost").inc()
            return Answer(held, "cache")
        return await self._await_fill(key, want) or await self._direct(key, query, want)

    async def _await_fill(self, key: str, want: Want) -> Answer | None:
        for pause in _LOSER_WAITS:
            await asyncio.sleep(pause * (0.5 + self._uniform()))
            found = await self.lookup(key, want)
            if found is not None:
                return found
        return None

    async def _load(self, key: str, query: Query, want: Want, lease: str) -> Answer:
        started = time.monotonic()
        try:
            snapshot = await self._sources.read(query, want)
        except BaseException:
            await asyncio.shield(self._cache.release(key, lease))
            raise
        entry = self.entry_of(snapshot, started)
        outcome = await self._cache.fill(key, entry, lease=lease, as_of=snapshot.as_of)
        if outcome not in {FillOutcome.LEASE_VOID, FillOutcome.NEWER_HELD}:
            self._local.put(key, entry)
        return _checked(Answer(entry, snapshot.source), want)

    async def _fallback(self, key: str, query: Query, want: Want, refusal: Problem) -> Answer | None:
        """An older answer where one is allowed: in grace without a token, or because the client is relaxed."""
        if refusal.status != 503 or want.primary:
            return None
        stale = await self.lookup(key, want.without_token() if want.relaxed else want, expired=True)
        if stale is not None and stale.entry.flag == VALUE:
            STALE.labels("refused").inc()
            return Answer(stale.entry, stale.source, relaxed=want.relaxed)
        if not want.relaxed:
            return None
        answer = await self.fly((key, Want()), lambda: self._direct(key, query, Want()))
        return Answer(answer.entry, answer.source, relaxed=True)

    def _refresh_due(self, entry: Entry) -> bool:
        return entry.flag == VALUE and entry.refresh_due(self._clock() * 1000, 1.0 - self._uniform())

    def _refresh(self, key: str, query: Query) -> None:
        if key in self._refreshing or len(self._refreshing) >= _REFRESHES_AT_ONCE:
            return
        self._refreshing.add(key)
        task = asyncio.create_task(self._renew(key, query))
        self._refreshes.add(task)
        task.add_done_callback(self._refreshes.discard)
        task.add_done_callback(lambda _: self._refreshing.discard(key))

    async def _renew(self, key: str, query: Query) -> None:
        async def under_lease() -> Answer:
            lease = await self._cache.acquire(key)
            if lease.token is None and lease.entry is not None:
                return Answer(lease.entry, "cache")
            if lease.token is None:
                return await self._direct(key, query, Want())
            REFRESHES.inc()
            return await self._load(key, query, Want(), lease.token)

        try:
            await self.fly((key, "refresh"), under_lease)
        except (Problem, CacheUnavailable):
            return  # the entry lives on; a later reader tries again


def _checked(answer: Answer, want: Want) -> Answer:
    """An answer older than the version that the token names: its transaction was lost and its GTID used again."""
    if answer.entry.version < want.version:
        raise lost_write()
    return answer
