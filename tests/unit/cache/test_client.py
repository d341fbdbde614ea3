"""The shared connection to Redis: order, time, loss, and who may come in."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError
from tests.unit.cache.played_redis import PlayedRedis, played

from hcs_services.cache import CachePolicy, CacheUnavailable, EntityCache
from hcs_services.cache.client import connect
from hcs_services.redis_connection.client import Client
from hcs_services.redis_connection.pipe import MAX_IN_FLIGHT
from hcs_services.settings import Settings

pytestmark = pytest.mark.unit
PATIENT = 10.0
"""A command's time, in seconds. None of a test takes that long: what runs out of time does so by `Skew`."""


class Skew:
    """Moves the running loop's clock on."""

    def __init__(self) -> None:
        self._seconds = 0.0
        asyncio.get_running_loop().time = lambda: time.monotonic() + self._seconds  # type: ignore[method-assign]

    def advance(self, seconds: float) -> None:
        self._seconds += seconds


@asynccontextmanager
async def pair() -> AsyncIterator[tuple[PlayedRedis, Client]]:
    async with played() as redis:
        client = Client(redis.url, seconds=PATIENT, password=lambda: None)
        try:
            yield redis, client
        finally:
            await client.aclose()


async def eventually(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENT
    while not holds():
        assert time.monotonic() < until, "not in time"
        await asyncio.sleep(0.005)


def start(call: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    return asyncio.create_task(call)


# -- order


async def test_commands_of_one_turn_of_the_loop_leave_in_one_write() -> None:
    async with pair() as (redis, client):
        await client.command("GET", "first")
        redis.reads = 0
        await asyncio.gather(*(client.command("GET", str(number)) for number in range(50)))
        assert redis.reads == 1


@given(
    cuts=st.lists(st.integers(1, 40), min_size=1, max_size=8),
    keys=st.lists(st.binary(max_size=60), min_size=1, max_size=12),
)
@settings(max_examples=60)
def test_replies_in_pieces_of_any_size_come_back_whole(cuts: list[int], keys: list[bytes]) -> None:
    async def run() -> None:
        async with pair() as (redis, client):
            redis.cuts = cuts
            assert [b"of " + key for key in keys] == await client.batch([("GET", key) for key in keys])

    asyncio.run(run())


@given(
    turns=st.lists(st.tuples(st.integers(1, 3), st.booleans(), st.booleans()), min_size=1, max_size=12),
    cuts=st.lists(st.integers(1, 30), max_size=3),
)
@settings(max_examples=60)
def test_whoever_goes_away_the_others_get_their_own_replies(
    turns: list[tuple[int, bool, bool]], cuts: list[int]
) -> None:
    """Each turn asks for a batch; some are cancelled, before they are written or after."""

    async def run() -> None:
        async with pair() as (redis, client):
            await client.command("GET", "first")
            redis.cuts, redis.hanging = cuts, True
            asked = []
            for number, (size, leaves, written) in enumerate(turns):
                keys = [f"{number}-{place}" for place in range(size)]
                task = start(client.batch([("GET", key) for key in keys]))
                asked.append((task, keys))
                await asyncio.sleep(0)
                if written:
                    await asyncio.sleep(0)
                if leaves:
                    task.cancel()
            await asyncio.sleep(0.001)
            await redis.release()
            for (task, keys), (_, leaves, _) in zip(asked, turns, strict=True):
                if not leaves:
                    assert [f"of {key}".encode() for key in keys] == await task

    asyncio.run(run())


async def test_a_command_out_of_time_keeps_its_place() -> None:
    skew = Skew()
    async with pair() as (redis, client):
        await client.command("GET", "first")
        late = await asked(redis, client, "late")
        skew.advance(PATIENT)
        with pytest.raises(RedisTimeoutError):
            await late
        second = await asked(redis, client, "second")
        await redis.release()
        assert await second == b"of second"
        assert redis.greeted == 1, "the same connection"


# -- time


async def asked(redis: PlayedRedis, client: Client, key: str) -> asyncio.Task[Any]:
    """A read that the server has and does not answer."""
    redis.hanging = True
    task = start(client.command("GET", key))
    await eventually(lambda: redis.received[-1:] == [[b"GET", key.encode()]])
    return task


def alive(client: Client) -> bool:
    return client._pipe is not None and client._pipe.alive


async def hears(redis: PlayedRedis, client: Client, piece: bytes) -> None:
    before = asyncio.get_running_loop().time()
    redis.writers[-1].write(piece)
    await eventually(lambda: client._pipe is not None and client._pipe._heard >= before)


async def test_a_connection_that_stays_silent_is_replaced_and_nothing_is_sent_again() -> None:
    skew = Skew()
    async with pair() as (redis, client):
        await client.command("GET", "first")
        unanswered = await asked(redis, client, "unanswered")
        skew.advance(PATIENT)
        with pytest.raises(RedisTimeoutError):
            await unanswered
        skew.advance(0.2 * PATIENT)
        younger = await asked(redis, client, "younger")
        assert alive(client)
        skew.advance(0.8 * PATIENT)
        await eventually(lambda: not alive(client))
        redis.forget()
        with pytest.raises(RedisTimeoutError):
            await younger
        assert await client.command("GET", "again") == b"of again"
        assert redis.greeted == 2
        assert [command[1] for command in redis.received] == [b"first", b"unanswered", b"younger", b"again"]


async def test_a_slow_server_that_answers_is_not_silent() -> None:
    skew = Skew()
    async with pair() as (redis, client):
        await client.command("GET", "first")
        for number in range(6):
            slow = await asked(redis, client, str(number))
            skew.advance(0.6 * PATIENT)
            await redis.release()
            assert f"of {number}".encode() == await slow
        assert redis.greeted == 1


async def test_a_long_reply_under_way_is_not_silence() -> None:
    skew = Skew()
    async with pair() as (redis, client):
        await client.command("GET", "first")
        long = await asked(redis, client, "a")
        for piece in (b"$4\r\n", b"o", b"f", b" a\r\n"):
            skew.advance(0.9 * PATIENT)
            await hears(redis, client, piece)
        with pytest.raises(RedisTimeoutError):
            await long
        redis.forget()
        assert await client.command("GET", "b") == b"of b"
        assert redis.greeted == 1


async def test_a_server_that_hangs_gets_no_more_than_so_many_commands() -> None:
    async with pair() as (redis, client):
        await client.command("GET", "first")
        redis.hanging = True
        held = [start(client.command("GET", str(number))) for number in range(MAX_IN_FLIGHT)]
        await eventually(lambda: len(redis.received) == 1 + MAX_IN_FLIGHT)
        with pytest.raises(RedisConnectionError, match="wait for their replies"):
            await client.command("GET", "too many")
        await redis.release()
        await asyncio.gather(*held)
        assert await client.command("GET", "room again") == b"of room again"
        assert [b"GET", b"too many"] not in redis.received


# -- loss


async def test_a_read_whose_connection_ends_is_sent_once_more() -> None:
    async with pair() as (redis, client):
        redis.drops = [b"GET"]
        assert await client.command("GET", "a") == b"of a"
        assert redis.received == [[b"GET", b"a"]] * 2


async def test_and_no_more_than_once() -> None:
    async with pair() as (redis, client):
        redis.drops = [b"GET", b"GET"]
        with pytest.raises(RedisConnectionError):
            await client.command("GET", "a")
        assert len(redis.received) == 2


async def test_a_request_for_a_lease_is_never_sent_twice() -> None:
    async with pair() as (redis, client):
        redis.drops = [b"SET"]
        with pytest.raises(CacheUnavailable):
            await EntityCache(client, CachePolicy()).acquire("o:a")
        assert [command[0] for command in redis.received] == [b"SET"]


async def test_a_server_that_restarts_is_found_again() -> None:
    async with pair() as (redis, client):
        await client.command("GET", "a")
        await redis.stop()
        with pytest.raises(OSError, match=r"refused|failed"):
            await client.command("GET", "b")
        await redis.start()
        async with asyncio.timeout(PATIENT):
            while True:
                try:
                    found = await client.command("GET", "c")
                except (RedisError, OSError):
                    await asyncio.sleep(0.01)
                else:
                    break
        assert found == b"of c"


async def test_many_who_find_no_connection_make_one() -> None:
    async with pair() as (redis, client):
        await asyncio.gather(*(client.command("GET", str(number)) for number in range(20)))
        assert len(redis.writers) == 1


async def test_after_a_failed_attempt_there_is_a_pause() -> None:
    async with played() as redis:
        await redis.stop()
        client = Client(redis.url, seconds=PATIENT, password=lambda: None)
        with pytest.raises(OSError, match=r"refused|failed"):
            await client.command("GET", "a")
        with pytest.raises(RedisConnectionError, match="a moment ago"):
            await client.command("GET", "a")
        await redis.start()
        await client.aclose()


@pytest.mark.parametrize("answer", [b"nonsense\r\n", b"+one\r\n+too many\r\n"])
async def test_bytes_that_are_no_reply_end_the_connection(answer: bytes) -> None:
    async with pair() as (redis, client):
        await client.command("GET", "a")
        redis.writers[0].write(answer)
        await eventually(lambda: not alive(client))
        assert await client.command("GET", "b") == b"of b"


async def test_a_closed_client_connects_no_more() -> None:
    async with pair() as (_, client):
        await client.command("GET", "a")
        await client.aclose()
        with pytest.raises(RedisConnectionError):
            await client.command("GET", "a")


# -- who may come in


async def test_a_rotated_password_is_presented_at_the_next_connect(tmp_path: Path) -> None:
    file = tmp_path / "cache" / "password"
    file.parent.mkdir()
    file.write_text("old\n")
    async with played() as redis:
        redis.password = b"old"
        client = connect(Settings(HCS_CREDENTIALS_DIR=tmp_path, cache_url=redis.url, HCS_TIER="read-api"))
        await client.command("GET", "a")
        redis.password = b"new one"
        redis.drop()
        file.write_text("new one\n")
        assert await client.command("GET", "b") == b"of b"
        assert redis.passwords == [b"old", b"new one"]
        await client.aclose()


async def test_a_password_that_is_refused_is_read_again_later(tmp_path: Path) -> None:
    words = iter(["wrong", "right"])
    skew = Skew()
    async with played() as redis:
        redis.password = b"right"
        client = Client(redis.url, seconds=PATIENT, password=lambda: next(words))
        with pytest.raises(ResponseError, match="WRONGPASS"):
            await client.command("GET", "a")
        skew.advance(0.1)
        assert await client.command("GET", "a") == b"of a"
        await client.aclose()


# -- scripts


async def test_a_script_that_the_server_has_lost_is_loaded_in_front_of_its_calls() -> None:
    async with pair() as (redis, client):
        assert await EntityCache(client, CachePolicy()).put("o:a", 1, {})
        assert [command[0] for command in redis.received] == [b"EVALSHA", b"SCRIPT", b"EVALSHA"]
