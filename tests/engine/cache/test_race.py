"""The race: writers and readers of the same keys, with delays where they hurt, on a cache that evicts all the time.

The database is played: a commit is a line in its history, and a replica is that history up to a moment ago. Some writers
are killed, before their commit (then their client asks again), before their put or in it; the outbox repeats every put
later, out of order. From the moment a put has been dealt with nobody may read an older state; and once all is quiet no
key may hold one.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections import Counter, deque

import pytest
from tests.engine.brokers import RedisServer
from tests.engine.cache.conftest import Open
from tests.engine.killed_writers import DEATHS, Writers

from hcs_services.cache import CacheUnavailable, EntityCache

pytestmark = pytest.mark.engine
KEYS, WRITES, WRITERS, READERS = 400, 5, 10, 8
PADDING = "x" * 20_000  # 400 keys of 20 kB do not fit into what 4 MB leave


class Database:
    """Versions by key, with their history."""

    def __init__(self) -> None:
        self.history: dict[str, list[tuple[float, int]]] = {}

    def commit(self, key: str) -> int:
        past = self.history.setdefault(key, [])
        version = max(past[-1][1] + 1 if past else 0, time.time_ns() // 1000)
        past.append((time.time(), version))
        return version

    def version(self, key: str, at: float) -> int:
        return max((version for when, version in self.history.get(key, ()) if when <= at), default=0)


class Race:
    """One run. A replica's heartbeat is written four times a second."""

    def __init__(self, cache: EntityCache) -> None:
        self.cache, self.database = cache, Database()
        self.random = random.Random(7)
        self.writers = Writers(self.random, self.commit, self.put)
        prefix = secrets.token_hex(4)
        self.keys = [f"p:{prefix}-{number}" for number in range(KEYS)]
        self.seen: Counter[str] = Counter()
        self.settled: dict[str, int] = {}
        self.older: list[str] = []
        self.relayed: list[asyncio.Task[None]] = []
        self.over = asyncio.Event()
        # a key's writes lie close together: they are what races are about
        moments = {key: self.random.random() for key in self.keys}
        self.unwritten = deque(sorted(self.keys * WRITES, key=lambda key: moments[key] + self.random.random() / 10))
        self.hot: deque[str] = deque(self.keys[:1], maxlen=20)

    def key(self) -> str:
        return self.random.choice(self.hot if self.random.random() < 0.3 else self.keys)

    async def put(self, key: str, version: int) -> None:
        """As the outbox does: again, until Redis has dealt with it."""
        document = {"version": version, "padding": PADDING}
        for _ in range(400):
            if await self.cache.put(key, version, document):
                self.settled[key] = max(self.settled.get(key, 0), version)
                return
            self.seen["put unanswered"] += 1
            await asyncio.sleep(0.05)
        raise AssertionError("Redis answers no put")

    async def relay(self, key: str, version: int) -> None:
        await asyncio.sleep(self.random.uniform(0.02, 1.0))
        await self.put(key, version)

    async def commit(self, key: str) -> int:
        version = self.database.commit(key)
        self.relayed.append(asyncio.create_task(self.relay(key, version)))
        self.hot.append(key)
        return version

    async def write(self) -> None:
        while self.unwritten:
            await self.writers.write(self.unwritten.popleft())

    async def read(self) -> None:
        while not self.over.is_set():
            key = self.key()
            try:
                if await self.look(key):
                    await asyncio.sleep(0.005)
                    continue
                lease, _ = await self.cache.acquire(key)
            except CacheUnavailable:
                self.seen["read unanswered"] += 1
                continue
            if lease is None:
                self.seen["lease lost"] += 1
                await asyncio.sleep(0.01)
                continue
            await self.fill(key, lease)

    async def look(self, key: str) -> bool:
        settled = self.settled.get(key, 0)
        self.seen["read"] += 1
        entry = await self.cache.get(key)
        if entry is None:
            return False
        self.seen["hit"] += 1
        if entry.version < settled:
            self.older.append(f"{key}: {entry.version} after {settled}")
        return True

    async def fill(self, key: str, lease: str) -> None:
        version, as_of = self.load(key)
        await self.writers.pause()
        data = b'{"version":%d,"padding":"%s"}' % (version, PADDING.encode()) if version else None
        outcome = await self.cache.fill(key, self.cache.loaded(version, data), lease=lease, as_of=as_of)
        self.seen[f"fill {outcome.name.lower() if outcome else 'unanswered'}"] += 1

    def load(self, key: str) -> tuple[int, float | None]:
        """The primary's version, or a replica's that lags by up to two seconds, with its heartbeat."""
        now = time.time()
        if self.random.random() < 0.3:
            return self.database.version(key, now), None
        at = now - self.random.choice((0.01, 0.2, 2.0))
        return self.database.version(key, at), at - at % 0.25

    async def evict(self) -> None:
        """Redis evicts by frequency, so hot keys hardly ever; races need them to go, too."""
        while not self.over.is_set():
            await self.cache._redis.command("DEL", self.random.choice(self.hot))
            await asyncio.sleep(0.01)

    async def stale(self) -> list[str]:
        found = []
        for key in self.keys:
            entry = await self.cache.get(key)
            if entry is not None and entry.version != self.database.version(key, time.time()):
                found.append(key)
            self.seen["held at the end"] += entry is not None
        return found

    async def run(self) -> None:
        async with asyncio.TaskGroup() as others:
            for other in (*(self.read() for _ in range(READERS)), self.evict()):
                others.create_task(other)
            await asyncio.gather(*(self.write() for _ in range(WRITERS)))
            await asyncio.gather(*self.relayed)
            self.over.set()


@pytest.mark.timeout(120)
async def test_no_race_brings_an_older_state_back_on_a_cache_that_evicts(
    open_cache: Open, full_redis: RedisServer
) -> None:
    race = Race(open_cache(full_redis))
    await race.run()
    stale = await race.stale()
    evicted = full_redis.command("INFO", "stats").split("evicted_keys:")[1].split()[0]
    print(f"\nevicted {evicted}, commits {len(race.relayed)}, {dict(race.seen)}, killed {dict(race.writers.killed)}")
    assert race.older == []
    assert stale == []
    assert Counter(map(len, race.database.history.values())) == {WRITES: KEYS}
    # the race was one: everything that can happen did
    assert int(evicted) > 500
    assert race.seen["read"] > 1_000
    for outcome in ("hit", "fill stored", "fill lease_void", "fill unproven", "held at the end"):
        assert race.seen[outcome] > 20, outcome
    for where in DEATHS:
        assert race.writers.killed[where] > 20, where
