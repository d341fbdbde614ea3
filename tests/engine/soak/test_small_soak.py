"""The small version of `make soak`: the same calls in cycles, after which no process has more files open than before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random

import aiohttp
import pytest
from benchmarks.soak import stack
from benchmarks.soak.calls import Mix
from benchmarks.soak.load import PREFIX, Client, Tally
from tests.engine.async_api.waiting import eventually
from tests.engine.worker.task_stack import Process

pytestmark = pytest.mark.engine
CYCLES = 16
A_CYCLE = {"reads": 8, "orders": 3, "tasks": 2, "refused": 9}
"""Each way of each kind at least once, so that whatever leaks leaves one descriptor a cycle."""
WARM_UP = {kind: 3 * count for kind, count in A_CYCLE.items()}
"""More at once than a cycle has, so that no pool grows later."""
SMALL = {"DATABASE_POOL_SIZE": "2", "READER_POOL_SIZE": "2"}
"""Pools that are full at once."""


async def test_no_cycle_leaves_a_descriptor_open(
    tier_environment: Callable[[str], dict[str, str]], tmp_path: Path
) -> None:
    with stack.running(lambda tier: tier_environment(tier) | SMALL, tmp_path) as tiers:
        url = tiers["gateway"].url()
        products = [await product(url, f"soak-{number}") for number in range(10)]
        await cycles(url, products, 2, WARM_UP)
        before = descriptors(tiers)
        await cycles(url, products, CYCLES, A_CYCLE)

        async def as_few() -> bool:
            return all(now - before[tier] < CYCLES for tier, now in descriptors(tiers).items())

        await eventually(f"about as few open as before, {before}", as_few)


async def product(url: str, product_id: str) -> str:
    body = {"product_id": product_id, "name": "A book", "price": "19.90", "stock": 10_000}
    async with aiohttp.ClientSession(url) as session, session.post(f"{PREFIX}/products", json=body) as answer:
        assert answer.status == 201
    return product_id


async def cycles(url: str, products: list[str], number: int, calls: Mapping[str, int]) -> None:
    """Each by a client of its own, whose every call has the answer that is due."""
    tally = Tally()
    for _ in range(number):
        async with Client(url, Mix(products, Random(1)), tally) as client:
            await client.once(calls)
    assert not tally.others
    assert tally.answered == {kind: number * count for kind, count in calls.items()}


def descriptors(tiers: Mapping[str, Process]) -> dict[str, int]:
    return {tier: stack.descriptors(process.popen.pid) for tier, process in tiers.items()}
