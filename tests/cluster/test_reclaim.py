"""Two stacks in one namespace, one's name a prefix of the other's: a deleted one leaves its retained volumes and nothing else,
made again over them it has its orders, and the other one never notices.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from tests.cluster.conftest import Stack, resource
from tests.cluster.kubectl import Kubectl, until
from tests.cluster.load import post_all

pytestmark = pytest.mark.cluster

KEPT, GONE = "web", "web-db"
SPECS: dict[str, dict[str, Any]] = {
    KEPT: {"database": {"storage": {"size": "1Gi", "reclaim": "Retain"}}},
    GONE: {"queue": {"storage": {"reclaim": "Delete"}}, "readReplicas": {"storage": {"reclaim": "Delete"}}},
}
KINDS = (
    "deployments,statefulsets,services,configmaps,secrets,jobs,poddisruptionbudgets,networkpolicies,serviceaccounts,"
    "pods,replicasets,controllerrevisions,endpointslices"
)


@pytest.fixture(scope="module")
def other(module_namespace: Kubectl, reach: Callable[[Kubectl, str], Stack]) -> Stack:
    """The stack with the longer name, which keeps nothing, beside the other one."""
    module_namespace.apply(*(resource(name, spec) for name, spec in SPECS.items()))
    return reach(module_namespace, GONE)


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
    assert other.is_ready()

    namespace.apply(resource(KEPT, SPECS[KEPT]))
    again = reach(namespace, KEPT)
    assert asyncio.run(_get(f"{again.gateway}/api/v1/orders/{made['order_id']}"))["quantity"] == 2
    assert other.uids() == before


def test_reclaim_delete_leaves_no_volume(other: Stack) -> None:
    other.kubectl.delete("hcs", GONE)
    until("nothing of it is left", lambda: not _of(other.kubectl, GONE, f"{KINDS},persistentvolumeclaims"), 120)


def _of(namespace: Kubectl, stack: str, kinds: str) -> list[dict[str, Any]]:
    """A stack's objects of these kinds."""
    return namespace.items(kinds, f"highconcurrency.dev/stack={stack}")


async def _get(url: str) -> dict[str, object]:
    async with aiohttp.ClientSession() as http, http.get(url) as answer:
        assert answer.status == 200, await answer.text()
        document: dict[str, object] = await answer.json()
        return document
