"""The shared connection to a real Redis that is killed, frozen, or given another password under load."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.engine.brokers import RedisServer
from tests.engine.cache.conftest import Open

from hcs_services.cache import CacheUnavailable, EntityCache
from hcs_services.settings import Settings

pytestmark = [pytest.mark.engine, pytest.mark.timeout(120)]
READERS = 32


class Load:
    """Readers and writers, each of a key of its own, whose document names it."""

    def __init__(self, cache: EntityCache) -> None:
        self.cache = cache
        self.answered = self.unanswered = 0
        self.strangers: list[str] = []

    async def go_on(self) -> None:
        key = f"p:{secrets.token_hex(8)}"
        while True:
            try:
                entry = await self.cache.get(key)
            except CacheUnavailable:
                self.unanswered += 1
                await asyncio.sleep(0.01)
                continue
            self.answered += 1
            if entry is None:
                await self.cache.put(key, time.time_ns() // 1000, {"key": key})
            elif entry.data != b'{"key":"%s"}' % key.encode():
                self.strangers.append(key)

    async def is_answered(self) -> None:
        before, until = self.answered, time.monotonic() + 60
        while self.answered < before + 10 * READERS:
            assert time.monotonic() < until, "it answers again, but is not asked"
            await asyncio.sleep(0.02)


@asynccontextmanager
async def load(cache: EntityCache) -> AsyncIterator[Load]:
    """Under way while the block runs; nobody was given what another one asked for."""
    running = Load(cache)
    tasks = [asyncio.create_task(running.go_on()) for _ in range(READERS)]
    try:
        await running.is_answered()
        yield running
        await running.is_answered()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert running.strangers == []


async def test_a_redis_that_is_killed_is_found_again(open_cache: Open, mortal_redis: RedisServer) -> None:
    async with load(open_cache(mortal_redis, as_deployed=True)) as running:
        await asyncio.to_thread(mortal_redis.container.kill)
        await asyncio.sleep(0.5)
        await asyncio.to_thread(mortal_redis.container.start)
        await asyncio.to_thread(mortal_redis.until_answers)
        assert running.unanswered > 0


@pytest.mark.parametrize("seconds", [0.3, 2.0])
async def test_a_redis_that_freezes_mixes_nothing_up(
    open_cache: Open, mortal_redis: RedisServer, seconds: float
) -> None:
    """For less than the time after which a silent connection is closed, and for more."""
    async with load(open_cache(mortal_redis, as_deployed=True)) as running:
        await asyncio.to_thread(mortal_redis.container.pause)
        await asyncio.sleep(seconds)
        await asyncio.to_thread(mortal_redis.container.unpause)
        assert running.unanswered > 0


async def test_a_rotated_password_is_presented_at_the_next_connect(
    open_cache: Open, mortal_redis: RedisServer, tmp_path: Path
) -> None:
    file = tmp_path / "cache" / "password"
    file.parent.mkdir()
    file.write_text(mortal_redis.password)
    rotated = EntityCache.open(Settings(HCS_CREDENTIALS_DIR=tmp_path, cache_url=mortal_redis.url))
    other = open_cache(mortal_redis)._redis
    async with load(rotated) as running:
        await other.command("CONFIG", "SET", "requirepass", "another")
        try:
            file.write_text("another")
            await other.command("CLIENT", "KILL", "TYPE", "normal")
            await running.is_answered()
        finally:
            await other.command("CONFIG", "SET", "requirepass", mortal_redis.password)
    await rotated.close()
