"""The limit with scope `global` on a real Redis: the script, two gateways together, and a Redis that freezes or is killed.

Two gateways are offered 250 requests a second for 30 s; `make races` offers 1,000, which two cores are full of.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import struct
import time
from collections.abc import AsyncIterator, Callable
from random import Random
from typing import NamedTuple

import aiohttp
import pytest
from tests.engine.brokers import RedisServer
from tests.engine.gateway.conftest import CAPACITY, REFILL, Process

from hcs_services.gateway.rate_limit import Quota, RateLimiter
from hcs_services.gateway.shared_buckets import PREFIX, SharedBuckets
from hcs_services.redis_connection.client import Client
from hcs_services.settings import Settings

pytestmark = [pytest.mark.engine, pytest.mark.timeout(120)]
SECONDS = 30
AT_ONCE = 1_000  # a second, more than what Redis held may hide
FALLEN = "the global rate limit is not counted in Redis: this gateway grants its share"
AS_DEPLOYED_MS = Settings.model_fields["limits_timeout_ms"].default
PATIENCE_MS = 30_000  # a full machine keeps Redis, or who asks it, silent for longer than a gateway would wait


@pytest.fixture
async def redis(limits_redis: RedisServer) -> AsyncIterator[Client]:
    client = Client(limits_redis.url, seconds=5, password=lambda: limits_redis.password)
    yield client
    await client.aclose()


async def test_the_script_does_what_the_bucket_of_one_process_does(redis: Client) -> None:
    quota, random = Quota(7.5, 400.0), Random(7)
    shared, model, client = SharedBuckets(redis, quota), RateLimiter(quota), secrets.token_bytes(8)
    admitted = refused = 0
    for _ in range(300):
        cost = random.choice((0.25, 1.0, 2.5, 9.0))
        before = await server_seconds(redis)
        taken = await shared.take(client, cost)
        held = await redis.command("GET", PREFIX + client)
        if taken.allowed and held is None:  # full again before it was looked at: as one that was never there
            assert await server_seconds(redis) - before >= (quota.capacity - taken.left) / quota.refill_per_second
            model = RateLimiter(quota)
            admitted += 1
        elif taken.allowed:
            tokens, micros = struct.unpack(">dd", held)
            verdict = model.take(client, cost, micros / 1e6)
            assert verdict.allowed
            assert model._buckets[client].tokens == pytest.approx(tokens, abs=1e-3)
            assert taken.left == tokens
            admitted += 1
        else:
            bucket, after = model._buckets[client], await server_seconds(redis)
            at_first, at_last = (quota.refilled(bucket.tokens, now - bucket.at) for now in (before, after))
            assert at_first - 1e-3 <= taken.left <= at_last + 1e-3
            assert taken.left < min(cost, quota.capacity)
            refused += 1
    assert admitted > 20
    assert refused > 20


async def server_seconds(redis: Client) -> float:
    seconds, micros = await redis.command("TIME")
    return int(seconds) + int(micros) / 1e6


async def test_a_debt_is_taken_even_where_the_cost_is_not(redis: Client) -> None:
    shared, client = SharedBuckets(redis, Quota(10, 0.001)), secrets.token_bytes(8)
    assert (await shared.take(client, 1, debt=4)).left == 5
    taken = await shared.take(client, 1, debt=12)
    assert (taken.allowed, round(taken.left)) == (False, -7)
    assert round((await shared.take(client, 1, debt=100)).left) == -10
    assert round((await shared.take(client, 1)).left) == -10


async def test_a_bucket_is_gone_once_it_is_full_and_not_before(redis: Client) -> None:
    shared, client = SharedBuckets(redis, Quota(10, 0.2)), secrets.token_bytes(8)
    await shared.take(client, 4)
    left = await redis.command("PTTL", PREFIX + client)
    assert 17_000 < left <= 20_001
    await shared.take(client, 1)
    assert await redis.command("PTTL", PREFIX + client) > left
    slow = SharedBuckets(redis, Quota(1_000_000, 1e-9))
    assert (await slow.take(secrets.token_bytes(8), 1)).allowed  # its time to refill is beyond what Redis can count


@pytest.fixture
def a_second(request: pytest.FixtureRequest) -> int:
    number: int = request.config.getoption("--offered")
    return number


@pytest.mark.parametrize("two_gateways", [PATIENCE_MS], indirect=True)
async def test_two_gateways_grant_one_quota(two_gateways: list[Process], a_second: int) -> None:
    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(ready(session, each) for each in two_gateways))
        each, least, most, _ = await offered(session, two_gateways, a_second, SECONDS)
    told = f"{SECONDS * a_second} offered in {least:.2f} to {most:.2f} s, {sum(each)} admitted"
    print(f"\n{told}: {each[0]} and {each[1]}; {CAPACITY + REFILL * SECONDS} is the quota of {SECONDS} s")
    assert (CAPACITY + REFILL * least) * 0.99 <= sum(each) <= CAPACITY + REFILL * most + 1


def freeze(redis: RedisServer) -> None:
    redis.container.pause()


def thaw(redis: RedisServer) -> None:
    redis.container.unpause()


def kill(redis: RedisServer) -> None:
    redis.container.kill()


def start_again(redis: RedisServer) -> None:
    redis.container.start()
    redis.until_answers()


@pytest.mark.parametrize("two_gateways", [AS_DEPLOYED_MS], indirect=True)
@pytest.mark.parametrize(("stop", "resume"), [(freeze, thaw), (kill, start_again)], ids=["frozen", "killed"])
async def test_each_grants_its_share_while_redis_is_away_and_says_so(
    two_gateways: list[Process],
    limits_redis: RedisServer,
    stop: Callable[[RedisServer], None],
    resume: Callable[[RedisServer], None],
) -> None:
    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(ready(session, each) for each in two_gateways))
        emptied = (await offered(session, two_gateways, AT_ONCE, 1)).last
        for each in two_gateways:
            await until_says(session, each, 0.0)
        told = [said(each) for each in two_gateways]
        stop(limits_redis)
        try:
            granted, least, _, _ = await offered(session, two_gateways, AT_ONCE, 0.6)
            for admitted in granted:  # the shares go on from what was left when Redis was asked last
                most = (REFILL * (time.monotonic() - emptied) + 0.1 * CAPACITY) / 2
                assert 0.9 * REFILL * least / 2 <= admitted <= most
            for each in two_gateways:
                await until_says(session, each, 1.0)
            assert [said(each) for each in two_gateways] == [before + 1 for before in told]
        finally:
            resume(limits_redis)
        for each in two_gateways:
            await until_says(session, each, 0.0)


def said(gateway: Process) -> int:
    """How often its log says that it goes on alone."""
    return gateway.log.read_text().count(FALLEN)


async def ready(session: aiohttp.ClientSession, gateway: Process) -> None:
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get(gateway.metrics.replace("/metrics", "/readyz")) as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.05)


async def until_says(session: aiohttp.ClientSession, gateway: Process, alone: float) -> None:
    async with asyncio.timeout(60):
        while True:
            async with session.get(gateway.metrics) as answer:
                if f"hcs_gateway_global_limit_alone {alone}" in await answer.text():
                    return
            await asyncio.sleep(0.05)


class Offered(NamedTuple):
    """What each gateway admitted, the span's least and greatest length in seconds, and when the last was sent."""

    admitted: list[int]
    least: float
    most: float
    last: float


async def offered(session: aiohttp.ClientSession, gateways: list[Process], a_second: int, seconds: float) -> Offered:
    """Send so many requests a second to both in turn."""
    begun, first, last = time.monotonic(), 0.0, 0.0
    statuses: list[list[int]] = [[], []]

    async def one(number: int) -> None:
        nonlocal first, last
        last = time.monotonic()
        async with session.get(gateways[number % 2].url) as answer:
            statuses[number % 2].append(answer.status)
        first = first or time.monotonic()

    async with asyncio.TaskGroup() as group:
        for number in range(round(seconds * a_second)):
            await asyncio.sleep(begun + number / a_second - time.monotonic())
            group.create_task(one(number))
    assert {status for each in statuses for status in each} <= {429, 503}
    admitted = [len([it for it in each if it != 429]) for each in statuses]
    return Offered(admitted, last - first, time.monotonic() - begun, last)
