"""Deleting a stack leaves its retained volumes and nothing else; made again over them, its orders are there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import aiohttp
import pytest
from tests.cluster.conftest import Stack, resource
from tests.cluster.kubectl import Kubectl, until
from tests.cluster.load import post_all

pytestmark = pytest.mark.cluster

RETAIN = {"database": {"storage": {"size": "1Gi", "reclaim": "Retain"}}}
KINDS = (
    "deployments,statefulsets,services,configmaps,secrets,jobs,poddisruptionbudgets,networkpolicies,serviceaccounts,"
    "pods,replicasets,controllerrevisions,endpointslices"
)


def test_a_stack_made_again_over_retained_volumes_has_its_orders(
    namespace: Kubectl, reach: Callable[[Kubectl, str], Stack]
) -> None:
    namespace.apply(resource("kept", RETAIN))
    stack = reach(namespace, "kept")
    product = {"product_id": "kept", "name": "Kept", "price": "3.00", "stock": 10}
    order = {"user_id": "u-1", "product_id": "kept", "quantity": 2}
    _, made = (
        asyncio.run(post_all(stack.gateway, [("/products", product)])),
        asyncio.run(post_all(stack.gateway, [("/orders", order)])),
    )
    namespace.delete("hcs", "kept")
    until("nothing of it is left", lambda: not namespace.items(KINDS, "highconcurrency.dev/stack=kept") or None, 120)
    volumes = {claim["metadata"]["name"] for claim in namespace.items("persistentvolumeclaims")}
    assert volumes == {"data-kept-db-0-0", "data-kept-replica-0-0", "data-kept-queue-0"}, "each engine's, by default"

    namespace.apply(resource("kept", RETAIN))
    again = reach(namespace, "kept")
    assert asyncio.run(_get(f"{again.gateway}/api/v1/orders/{made[0]['order_id']}"))["quantity"] == 2


def test_reclaim_delete_leaves_no_volume(namespace: Kubectl, reach: Callable[[Kubectl, str], Stack]) -> None:
    namespace.apply(
        resource(
            "gone", {"queue": {"storage": {"reclaim": "Delete"}}, "readReplicas": {"storage": {"reclaim": "Delete"}}}
        )
    )
    reach(namespace, "gone")
    namespace.delete("hcs", "gone")
    until(
        "nothing of it is left",
        lambda: not namespace.items(f"{KINDS},persistentvolumeclaims", "highconcurrency.dev/stack=gone") or None,
        120,
    )


async def _get(url: str) -> dict[str, object]:
    async with aiohttp.ClientSession() as http, http.get(url) as answer:
        assert answer.status == 200, await answer.text()
        document: dict[str, object] = await answer.json()
        return document
