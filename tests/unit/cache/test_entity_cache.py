"""The client: what happens when Redis does not answer, does not know a script, or hangs."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, cast

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, OutOfMemoryError

from hcs_services.cache import CachePolicy, CacheUnavailable, EntityCache
from hcs_services.cache.availability import Availability
from hcs_services.redis_connection.client import Client

pytestmark = pytest.mark.unit


class ScriptedRedis:
    """Answers scripts with `results`, or fails with `error`."""

    def __init__(self, *, known: bool = True, outcome: Any = 1, error: Exception | None = None) -> None:
        self.known, self.outcome, self.error = known, outcome, error
        self.evaluated: list[tuple[Any, ...]] = []
        self.round_trips = 0

    def answer(self) -> None:
        self.round_trips += 1
        if self.error is not None:
            raise self.error

    def result(self, command: tuple[Any, ...]) -> Any:
        if command[0] == "EVALSHA":
            self.evaluated.append(command)
            return self.outcome if self.known else NoScriptError("NOSCRIPT")
        assert command[:2] == ("SCRIPT", "LOAD")
        self.known = True
        return b"its name"

    async def batch(self, commands: Sequence[tuple[Any, ...]], *, repeatable: bool = True) -> list[Any]:
        self.answer()
        return [self.result(command) for command in commands]

    async def command(self, *words: Any) -> Any:
        self.answer()


def cache(redis: ScriptedRedis) -> EntityCache:
    return EntityCache(cast("Client", redis), CachePolicy())


async def test_a_put_is_one_round_trip_however_many_states_it_has() -> None:
    redis = ScriptedRedis()
    assert await cache(redis).put_many([change(number) for number in range(5)])
    assert (redis.round_trips, len(redis.evaluated)) == (1, 5)


async def test_a_script_that_the_server_does_not_know_is_loaded_and_run() -> None:
    redis = ScriptedRedis(known=False)
    assert await cache(redis).put("o:a", 1, {})
    assert redis.known


async def test_a_put_refused_as_older_is_dealt_with() -> None:
    assert await cache(ScriptedRedis(outcome=0)).put("o:a", 1, {})


@pytest.mark.parametrize("error", [RedisConnectionError("refused"), TimeoutError(), OSError("no route")])
async def test_a_put_that_gets_no_answer_says_so_and_does_not_raise(error: Exception) -> None:
    assert not await cache(ScriptedRedis(error=error)).put("o:a", 1, {})


async def test_a_put_that_the_server_refuses_has_to_be_repeated() -> None:
    assert not await cache(ScriptedRedis(outcome=OutOfMemoryError("OOM"))).put("o:a", 1, {})


async def test_a_read_that_gets_no_answer_says_that_the_cache_is_away() -> None:
    with pytest.raises(CacheUnavailable):
        await cache(ScriptedRedis(error=RedisConnectionError("refused"))).get("o:a")


async def test_a_cache_that_keeps_failing_is_left_alone_for_a_moment() -> None:
    redis = ScriptedRedis(error=TimeoutError())
    client = cache(redis)
    for _ in range(20):
        assert not await client.put("o:a", 1, {})
    assert redis.round_trips == 5


async def test_after_the_moment_it_is_asked_again() -> None:
    now = 0.0
    availability = Availability(clock=lambda: now)
    for _ in range(5):
        with pytest.raises(CacheUnavailable), availability.guarded("get"):
            raise TimeoutError
    now = 1.0
    with availability.guarded("get"):
        asked = True
    assert asked


def change(number: int) -> Any:
    from hcs_services.cache import list_change

    return list_change(f"user-{number}", number)


@pytest.mark.parametrize(("draw", "seconds"), [(0.0, 300), (0.5, 270), (1.0, 240)])
def test_rows_that_are_read_together_are_not_due_together(draw: float, seconds: int) -> None:
    read = EntityCache(cast("Client", ScriptedRedis()), CachePolicy(), uniform=lambda: draw)
    assert (seconds * 1000, 5_000) == (read.loaded(1, b"{}").lifetime_ms, read.loaded(0, None).lifetime_ms)


class HeldRedis:
    """Answers GETRANGE and EXISTS."""

    def __init__(self, head: bytes = b"", *keys: str) -> None:
        self.head, self.keys = head, keys

    async def batch(self, commands: Sequence[tuple[Any, ...]], *, repeatable: bool = True) -> list[Any]:
        return [int(key in self.keys) for _, key in commands]

    async def command(self, *words: Any) -> bytes:
        assert words == ("GETRANGE", "horizons", 0, 7)
        return self.head


def holding(*held: Any) -> EntityCache:
    return EntityCache(cast("Client", HeldRedis(*held)), CachePolicy())


async def test_when_the_horizons_began_is_told_in_seconds() -> None:
    assert await holding(struct.pack(">d", 1_700_000_000_250_000)).horizons_began() == 1_700_000_000.25


async def test_an_empty_cache_has_no_horizons() -> None:
    assert await holding().horizons_began() is None


async def test_what_is_not_held_is_absent() -> None:
    assert await holding(b"", "p:a", "p:c").absent(["p:a", "p:b", "p:c"]) == [False, True, False]
