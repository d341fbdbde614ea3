"""Reads go on while an engine is away, and say so."""

from __future__ import annotations

import pytest
from tests.engine.read_api.conftest import World, eventually, replicated, seen

from hcs_services.cache import order_key

pytestmark = [pytest.mark.engine, pytest.mark.timeout(120)]


@pytest.mark.usefixtures("as_deployed")
async def test_with_the_cache_frozen_reads_go_on(world: World) -> None:
    ids = [world.order("frozen")[0] for _ in range(10)]
    world.redis.container.pause()
    try:
        for order_id in ids:
            got = await world.get(f"/orders/{order_id}", x_consistency_token=world.token({order_key(order_id): 1}))
            assert (got.status, got.headers["x-data-source"] in {"replica", "primary"}) == (200, True)
        result = await world.tier.admin.selftest()
        assert (result.ok, result.reason) == (True, "CacheUnavailable")
    finally:
        world.redis.container.unpause()

    async def cached_again() -> bool:
        order_id, document, _ = world.order("frozen")
        await world.cache.put_order(document)
        return (await seen(world, f"/orders/{order_id}", x_consistency_token=world.token({order_key(order_id): 1})))[
            0
        ] == "cache"

    await eventually("the cache serves again", cached_again)


async def test_without_a_replica_the_primary_serves_and_the_selftest_says_so(world: World) -> None:
    order_id, _, _ = world.order("ada")
    world.reader.container.pause()
    try:

        async def by_primary() -> bool:
            got = await world.get(f"/orders/{order_id}", x_consistency_token=world.token({}))
            return got.status == 200 and got.headers["x-data-source"] == "primary"

        await eventually("the primary serves", by_primary)

        async def said() -> bool:
            result = await world.tier.admin.selftest()
            return (result.ok, result.reason) == (True, "NoReplica")

        await eventually("the self-test says so", said)
    finally:
        world.reader.container.unpause()
    await eventually("the replica serves again", lambda: replica_serves(world))


async def replica_serves(world: World) -> bool:
    return (await world.tier.admin.selftest()).reason == "ReadsWork"


async def test_without_a_primary_replicas_go_on_serving_and_say_so(world: World) -> None:
    order_id, _, _ = world.order("ada")
    await eventually("it is on the replica", lambda: replicated(world, f"/orders/{order_id}"))
    world.group.primary.container.pause()
    try:

        async def frozen() -> bool:
            got = await world.get(f"/orders/{order_id}")
            assert got.status == 200
            return int(got.headers.get("x-data-frozen", "0")) > 0

        await eventually("the answer says that there is no primary", frozen, 30)
        other = await world.get(f"/products/{world.run}-unseen")
        assert other.headers["x-data-source"] == "replica"
    finally:
        world.group.primary.container.unpause()
    await eventually("the primary is back", lambda: primary_reads(world, order_id), 60)


async def primary_reads(world: World, order_id: str) -> bool:
    return (await world.get(f"/orders/{order_id}", cache_control="no-cache")).status == 200
