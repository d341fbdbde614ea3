"""The cache-aside read of one entity: L1 → Redis → one load under a lease, together with others that miss.

Of all readers that miss, in all processes, the one with the lease loads; the others serve what is still held in its
grace, else wait a moment for the fill, else read the database without filling. What a fill may store is decided by
the cache's own rules (`hcs_services.cache.scripts`), never here.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from prometheus_client import Counter

from hcs_services.cache import CacheUnavailable, EntityCache, Entry, Fill, FillOutcome, Lease
from hcs_services.cache.entry import VALUE
from hcs_services.problem import Problem
from hcs_services.read_api.demand import Want
from hcs_services.read_api.heavy_hitters import HeavyHitters
from hcs_services.read_api.local_cache import LocalCache
from hcs_services.read_api.rows import Row, Table
from hcs_services.read_api.singleflight import Singleflight
from hcs_services.read_api.sources import Snapshot, Sources, lost_write
from hcs_services.read_api.together import Together

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
    """An entry and where it came from; `relaxed` if it may be older than the request's token.

    `filled`: what became of the fill of what was read under a lease; None without one, or if Redis did not answer.
    """

    entry: Entry
    source: Literal["l1", "cache", "replica", "primary"]
    relaxed: bool = False
    filled: FillOutcome | None = None

    @property
    def from_cache(self) -> bool:
        """Whether no database server was asked."""
        return self.source in {"l1", "cache"}


class CachedReads:
    """Reads of entities through all levels. `clock` is Unix time, `uniform` draws from [0, 1).

    `hot` counts the rows that Redis answers. What L1 answers is not counted, so its way costs nothing, and the order
    stays: a row that is read r times a second passes an L1 of one second r ÷ (1 + r) times. Nor are misses: a row that
    is not read again before its entry ends is not hot, however many such rows there are.
    """

    def __init__(
        self,
        cache: EntityCache,
        local: LocalCache,
        sources: Sources,
        hot: HeavyHitters[Row],
        *,
        flight_seconds: float,
        clock: Callable[[], float] = time.time,
        uniform: Callable[[], float] = random.random,
    ) -> None:
        self._cache = cache
        self._local = local
        self._sources = sources
        self._hot = hot
        self._flights: Singleflight[Answer] = Singleflight(flight_seconds)
        self._misses: Together[tuple[Table, Want], Row, Answer | None] = Together(self._miss, flight_seconds)
        self._refreshing: set[str] = set()
        self._refreshes: set[asyncio.Task[None]] = set()
        self._clock = clock
        self._uniform = uniform

    async def read(self, row: Row, want: Want) -> Answer:
        """The entity in a state that meets the demand; raises 503 problems."""
        found = await self.lookup(row.key, want)
        if found is not None:
            if found.source == "cache" and found.entry.flag == VALUE:
                self._hot.count(row)
                if found.entry.refresh_due(self._clock() * 1000, 1.0 - self._uniform()):
                    self._refresh(row)
            return found
        try:
            answer = None if want.skip_caches else await self._misses.ask((row.table, want), row)
            if answer is None:
                answer = await self.fly((row.key, want), lambda: self._alone(row, want))
            return _checked(answer, want)
        except Problem as refusal:
            fallback = await self._fallback(row, want, refusal)
            if fallback is None:
                raise
            return fallback

    async def refill(self, rows: Iterable[Row]) -> list[Answer | None]:
        """Load rows of one table into the cache, in the groups of users' misses; None where another has the lease.

        Raises 503 problems.
        """
        return await asyncio.gather(*(self._misses.ask((row.table, Want()), row) for row in rows))

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
        await self._misses.close()

    # -- the parts ------------------------------------------------------------------------------------------------

    def _serves(self, entry: Entry, want: Want, *, expired: bool = False) -> bool:
        return entry.version >= want.version and (expired or not entry.expired(self._clock() * 1000))

    async def _alone(self, row: Row, want: Want) -> Answer:
        """What another's fill brings in time, unless caches will not do, else what the database says."""
        found = None if want.skip_caches else await self._await_fill(row.key, want)
        return found or await self._direct(row, want)

    async def _await_fill(self, key: str, want: Want) -> Answer | None:
        for pause in _LOSER_WAITS:
            await asyncio.sleep(pause * (0.5 + self._uniform()))
            found = await self.lookup(key, want)
            if found is not None:
                return found
        return None

    async def _direct(self, row: Row, want: Want) -> Answer:
        started = time.monotonic()
        (snapshot,) = await self._snapshots([row], want)
        return Answer(self.entry_of(snapshot, started), snapshot.source)

    async def _snapshots(self, rows: Sequence[Row], want: Want) -> list[Snapshot]:
        """Rows of one table, read in one statement."""
        table, ids = rows[0].table, [row.id for row in rows]
        return await self._sources.read(lambda session: table(session, ids), want)

    async def _miss(
        self, kind: tuple[Table, Want], rows: list[Row], tell: Callable[[Row, Answer | None], None]
    ) -> None:
        """Tell what those get whom no cache could answer; None: another reader has the lease and nothing is held.

        Who need not wait for the database is told before it is asked: it may hang.
        """
        _, want = kind
        try:
            leases = await self._cache.acquire_many([row.key for row in rows])
        except CacheUnavailable:
            for row, answer in (await self._without_cache(rows, want)).items():
                tell(row, answer)
            return
        leased: dict[Row, str] = {}
        for row, lease in zip(rows, leases, strict=True):
            held = self._held(lease, want)
            if lease.token is not None and held is None:
                leased[row] = lease.token
                continue
            tell(row, held)
            if lease.token is not None:
                await self._cache.release(row.key, lease.token)
        for row, answer in (await self._load(leased, want)).items() if leased else ():
            tell(row, answer)

    def _held(self, lease: Lease, want: Want) -> Answer | None:
        """What is held after all, or may be served in its grace because another has the lease."""
        held = lease.entry
        if held is None:
            return None
        if self._serves(held, want):
            return Answer(held, "cache")
        if lease.token is None and held.flag == VALUE and self._serves(held, want, expired=True):
            STALE.labels("lease_lost").inc()
            return Answer(held, "cache")
        return None

    async def _without_cache(self, rows: Sequence[Row], want: Want) -> dict[Row, Answer]:
        started, answers = time.monotonic(), dict[Row, Answer]()
        for row, snapshot in zip(rows, await self._snapshots(rows, want), strict=True):
            answers[row] = answer = Answer(self.entry_of(snapshot, started), snapshot.source)
            self._local.put(row.key, answer.entry)  # all that is left to take the heat off the database
        return answers

    async def _load(self, leased: Mapping[Row, str], want: Want) -> dict[Row, Answer]:
        started = time.monotonic()
        try:
            snapshots = await self._snapshots([*leased], want)
        except BaseException:
            await asyncio.shield(asyncio.gather(*(self._cache.release(row.key, leased[row]) for row in leased)))
            raise
        fills = [
            Fill(row.key, self.entry_of(snapshot, started), lease, snapshot.as_of)
            for (row, lease), snapshot in zip(leased.items(), snapshots, strict=True)
        ]
        outcomes, answers = await self._cache.fill_many(fills), dict[Row, Answer]()
        for row, snapshot, fill, outcome in zip(leased, snapshots, fills, outcomes, strict=True):
            answers[row] = Answer(fill.entry, snapshot.source, filled=outcome)
            if outcome not in {FillOutcome.LEASE_VOID, FillOutcome.NEWER_HELD}:
                self._local.put(fill.key, fill.entry)
        return answers

    async def _fallback(self, row: Row, want: Want, refusal: Problem) -> Answer | None:
        """An older answer where one is allowed: in grace without a token, or because the client is relaxed."""
        if refusal.status != 503 or want.primary:
            return None
        stale = await self.lookup(row.key, want.without_token() if want.relaxed else want, expired=True)
        if stale is not None and stale.entry.flag == VALUE:
            STALE.labels("refused").inc()
            return Answer(stale.entry, stale.source, relaxed=want.relaxed)
        if not want.relaxed:
            return None
        answer = await self.fly((row.key, Want()), lambda: self._direct(row, Want()))
        return Answer(answer.entry, answer.source, relaxed=True)

    def _refresh(self, row: Row) -> None:
        if row.key in self._refreshing or len(self._refreshing) >= _REFRESHES_AT_ONCE:
            return
        self._refreshing.add(row.key)
        task = asyncio.create_task(self._renew(row))
        self._refreshes.add(task)
        task.add_done_callback(self._refreshes.discard)
        task.add_done_callback(lambda _: self._refreshing.discard(row.key))

    async def _renew(self, row: Row) -> None:
        async def under_lease() -> Answer:
            lease = await self._cache.acquire(row.key)
            if lease.token is None and lease.entry is not None:
                return Answer(lease.entry, "cache")
            if lease.token is None:
                return await self._direct(row, Want())
            REFRESHES.inc()
            return (await self._load({row: lease.token}, Want()))[row]

        try:
            await self.fly((row.key, "refresh"), under_lease)
        except (Problem, CacheUnavailable):
            return  # the entry lives on; a later reader tries again


def _checked(answer: Answer, want: Want) -> Answer:
    """An answer older than the version that the token names: its transaction was lost and its GTID used again."""
    if answer.entry.version < want.version:
        raise lost_write()
    return answer
