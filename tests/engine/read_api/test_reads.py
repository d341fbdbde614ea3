"""Reads through real engines: levels, tokens, lists, and the sampler."""

from __future__ import annotations

import asyncio
import time

import pytest
from prometheus_client import REGISTRY
from tests.engine.read_api.conftest import World, eventually, lagging, replicated, seen

from hcs_services.cache import list_key, order_key, product_key
from hcs_services.identifiers import public_order_id
from hcs_services.read_api.sampler import Sampler

pytestmark = [pytest.mark.engine, pytest.mark.timeout(120)]


def count(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


# -- levels


async def test_a_read_goes_down_the_levels_and_comes_up_again(world: World) -> None:
    order_id, document, _ = world.order("ada")
    path = f"/orders/{order_id}"
    await eventually("it is on the replica", lambda: replicated(world, path))
    first = await world.get(path)
    assert first.json() == document
    await eventually("Redis has it", lambda: held(world, order_key(order_id)))
    assert ("l1", document["version"]) == await seen(world, path)
    await asyncio.sleep(1.01)  # L1's whole life
    assert ("cache", document["version"]) == await seen(world, path)
    again = await world.get(path, if_none_match=first.headers["etag"])
    assert (again.status, again.body) == (304, b"")


async def held(world: World, key: str) -> bool:
    entry = await world.cache.get(key)
    if entry is None:
        await world.get(f"/orders/{key[2:]}", x_consistency_token=world.token({key: 1}))
    return entry is not None


async def test_a_put_after_the_commit_is_what_the_next_read_gets(world: World) -> None:
    order_id, document, _ = world.order("ada")
    assert await world.cache.put_order(document)
    assert ("cache", document["version"]) == await seen(world, f"/orders/{order_id}")


async def test_an_absent_order_is_remembered_and_then_beaten_by_its_creation(world: World) -> None:
    product_id = f"{world.run}-null"
    path = f"/products/{product_id}"
    assert (await world.get(path)).status == 404
    await eventually("the absence is cached", lambda: null_held(world, product_id))
    _, document, _ = world.product("null", 5)
    await world.cache.put_product(document)
    await asyncio.sleep(1.01)  # L1's whole life
    assert ("cache", document["version"]) == await seen(world, path)


async def null_held(world: World, product_id: str) -> bool:
    entry = await world.cache.get(product_key(product_id))
    if entry is None:
        await world.get(f"/products/{product_id}", x_consistency_token=world.token({product_key(product_id): 0}))
    return entry is not None and entry.data is None


async def test_no_cache_reads_the_primary(world: World) -> None:
    order_id, document, _ = world.order("ada")
    with lagging(world):
        newer = world.order("ada", order_id, "PAID")[1]
        found = await world.get(f"/orders/{order_id}", cache_control="no-cache")
    assert ("primary", newer) == (found.headers["x-data-source"], found.json())
    assert newer["version"] > document["version"]


# -- tokens


async def test_a_token_is_never_answered_from_a_replica_that_lags(world: World) -> None:
    order_id, _, _ = world.order("ada")
    with lagging(world):
        _, document, token = world.order("ada", order_id, "PAID")
        named = await seen(world, f"/orders/{order_id}", x_consistency_token=token)
        unnamed = await seen(world, f"/orders/{order_id}", x_consistency_token=world.token({}))
    assert [("primary", document["version"])] * 2 == [named, unnamed]


async def test_a_replica_that_has_caught_up_serves_a_token(world: World) -> None:
    order_id, document, _ = world.order("ada")

    async def by_replica() -> bool:
        return await seen(world, f"/orders/{order_id}", x_consistency_token=world.token({})) == (
            "replica",
            document["version"],
        )

    await eventually("a replica serves the token", by_replica)


async def test_a_token_of_a_future_that_was_lost_is_a_503_that_says_so(world: World) -> None:
    order_id, _, _ = world.order("ada")
    before = count("hcs_read_lost_writes_total")
    from hcs_services.tokens import ConsistencyToken

    gtid = "5b4f9b3e-0f7d-4a2b-9d51-2f3e6f0a7c11:1-99999999"
    token = ConsistencyToken(0, gtid, {}).encode(world.settings.signing_key("consistency"))
    got = await world.get(f"/orders/{order_id}", x_consistency_token=token)
    assert (got.status, got.json()["type"]) == (503, "/problems/consistency-unavailable")
    relaxed = await world.get(f"/orders/{order_id}", x_consistency_token=token, x_consistency="relaxed")
    assert (relaxed.status, relaxed.headers["x-consistency"]) == (200, "relaxed")
    assert count("hcs_read_lost_writes_total") > before


# -- lists


async def test_a_list_shows_a_new_order_at_its_next_generation(world: World) -> None:
    path = f"/users/{world.run}-lister/orders"
    first, _, token = world.order("lister")
    got = await world.get(path, x_consistency_token=token)
    assert [first] == [item["order_id"] for item in got.json()["items"]]
    second, _, token = world.order("lister")
    await world.cache.bump_list(f"{world.run}-lister", generation(world, "lister"))
    got = await world.get(path, x_consistency_token=token)
    assert [second, first] == [item["order_id"] for item in got.json()["items"]]


def generation(world: World, user: str) -> int:
    return int(world._ask("SELECT ver FROM user_lists WHERE user_id = %s", f"{world.run}-{user}")[0]["ver"])


async def test_a_list_is_cached_while_its_generation_lasts(world: World) -> None:
    world.order("cached")
    path = f"/users/{world.run}-cached/orders"

    async def cached() -> bool:
        got = await world.get(path)
        return got.headers["x-data-source"] == "cache" and len(got.json()["items"]) == 1

    await eventually("the page comes from the cache", cached)
    assert await world.cache.get(list_key(f"{world.run}-cached"))


async def test_cursors_lead_through_all_orders(world: World) -> None:
    made = [world.order("pages")[0] for _ in range(7)]
    found, query = [], "limit=3"
    while True:
        got = await world.get(f"/users/{world.run}-pages/orders", query=query, cache_control="no-cache")
        found += [item["order_id"] for item in got.json()["items"]]
        if got.json()["next_cursor"] is None:
            break
        query = f"limit=3&cursor={got.json()['next_cursor']}"
    assert sorted(made, reverse=True) == found


# -- the oracle


async def test_the_sampler_finds_a_planted_inconsistency_and_no_other(world: World) -> None:
    from hcs_services.database.members import PrimaryPool
    from hcs_services.database.readers import ReaderPool
    from hcs_services.read_api.local_cache import LocalCache
    from hcs_services.read_api.sources import Sources

    primary = PrimaryPool.of(world.settings, "hcs_read")
    sources = Sources(
        ReaderPool.of(world.settings, "hcs_read", primary), primary, replica_reads=1, primary_reads=1, wait_seconds=0
    )
    sampler = Sampler(world.cache, LocalCache(10, 1.0), sources, settle=0.1)
    good, document, _ = world.order("ada")
    await world.cache.put_order(document)
    planted = public_order_id(77)
    await world.cache.put(order_key(planted), time.time_ns() // 1000, {})
    assert await sampler.sample([order_key(good), order_key(planted)]) == 1
    world.redis.command("DEL", order_key(planted))
    await primary.close()
