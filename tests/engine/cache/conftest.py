"""Redis servers of these tests' own: one that is always full, one that may be killed."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

import pytest
from tests.engine.brokers import RedisServer, start_redis
from tests.engine.conftest import EngineImages
from tests.engine.containers import Engines

from hcs_services.cache import EntityCache
from hcs_services.settings import Settings

PATIENCE_MS = 10_000


class Open(Protocol):
    """Opens a client that waits long, since a loaded machine's Redis may be silent for longer than a tier would wait.

    `as_deployed` has the time-out of a tier: for tests of what a silent Redis costs.
    """

    def __call__(self, server: RedisServer, *, as_deployed: bool = False) -> EntityCache:
        """Returns it; it is closed after the test."""
        ...


@pytest.fixture(scope="session")
def full_redis(engines: Engines, engine_images: EngineImages, credentials: Path) -> RedisServer:
    """A Redis with room for a fraction of what the tests put into it."""
    password = (credentials / "cache" / "password").read_text()
    return start_redis(engines, engine_images.redis, password, name="cache-full", max_memory="4mb")


@pytest.fixture(scope="session")
def mortal_redis(engines: Engines, engine_images: EngineImages, credentials: Path) -> RedisServer:
    """A Redis that tests kill and freeze."""
    return start_redis(
        engines, engine_images.redis, (credentials / "cache" / "password").read_text(), name="cache-mortal"
    )


@pytest.fixture
async def open_cache(credentials: Path) -> AsyncIterator[Open]:
    """Opens clients with the mounted password."""
    opened: list[EntityCache] = []

    def open_client(server: RedisServer, *, as_deployed: bool = False) -> EntityCache:
        settings = Settings(HCS_CREDENTIALS_DIR=credentials, cache_url=server.url)
        patient = settings.model_copy(update={"cache_timeout_ms": PATIENCE_MS})
        opened.append(EntityCache.open(settings if as_deployed else patient))
        return opened[-1]

    yield open_client
    for cache in opened:
        await cache.close()


@pytest.fixture
async def cache(open_cache: Open, redis_server: RedisServer) -> EntityCache:
    """A client of the Redis that all tests share, which knows by now that nothing was written before it began."""
    cache, until = open_cache(redis_server), time.monotonic() + 10
    probe = f"p:{secrets.token_hex(8)}"
    while await cache.get(probe) is None:
        assert time.monotonic() < until, "nothing can be put"
        await cache.put(probe, time.time_ns() // 1000, {})
    return cache
