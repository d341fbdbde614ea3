"""The limit with scope `global` on a real Redis: the script, two gateways together, and a Redis that freezes."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import struct
import time
from collections.abc import AsyncIterator
from random import Random

import aiohttp
import pytest
from tests.engine.brokers import RedisServer
from tests.engine.gateway.conftest import CAPACITY, REFILL, Process

from hcs_services.gateway.rate_limit import Quota, RateLimiter
from hcs_services.gateway.shared_buckets import PREFIX, SharedBuckets
from hcs_services.redis_connection.client import Client
from hcs_services.settings import Settings

pytestmark = [pytest.mark.engine, pytest.mark.timeout(120)]
SECONDS = 2.5
OFFERED = 1_000  # a second
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


@pytest.mark.parametrize("two_gateways", [PATIENCE_MS], indirect=True)
async def test_two_gateways_grant_one_quota(two_gateways: list[Process]) -> None:
    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(ready(session, each) for each in two_gateways))
        admitted, least, most = await offered(session, two_gateways, SECONDS)
    assert (CAPACITY + REFILL * least) * 0.99 <= admitted <= CAPACITY + REFILL * most + 1


@pytest.mark.parametrize("two_gateways", [AS_DEPLOYED_MS], indirect=True)
async def test_each_grants_its_share_while_redis_is_frozen(
    two_gateways: list[Process], limits_redis: RedisServer
) -> None:
    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(ready(session, each) for each in two_gateways))
        await offered(session, two_gateways, 1)
        ended = time.monotonic()
        limits_redis.container.pause()
        try:
            admitted, least, _ = await offered(session, two_gateways, 0.6)
            # the shares go on from what was left
            assert 0.9 * REFILL * least <= admitted <= REFILL * (time.monotonic() - ended) + 0.1 * CAPACITY
            for each in two_gateways:
                await until_says(session, each, 1.0)
        finally:
            limits_redis.container.unpause()
        for each in two_gateways:
            await until_says(session, each, 0.0)


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


async def offered(session: aiohttp.ClientSession, gateways: list[Process], seconds: float) -> tuple[int, float, float]:
    """Send OFFERED requests a second to both in turn; return those admitted, and the span's least and greatest length."""
    begun, first, last = time.monotonic(), 0.0, 0.0
    statuses: list[int] = []

    async def one(number: int) -> None:
        nonlocal first, last
        await asyncio.sleep(begun + number / OFFERED - time.monotonic())
        last = max(last, time.monotonic())
        async with session.get(gateways[number % 2].url) as answer:
            statuses.append(answer.status)
        first = first or time.monotonic()

    await asyncio.gather(*(one(number) for number in range(round(seconds * OFFERED))))
    assert set(statuses) <= {429, 503}, set(statuses)
    return len([status for status in statuses if status != 429]), last - first, time.monotonic() - begun
