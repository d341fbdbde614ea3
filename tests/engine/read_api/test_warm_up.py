"""A cache that comes back empty under a skewed load: its hit rate is back before users' misses could bring it back.

The load before is long and fast, the one after it slow: of 22,000 reads most keys are known, and with the 80 a second
that follow, users' misses alone need minutes to bring them back. Without a warm-up the hit rate after n reads is the sum of
p(1 − (1 − p)ⁿ) over the keys' chances p, L1 left out: 67 % of the old one after 10 s, 80 % after 30 s.

Just then both database servers stall, so that statements pile up at them if anything lets them: the servers themselves
say how many there are at once.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate

import pytest
import structlog
from tests.engine.brokers import RedisServer
from tests.engine.mysql_servers import Mysqld, MysqlGroup
from tests.engine.read_api.at_database import Most, counted, stalled
from tests.engine.read_api.conftest import World, eventually, micros
from tests.slack import SLACK

pytestmark = [pytest.mark.engine, pytest.mark.timeout(180)]

KEYS, L1_KEYS = 3_000, 150
READS_BEFORE, AT_ONCE = 22_000, 32
RATE, WINDOW = 80, 3.0
BACK_WITHIN = 10.0
PERMITS = {"replica": 4, "primary": 2}
STALL = 1.0
"""Seconds: less than any statement's deadline, since one that nobody waits for any more has left its semaphore."""


@pytest.fixture(autouse=True)
def narrow(as_deployed: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Few permits, a small L1, and no line for each of so many reads."""
    monkeypatch.setenv("L1_ENTRIES", str(L1_KEYS))
    for source, permits in PERMITS.items():
        monkeypatch.setenv(f"{source}_reads".upper(), str(permits))
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    yield
    structlog.configure(**before)


@dataclass
class Readers:
    """Users who read by Zipf's law (0.99), and what answered each of the last reads."""

    world: World
    chance: random.Random = field(default_factory=lambda: random.Random(99))
    answered: deque[tuple[float, str]] = field(default_factory=lambda: deque(maxlen=RATE * 10))

    def __post_init__(self) -> None:
        self.weights = list(accumulate(rank**-0.99 for rank in range(1, KEYS + 1)))

    def name(self, rank: int) -> str:
        return f"{self.world.run}-{rank}"

    def draw(self, count: int) -> list[str]:
        return [self.name(rank) for rank in self.chance.choices(range(KEYS), cum_weights=self.weights, k=count)]

    async def read(self, name: str) -> None:
        began, got = time.monotonic(), await self.world.get(f"/products/{name}")
        self.answered.append((began, got.headers.get("x-data-source", str(got.status))))

    async def all_at_once(self, count: int) -> None:
        """So many reads, as fast as they are answered."""
        names = iter(self.draw(count))

        async def user() -> None:
            for name in names:
                await self.read(name)

        await asyncio.gather(*(user() for _ in range(AT_ONCE)))

    async def at_a_rate(self) -> None:
        """Reads at a constant rate, however long each takes."""
        due = time.monotonic()
        async with asyncio.TaskGroup() as users:
            while True:
                users.create_task(self.read(*self.draw(1)))
                due += 1 / RATE
                await asyncio.sleep(max(0.0, due - time.monotonic()))

    def hit_rate(self, since: float) -> float | None:
        """Of the reads of the last window; None if that began before `since`."""
        begin = time.monotonic() - WINDOW
        sources = [source for began, source in self.answered if began >= begin]
        return sum(it in {"l1", "cache"} for it in sources) / len(sources) if sources and begin >= since else None


@pytest.fixture
async def readers(world: World) -> AsyncIterator[Readers]:
    """They have read most keys, and go on reading."""
    readers = Readers(world)
    for first in range(0, KEYS, 500):
        make_products(world, [readers.name(rank) for rank in range(first, min(KEYS, first + 500))])
    await eventually("the replica has all products", lambda: on_the_replica(world, readers.name(KEYS - 1)))
    await readers.all_at_once(READS_BEFORE)
    reading = asyncio.create_task(readers.at_a_rate())
    yield readers
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)


def make_products(world: World, names: list[str]) -> None:
    places = ", ".join(["(%s, 'A book', 19.90, 5, 0, %s)"] * len(names))
    values = [value for name in names for value in (name, micros())]
    world._transact(
        (f"INSERT INTO products (product_id, name, price, stock, slot, ver) VALUES {places}", tuple(values))
    )


async def on_the_replica(world: World, name: str) -> bool:
    got = await world.get(f"/products/{name}", x_consistency_token=world.token({}))
    return got.status == 200 and got.headers["x-data-source"] == "replica"


@pytest.fixture
def most_at_once(mysql_group: MysqlGroup, mysql_reader: Mysqld) -> Iterator[dict[str, Most]]:
    """By kind of server, what it says of reads of products."""
    with counted(mysql_reader, "products") as replica, counted(mysql_group.primary, "products") as primary:
        yield {"replica": replica, "primary": primary}


async def crowd(readers: Readers) -> None:
    """While both servers stall, and the users' misses come to the replica, more reads ask for the primary than it may have."""
    world = readers.world
    async with (
        stalled(world.reader, "hcs.products", STALL),
        stalled(world.group.primary, "hcs.products", STALL),
    ):
        names = map(readers.name, range(PERMITS["primary"] * 8))
        await asyncio.gather(*(world.get(f"/products/{name}", cache_control="no-cache") for name in names))


def flush(redis: RedisServer) -> None:
    assert "OK" in redis.command("FLUSHALL")


def restart(redis: RedisServer) -> None:
    redis.container.kill()
    redis.container.start()
    redis.until_answers()


async def rate_of(readers: Readers, since: float, least: float, seconds: float) -> float:
    """The hit rate as soon as it is at least so high in a window that began after `since`."""
    until = since + seconds
    while True:
        found = readers.hit_rate(since)
        if found is not None and found >= least:
            return found
        assert time.monotonic() < until, f"a hit rate of {found}, and not {least:.3f}, after {seconds:.0f} s"
        await asyncio.sleep(0.1)


@pytest.mark.parametrize("empty", [flush, restart])
async def test_an_emptied_cache_has_its_hit_rate_back(
    most_at_once: dict[str, Most], readers: Readers, empty: Callable[[RedisServer], None]
) -> None:
    before = await rate_of(readers, time.monotonic(), 0.0, WINDOW * 2 * SLACK)
    await asyncio.to_thread(empty, readers.world.redis)
    back = time.monotonic()
    await crowd(readers)
    after = await rate_of(readers, back, 0.9 * before, BACK_WITHIN * SLACK)
    print(f"hit rate {before:.3f}, and {after:.3f} after {time.monotonic() - back:.1f} s; at most {most_at_once}")
    assert {source: most.statements for source, most in most_at_once.items()} == PERMITS
