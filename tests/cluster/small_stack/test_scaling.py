"""Workers follow the queue to four and back to none; a reader is added for misses that last, and for nothing else."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import aiohttp
import pytest
from tests.cluster.conftest import SINK, STUB, Stack
from tests.cluster.kubectl import CommandFailed, until
from tests.cluster.load import post_all, read_keys
from tests.cluster.outside import ABOUT
from tests.cluster.watching import watched
from tests.slack import SLACK

pytestmark = pytest.mark.cluster

MISSES_PER_READER = 12  # a second, low enough for a small machine's load to exceed
FEW, MANY = 900, 4000  # products of about 1 KiB: what a cache of 4 MiB holds, and far more than it does
RATE = 60  # reads a second
ORDERS = 2000
# By digest, which tells the read API's own statement from the looks that every service takes at each reader.
PRODUCT_READS = """
from hcs_operator.mysql.session import over_socket
with over_socket("/run/mysqld/mysqld.sock") as session:
    row = session.one(
        "SELECT COALESCE(SUM(COUNT_STAR), 0) AS reads_of_products"
        " FROM performance_schema.events_statements_summary_by_digest"
        " WHERE SCHEMA_NAME = 'hcs' AND DIGEST_TEXT LIKE 'SELECT%JOIN `products`%'"
    )
    print(row["reads_of_products"])
"""


@pytest.fixture(scope="module")
def scaled(small: Stack) -> Stack:
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
    small.become(spec)
    return small


def test_a_cold_cache_alone_adds_no_reader(scaled: Stack) -> None:
    path = asyncio.run(_products(scaled, 0, FEW))
    asyncio.run(read_keys(scaled.gateway, path, keys=FEW, rate=RATE, seconds=15))
    before = _misses(scaled)
    scaled.kubectl.delete("pod", f"{scaled.name}-cache-0")
    asyncio.run(read_keys(scaled.gateway, path, keys=FEW, rate=RATE, seconds=35))
    missed = _misses(scaled) - before
    assert missed > FEW / 3, f"only {missed:.0f} reads missed: the cache was not cold"
    assert _readers(scaled) == 1, scaled.resource()["status"]["readReplicas"]
    assert not _reader_moves(scaled), "a reader was added, and may have gone again"


@pytest.fixture(scope="module")
def paid(scaled: Stack) -> Iterator[Future[None]]:
    """Orders, their mails and their payments, while readers are added for reads: each count is its own."""
    with ThreadPoolExecutor(max_workers=1) as beside:
        yield beside.submit(_workers_come_and_go, scaled)


def test_reads_over_more_keys_than_the_cache_holds_add_a_reader_that_goes_again(
    scaled: Stack, paid: Future[None]
) -> None:
    path = asyncio.run(_products(scaled, FEW, MANY))
    second = f"{scaled.name}-replica-0-1"
    started = time.monotonic()
    answered = [0]

    def both_serve() -> bool:
        with suppress(CommandFailed):
            answered.append(_product_reads(scaled, second) if _readers_read(scaled) == 2 else 0)
        return answered[-1] > 0

    asyncio.run(read_keys(scaled.gateway, path, keys=MANY, rate=RATE, seconds=150 * SLACK, until=both_serve))
    assert answered[-1] > 0, f"the second reader answered no read of a product: {scaled.resource()['status']}"
    print(f"    the second reader took reads after {time.monotonic() - started:.0f} s")
    reasons = _reader_moves(scaled)
    assert any("misses/s" in reason for reason in reasons), reasons
    until("the reader goes again", lambda: _readers(scaled) == 1, 150)
    assert scaled.is_ready()


def test_workers_go_from_none_to_four_and_back_and_charge_each_payment_once(paid: Future[None]) -> None:
    paid.result()


def _workers_come_and_go(stack: Stack) -> None:
    redelivered = _redelivered(stack)
    selector = f"highconcurrency.dev/stack={stack.name},app.kubernetes.io/component=worker"
    with watched(stack.kubectl, selector) as workers:
        orders = asyncio.run(_orders(stack, ORDERS))
        ids = {order["order_id"] for order in orders}
        assert len(ids) == ORDERS
        until("every order is confirmed by mail", lambda: len(_mails(ids)) == ORDERS, 180, every=2)
        until("workers are at 0", lambda: _workers(stack) == 0, 180)
        asyncio.run(_pay(stack, orders))
        until("4 workers", lambda: _workers(stack) == 4, 60)
        until("every payment is charged", lambda: len(_charges(ids)) == ORDERS, 200, every=1)
        until("workers are back at 0", lambda: _workers(stack) == 0, 120)
        until("the end of each worker was seen", lambda: not workers.running(), 60)
        assert len(workers.statuses()) >= 4, workers.statuses()
        assert not workers.killed(), "a busy worker was killed"
    assert not _uneven(_charges(ids), ids), "not charged exactly once"
    assert not _uneven(_mails(ids), ids), "not confirmed by exactly one mail"
    reasons = [event["message"] for event in stack.kubectl.events(stack.name) if event["reason"].startswith("Scaled")]
    assert any("backlog" in reason for reason in reasons), reasons
    assert _redelivered(stack) == redelivered, "a worker went with tasks in its hands"


async def _orders(stack: Stack, count: int) -> list[dict[str, Any]]:
    product = {"product_id": "scaled", "name": "Scaled", "price": "1.00", "stock": 100_000}
    await post_all(stack.gateway, [("/products", product)])
    bodies = [("/orders", {"user_id": f"u-{n % 50}", "product_id": "scaled", "quantity": 1}) for n in range(count)]
    return await post_all(stack.gateway, bodies)


async def _pay(stack: Stack, orders: list[dict[str, Any]]) -> None:
    """Has a payment of half a second accepted for each order."""
    same = {"currency": "EUR", "method_token": "tok_slow_500"}
    bodies = [{"order_id": order["order_id"], "amount": order["total_amount"], **same} for order in orders]
    accepted = await post_all(stack.gateway, [("/payments", body) for body in bodies])
    assert len(accepted) == len(orders)


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


def _product_reads(stack: Stack, reader: str) -> int:
    """How many statements of the read API for a product this reader's server has executed since it began."""
    return int(stack.kubectl.run("exec", reader, "--container=agent", "--", "python3", "-c", PRODUCT_READS))


def _reader_moves(stack: Stack) -> list[str]:
    """What the events tell of the number of readers."""
    return [event["message"] for event in stack.kubectl.events(stack.name) if event["reason"] == "ScaledReadReplicas"]


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


def _charges(orders: set[str]) -> Counter[str]:
    """How many charges of each of these orders the stub has."""
    return Counter(charge["order_id"] for charge in _listed(f"{STUB}/charges") if charge["order_id"] in orders)


def _mails(orders: set[str]) -> Counter[str]:
    """How many mails about each of these orders are in the sink; a repeat under its Message-ID is the same mail."""
    mails = {(mail["message_id"], mail["subject"].removeprefix(ABOUT)) for mail in _listed(f"{SINK}/messages")}
    return Counter(order for _, order in mails if order in orders)


def _uneven(found: Counter[str], orders: set[str]) -> dict[str, int]:
    """Orders that were not met exactly once, with how often they were."""
    return {order: found[order] for order in orders if found[order] != 1}


def _listed(url: str) -> list[dict[str, Any]]:
    """What one of the samples lists."""

    async def ask() -> list[dict[str, Any]]:
        async with aiohttp.ClientSession() as http, http.get(url) as answer:
            found: list[dict[str, Any]] = await answer.json()
            return found

    return asyncio.run(ask())
