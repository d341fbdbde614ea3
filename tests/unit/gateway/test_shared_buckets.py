"""How the shared buckets ask Redis; what the script does there is tried on a real one (tests/engine/gateway)."""

import pytest
from redis.exceptions import RedisError
from tests.unit.cache.played_redis import PlayedRedis, played

from hcs_services.gateway.rate_limit import Quota
from hcs_services.gateway.shared_buckets import SharedBuckets
from hcs_services.redis_connection.client import Client

pytestmark = pytest.mark.unit


def buckets(redis: PlayedRedis) -> SharedBuckets:
    return SharedBuckets(Client(redis.url, seconds=1, password=lambda: None), Quota(10, 2.5))


async def test_a_script_that_redis_does_not_know_is_loaded_and_asked_again() -> None:
    async with played() as redis:
        redis.script_reply = b"*2\r\n:1\r\n$4\r\n8.75\r\n"
        shared = buckets(redis)
        assert await shared.take(b"c", 1.25) == (True, 8.75)
        assert await shared.take(b"c", 1.25) == (True, 8.75)
        await shared.close()
    assert [command[0] for command in redis.received] == [b"EVALSHA", b"SCRIPT", b"EVALSHA", b"EVALSHA"]
    assert redis.received[-1][2:] == [b"1", b"bucket:c", b"10", b"2.5", b"1.25", b"0"]


async def test_a_question_that_may_have_been_answered_is_not_asked_again() -> None:
    async with played() as redis:
        redis.drops = [b"EVALSHA"]
        shared = buckets(redis)
        with pytest.raises(RedisError):
            await shared.take(b"c", 1)
        await shared.close()
    assert len(redis.received) == 1
