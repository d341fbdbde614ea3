"""Two stacks in one namespace, one's name a prefix of the other's: a deleted one leaves its retained volumes and nothing else,
made again over them it has its orders, and the other one never notices. That one has a queue of three, and loses
two brokers before it goes, one of them with its node.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from tests.cluster import brokers, members
from tests.cluster.conftest import Stack, merged, resource
from tests.cluster.faults import FAULTS
from tests.cluster.kubectl import Kubectl, until
from tests.cluster.load import post_all

pytestmark = pytest.mark.cluster

KEPT, GONE = "web", "web-db"
SPECS: dict[str, dict[str, Any]] = {
    KEPT: {"database": {"storage": {"size": "1Gi", "reclaim": "Retain"}}},
    GONE: merged(brokers.OF_THREE, {"readReplicas": {"replicas": 1, "storage": {"reclaim": "Delete"}}}),
}
KINDS = (
    "deployments,statefulsets,services,configmaps,secrets,jobs,poddisruptionbudgets,networkpolicies,serviceaccounts,"
    "pods,replicasets,controllerrevisions,endpointslices"
)


@pytest.fixture(scope="module")
def other(module_namespace: Kubectl, reach: Callable[[Kubectl, str], Stack]) -> Stack:
    """The stack with the longer name, which keeps nothing, beside the other one."""
    module_namespace.apply(*(resource(name, spec) for name, spec in SPECS.items()))
    stack = reach(module_namespace, GONE)
    brokers.until_whole(stack)
    return stack


def test_a_stack_made_again_over_retained_volumes_has_its_orders_and_its_neighbour_is_not_touched(
    other: Stack, reach: Callable[[Kubectl, str], Stack]
) -> None:
    namespace = other.kubectl
    stack = reach(namespace, KEPT)
    before = other.uids()
    product = {"product_id": "kept", "name": "Kept", "price": "3.00", "stock": 10}
    order = {"user_id": "u-1", "product_id": "kept", "quantity": 2}
    asyncio.run(post_all(stack.gateway, [("/products", product)]))
    (made,) = asyncio.run(post_all(stack.gateway, [("/orders", order)]))
    namespace.delete("hcs", KEPT)
    until("nothing of it is left", lambda: not _of(namespace, KEPT, KINDS), 120)
    volumes = {claim["metadata"]["name"] for claim in _of(namespace, KEPT, "persistentvolumeclaims")}
    assert volumes == {"data-web-db-0-0", "data-web-replica-0-0", "data-web-queue-0"}, "each engine's, by default"
    assert other.uids() == before
    other.until_ready(30)

    namespace.apply(resource(KEPT, SPECS[KEPT]))
    again = reach(namespace, KEPT)
    order_again = until("its order is read", lambda: asyncio.run(_get(again, made["order_id"])), 30)
    assert order_again["quantity"] == 2
    assert other.uids() == before
    namespace.delete("hcs", KEPT, wait=False)  # it would only take from what follows


def test_its_leading_broker_is_killed_and_no_accepted_task_is_lost_with_it(other: Stack) -> None:
    brokers.lose_the_leading_one(other, brokers.killed)


def test_a_broker_is_lost_with_its_node_and_no_accepted_task_with_it(other: Stack, shop: Stack) -> None:
    fault = FAULTS["broker's node killed"]
    fault.prepare(other)
    victim = fault.victim(other)
    with other.under_load() as load:
        print(f"    hit {victim}")
        with fault.inflict(other, victim):
            load.until_acknowledged(100, "since", 120)
        brokers.until_whole(other)
    shop.until_ready()  # it had pods there, too, and the next test needs it whole
    members.until_safe(shop)


def test_reclaim_delete_leaves_no_volume(other: Stack) -> None:
    other.kubectl.delete("hcs", GONE)
    until("nothing of it is left", lambda: not _of(other.kubectl, GONE, f"{KINDS},persistentvolumeclaims"), 120)


def _of(namespace: Kubectl, stack: str, kinds: str) -> list[dict[str, Any]]:
    """A stack's objects of these kinds."""
    return namespace.items(kinds, f"highconcurrency.dev/stack={stack}")


async def _get(stack: Stack, order_id: str) -> dict[str, object] | None:
    """An order; none while the stack, which has just become ready, says that it is busy."""
    url = f"{stack.gateway}/api/v1/orders/{order_id}"
    async with aiohttp.ClientSession() as http, http.get(url) as answer:
        assert answer.status in {200, 503, 504}, await answer.text()
        document: dict[str, object] | None = await answer.json() if answer.status == 200 else None
        return document
