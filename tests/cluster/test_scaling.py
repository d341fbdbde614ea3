"""Workers follow the queue to four and back to none; a reader is added for misses that last, and for nothing else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from tests.cluster.conftest import STUB, Stack, resource
from tests.cluster.kubectl import Kubectl, until
from tests.cluster.load import post_all, read_keys

pytestmark = pytest.mark.cluster

MISSES_PER_READER = 20  # a second, low enough for a small machine's load to exceed
FEW, MANY = 1500, 6000  # products of about 1 KiB: as many as a cache of 4 MiB holds, and three times as many
RATE = 100  # reads a second


@pytest.fixture(scope="module")
def scaled(module_namespace: Kubectl, reach: Callable[[Kubectl, str], Stack]) -> Stack:
    """A stack with low targets and short windows."""
    spec: dict[str, Any] = {
        "cache": {"maxMemory": "4Mi"},
        "readApi": {"extraEnv": [{"name": "L1_ENTRIES", "value": "0"}]},
        "autoscaling": {
            "mode": "Auto",
            "workers": {"minReplicas": 0, "maxReplicas": 4, "idleTimeout": "15s", "slo": {"maxWait": "30s"}},
            "readReplicas": {
                "minReplicas": 1,
                "maxReplicas": 2,
                "hints": {"readsPerReplica": MISSES_PER_READER},
                "scaleOut": {"sustain": "20s"},
                "scaleIn": {"sustain": "30s", "interval": "10s", "afterScaleOut": "30s", "drainTimeout": "20s"},
            },
        },
    }
    module_namespace.apply(resource("scaled", spec))
    return reach(module_namespace, "scaled")


def test_a_cold_cache_alone_adds_no_reader(scaled: Stack) -> None:
    path = asyncio.run(_products(scaled, 0, FEW))
    asyncio.run(read_keys(scaled.gateway, path, keys=FEW, rate=RATE, seconds=15))
    before = _misses(scaled)
    scaled.kubectl.delete("pod", "scaled-cache-0")
    asyncio.run(read_keys(scaled.gateway, path, keys=FEW, rate=RATE, seconds=45))
    missed = _misses(scaled) - before
    assert missed > FEW / 2, f"only {missed:.0f} reads missed: the cache was not cold"
    assert _readers(scaled) == 1, scaled.resource()["status"]["readReplicas"]


def test_workers_go_from_none_to_four_and_back_and_charge_each_payment_once(scaled: Stack) -> None:
    redelivered = _redelivered(scaled)
    orders = asyncio.run(_orders(scaled, 2000))
    until("the mails are drained and workers are at 0", lambda: _workers(scaled) == 0, 180)
    payments = [
        (
            "/payments",
            {"order_id": o["order_id"], "amount": o["total_amount"], "currency": "EUR", "method_token": "tok_slow_500"},
        )
        for o in orders
    ]
    accepted = asyncio.run(post_all(scaled.gateway, payments))
    assert len(accepted) == 2000
    until("4 workers", lambda: _workers(scaled) == 4, 60)
    until("every payment is charged", lambda: _charges(orders) >= 2000, 200)
    until("workers are back at 0", lambda: _workers(scaled) == 0, 120)
    assert _charges(orders) == 2000
    reasons = [event["message"] for event in scaled.kubectl.events("scaled") if event["reason"].startswith("Scaled")]
    assert any("backlog" in reason for reason in reasons), reasons
    assert not _killed_workers(scaled), "a busy worker was killed"
    assert _redelivered(scaled) == redelivered, "a worker went with tasks in its hands"


def test_reads_over_more_keys_than_the_cache_holds_add_a_reader_that_goes_again(scaled: Stack) -> None:
    path = asyncio.run(_products(scaled, FEW, MANY))
    started = time.monotonic()
    load = read_keys(scaled.gateway, path, keys=MANY, rate=RATE, seconds=240, until=lambda: _readers_read(scaled) == 2)
    asyncio.run(load)
    assert _readers_read(scaled) == 2, scaled.resource()["status"]["readReplicas"]
    print(f"    the second reader took reads after {time.monotonic() - started:.0f} s")
    reasons = [event["message"] for event in scaled.kubectl.events("scaled") if event["reason"] == "ScaledReadReplicas"]
    assert any("misses/s" in reason for reason in reasons), reasons
    until("the reader goes again", lambda: _readers(scaled) == 1, 150)
    assert scaled.is_ready()


async def _orders(stack: Stack, count: int) -> list[dict[str, Any]]:
    product = {"product_id": "scaled", "name": "Scaled", "price": "1.00", "stock": 100_000}
    await post_all(stack.gateway, [("/products", product)])
    bodies = [("/orders", {"user_id": f"u-{n % 50}", "product_id": "scaled", "quantity": 1}) for n in range(count)]
    return await post_all(stack.gateway, bodies)


async def _products(stack: Stack, first: int, end: int) -> str:
    """Makes products with names of 800 bytes, numbered from `first` to below `end`; the path of one, to be formatted."""
    name = "\N{TEACUP WITHOUT HANDLE}" * 200
    bodies = [{"product_id": f"p-{n}", "name": name, "price": "1.00", "stock": 1} for n in range(first, end)]
    await post_all(stack.gateway, [("/products", body) for body in bodies])
    return "/products/p-{}"


def _workers(stack: Stack) -> int:
    return len(stack.kubectl.pods(stack.name, "worker"))


def _readers(stack: Stack) -> int:
    return len(stack.kubectl.pods(stack.name, "replica"))


def _readers_read(stack: Stack) -> float:
    """From how many readers the read API takes rows."""
    return _metric(stack, "hcs_database_readers_eligible")


def _misses(stack: Stack) -> float:
    """Reads that no cache has answered."""
    return _metric(stack, 'hcs_cache_reads_total{result="miss"}')


def _redelivered(stack: Stack) -> float:
    """Deliveries from quorum queues that the broker has marked as redelivered."""
    series = 'rabbitmq_global_messages_redelivered_total{protocol="amqp091",queue_type="rabbit_quorum_queue"}'
    return _metric(stack, series, "queue", 15692)


def _metric(stack: Stack, series: str, component: str = "read-api", port: int = 9090) -> float:
    """A figure of a component's one pod."""
    pod = stack.kubectl.pods(stack.name, component)[0]["metadata"]["name"]
    place = f"/api/v1/namespaces/{stack.kubectl.namespace}/pods/{pod}:{port}/proxy/metrics"
    lines = stack.kubectl.run("get", "--raw", place).splitlines()
    return next(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{series} "))


def _killed_workers(stack: Stack) -> list[str]:
    """Worker pods whose container ended by SIGKILL."""
    return [
        pod["metadata"]["name"]
        for pod in stack.kubectl.items(
            "pods", f"highconcurrency.dev/stack={stack.name},app.kubernetes.io/component=worker"
        )
        for status in pod["status"].get("containerStatuses", [])
        if status["state"].get("terminated", {}).get("exitCode") == 137
    ]


def _charges(orders: list[dict[str, Any]]) -> int:
    """Charges at the stub for these orders."""
    mine = {order["order_id"] for order in orders}

    async def ask() -> int:
        async with aiohttp.ClientSession() as http, http.get(f"{STUB}/charges") as answer:
            return sum(charge["order_id"] in mine for charge in await answer.json())

    return asyncio.run(ask())
