"""Each rule of the cache on a real Redis."""

from __future__ import annotations

import asyncio
import secrets
import time

import pytest
from tests.engine.brokers import RedisServer
from tests.engine.cache.conftest import Open

from hcs_services.cache import CacheUnavailable, EntityCache, FillOutcome

pytestmark = pytest.mark.engine


def a_key() -> str:
    return f"p:{secrets.token_hex(8)}"


def micros() -> int:
    return time.time_ns() // 1000


async def held(cache: EntityCache, key: str) -> int | None:
    entry = await cache.get(key)
    return None if entry is None else entry.version


async def lease_of(cache: EntityCache, key: str) -> str:
    token, _ = await cache.acquire(key)
    assert token is not None
    return token


async def test_a_put_document_comes_back_with_its_version(cache: EntityCache) -> None:
    key, version = a_key(), micros()
    assert await cache.put(key, version, {"name": "Büchlein", "version": version})
    entry = await cache.get(key)
    assert entry is not None
    assert version == entry.version
    assert f'{{"name":"Büchlein","version":{version}}}' == (entry.data or b"").decode()


async def test_an_older_put_changes_nothing(cache: EntityCache) -> None:
    key, version = a_key(), micros()
    await cache.put(key, version, {})
    await cache.put(key, version - 1, {})
    assert await held(cache, key) == version


async def test_versions_differ_up_to_the_last_digit(cache: EntityCache) -> None:
    key, version = a_key(), 2**53 - 2
    await cache.put(key, version, {})
    await cache.put(key, version + 1, {})
    assert await held(cache, key) == version + 1


async def test_a_late_put_does_not_enter_a_key_whose_newer_state_was_evicted(
    cache: EntityCache, redis_server: RedisServer
) -> None:
    key, version = a_key(), micros()
    await cache.put(key, version, {})
    redis_server.command("DEL", key)
    await cache.put(key, version - 1, {})
    assert await held(cache, key) is None


async def test_a_lease_is_one_readers(cache: EntityCache) -> None:
    key = a_key()
    first, second = await cache.acquire(key), await cache.acquire(key)
    assert first.token is not None
    assert second.token is None


async def test_a_fill_under_its_lease_is_stored_once(cache: EntityCache) -> None:
    key, version = a_key(), micros()
    lease = await lease_of(cache, key)
    entry = cache.loaded(version, b"{}")
    outcomes = [await cache.fill(key, entry, lease=lease, as_of=None) for _ in range(2)]
    assert outcomes == [FillOutcome.STORED, FillOutcome.LEASE_VOID]


async def test_a_write_voids_the_lease_even_if_its_entry_is_evicted(
    cache: EntityCache, redis_server: RedisServer
) -> None:
    key, version = a_key(), micros()
    lease = await lease_of(cache, key)
    await cache.put(key, version + 1, {})
    redis_server.command("DEL", key)
    assert await cache.fill(key, cache.loaded(version, b"{}"), lease=lease, as_of=None) is FillOutcome.LEASE_VOID


async def test_a_released_lease_is_free_for_the_next(cache: EntityCache) -> None:
    key = a_key()
    await cache.release(key, await lease_of(cache, key))
    assert (await cache.acquire(key)).token is not None


async def test_another_ones_lease_cannot_be_released(cache: EntityCache) -> None:
    key = a_key()
    await lease_of(cache, key)
    await cache.release(key, "somebody else")
    assert (await cache.acquire(key)).token is None


async def test_a_replica_behind_the_last_write_cannot_fill(cache: EntityCache, redis_server: RedisServer) -> None:
    key, before = a_key(), time.time()
    await cache.put(key, micros(), {})
    redis_server.command("DEL", key)
    lease = await lease_of(cache, key)
    assert await cache.fill(key, cache.loaded(1, b"{}"), lease=lease, as_of=before) is FillOutcome.UNPROVEN


async def test_a_replica_that_has_the_last_write_can_fill(cache: EntityCache, redis_server: RedisServer) -> None:
    key, version = a_key(), micros()
    await cache.put(key, version, {})
    redis_server.command("DEL", key)
    lease = await lease_of(cache, key)
    after = time.time() + 1  # a heartbeat written later than the put, by more than clocks may differ
    assert await cache.fill(key, cache.loaded(version, b"{}"), lease=lease, as_of=after) is FillOutcome.STORED


async def test_a_put_beats_a_null_entry(cache: EntityCache) -> None:
    key = a_key()
    lease = await lease_of(cache, key)
    await cache.fill(key, cache.loaded(0, None), lease=lease, as_of=None)
    version = micros()
    await cache.put(key, version, {})
    assert await held(cache, key) == version


async def test_a_null_entry_lives_for_seconds(cache: EntityCache) -> None:
    key = a_key()
    await cache.fill(key, cache.loaded(0, None), lease=await lease_of(cache, key), as_of=None)
    assert 2_000 < await cache._redis.command("PTTL", key) <= 10_000


async def test_a_tombstone_refuses_what_was_before_it(cache: EntityCache) -> None:
    key, version = a_key(), micros()
    await cache.tombstone(key, version)
    await cache.put(key, version - 1, {})
    entry = await cache.get(key)
    assert entry is not None
    assert (version, None) == (entry.version, entry.data)


async def test_keys_put_together_do_not_expire_together(cache: EntityCache) -> None:
    keys = [a_key() for _ in range(20)]
    for key in keys:
        await cache.put(key, micros(), {})
    lives = {await cache._redis.command("PTTL", key) // 1000 for key in keys}
    assert len(lives) > 5
    assert all(600 * 0.79 < life < 600 * 1.21 for life in lives)


async def test_an_early_draw_leaves_a_renewal_to_one_reader(cache: EntityCache) -> None:
    key = a_key()
    await cache.put(key, micros(), {})
    leases = await asyncio.gather(*(cache.acquire(key) for _ in range(10)))
    assert sum(lease.token is not None for lease in leases) == 1


async def test_a_full_cache_that_must_not_evict_drops_what_it_cannot_replace(
    open_cache: Open, mortal_redis: RedisServer
) -> None:
    cache, key = open_cache(mortal_redis), a_key()
    await cache.put(key, micros(), {})
    mortal_redis.command("CONFIG", "SET", "maxmemory-policy", "noeviction")
    mortal_redis.command("CONFIG", "SET", "maxmemory", "1")
    try:
        assert await cache.put(key, micros(), {})
        assert await held(cache, key) is None
    finally:
        mortal_redis.command("CONFIG", "SET", "maxmemory", "64mb")
        mortal_redis.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu")


# -- faults


async def test_a_restart_voids_leases_and_forgets_nothing_that_matters(
    open_cache: Open, mortal_redis: RedisServer
) -> None:
    cache, key, version, before = open_cache(mortal_redis), a_key(), micros(), time.time()
    lease = await lease_of(cache, key)
    mortal_redis.container.kill()
    mortal_redis.container.start()
    mortal_redis.until_answers()
    assert await cache.fill(key, cache.loaded(version, b"{}"), lease=lease, as_of=None) is FillOutcome.LEASE_VOID
    # what was written before the restart may have been newer than a late put, or than a lagging replica's row
    await cache.put(key, version, {})
    again = await lease_of(cache, key)
    late = await cache.fill(key, cache.loaded(version, b"{}"), lease=again, as_of=before)
    assert (await held(cache, key), late) == (None, FillOutcome.UNPROVEN)


async def test_a_frozen_cache_costs_a_writer_a_moment_and_no_exception(
    open_cache: Open, mortal_redis: RedisServer
) -> None:
    cache = open_cache(mortal_redis, as_deployed=True)
    await cache.put(a_key(), micros(), {})
    mortal_redis.container.pause()
    try:
        answers = await asyncio.gather(*(cache.put(a_key(), micros(), {}) for _ in range(40)))
        assert not any(answers)
        with pytest.raises(CacheUnavailable):
            await cache.get(a_key())
    finally:
        mortal_redis.container.unpause()
    mortal_redis.until_answers()
    until = time.monotonic() + 60
    while not await cache.put(a_key(), micros(), {}):
        assert time.monotonic() < until, "it answers again, but is not asked"
        await asyncio.sleep(0.05)
