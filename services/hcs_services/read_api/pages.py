"""Pages of a user's orders.

The list's generation (the version of its `user_lists` row, which every order transaction of the user raises) is cached
under a lease like an entity. A page lies under a key with the generation that its own snapshot had: it can be missing
or out of reach, but never wrong.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from hcs_services.cache import CacheUnavailable, EntityCache, list_key, page_key
from hcs_services.problem import Problem
from hcs_services.read_api import rows
from hcs_services.read_api.cached_reads import Answer, CachedReads
from hcs_services.read_api.demand import Want
from hcs_services.read_api.sources import Snapshot, Sources, lost_write


@dataclass(frozen=True, slots=True)
class Page:
    """Which page: up to `limit` orders of the user below the order `after` (its public form is `cursor`)."""

    user_id: str
    limit: int
    cursor: str = ""
    after: int | None = None

    def key(self, generation: int) -> str:
        """Where it is cached."""
        return page_key(self.user_id, generation, self.limit, self.cursor)


class PageReads:
    """Reads of pages through all levels."""

    def __init__(self, cached: CachedReads, cache: EntityCache, sources: Sources) -> None:
        self._cached = cached
        self._cache = cache
        self._sources = sources

    async def read(self, page: Page, want: Want) -> Answer:
        """The page in a state that meets the demand on the user's list; raises 503 problems."""
        known = await self._cached.lookup(list_key(page.user_id), want)
        found = None if known is None else await self._cached.lookup(page.key(known.entry.version), Want())
        if found is not None:
            return found
        leased = known is None and not want.skip_caches
        try:
            return await self._cached.fly((page, want, leased), lambda: self._load(page, want, leased=leased))
        except Problem as refusal:
            fallback = await self._fallback(page, want, refusal)
            if fallback is None:
                raise
            return fallback

    async def _load(self, page: Page, want: Want, *, leased: bool) -> Answer:
        key = list_key(page.user_id)
        lease = await self._lease(key) if leased else None
        started = time.monotonic()
        try:
            (snapshot,) = await self._sources.read(rows.page(page.user_id, page.limit, page.after), want)
        except BaseException:
            if lease is not None:
                await self._cache.release(key, lease)
            raise
        if snapshot.version < want.version:
            raise lost_write()
        if lease is not None:
            generation = self._cached.entry_of(_generation(snapshot), started)
            await self._cache.fill(key, generation, lease=lease, as_of=snapshot.as_of)
        entry = self._cached.entry_of(snapshot, started)
        if not want.skip_caches:
            await self._cache.store_page(page.key(snapshot.version), entry)
        return Answer(entry, snapshot.source)

    async def _lease(self, key: str) -> str | None:
        try:
            return (await self._cache.acquire(key)).token
        except CacheUnavailable:
            return None

    async def _fallback(self, page: Page, want: Want, refusal: Problem) -> Answer | None:
        """An older page where one is allowed: in grace without a token, or because the client is relaxed."""
        if refusal.status != 503 or want.primary:
            return None
        wanted = want.without_token() if want.relaxed else want
        known = await self._cached.lookup(list_key(page.user_id), wanted, expired=True)
        if known is not None:
            found = await self._cached.lookup(page.key(known.entry.version), Want(), expired=True)
            if found is not None:
                return found._replace(relaxed=want.relaxed)
        if not want.relaxed:
            return None
        answer = await self._cached.fly((page, Want(), False), lambda: self._load(page, Want(), leased=False))
        return answer._replace(relaxed=True)


def _generation(snapshot: Snapshot) -> Snapshot:
    """The entry of the list itself; a user without a list has none, which is remembered as briefly as any absence."""
    return snapshot._replace(data=b'{"version":%d}' % snapshot.version if snapshot.version else None)
