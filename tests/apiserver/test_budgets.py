"""Planned restarts and drains of the database's pods share one budget: together they never take two."""

from __future__ import annotations

from typing import Any

import pytest

from hcs_operator.kube.errors import BudgetSpent
from hcs_operator.kube.port import Ref

from .kubelet import Kubelet
from .stage import Stage

pytestmark = pytest.mark.apiserver

LABELS = {"highconcurrency.dev/stack": "shop", "app.kubernetes.io/component": "replica", "app": "copy"}
NAMES = ("shop-replica-0-1", "shop-replica-0-0", "shop-db-0-0")
"""In the order in which they are made anew."""


def copies(namespace: str) -> dict[str, Any]:
    """A workload of somebody else's whose pods carry a replica's labels: the budget counts them."""
    template = {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "main", "image": "a:1"}]}}
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": "copy"}}, "template": template}
    metadata = {"name": "copy", "namespace": namespace}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


async def test_a_planned_restart_waits_for_its_budget_and_uses_it_up_for_a_drain(bare_stage: Stage) -> None:
    stage = bare_stage
    before: dict[str, str] = {}
    held = {NAMES[0]}

    async def uids() -> dict[str, str]:
        found = {name: await stage.get("Pod", name) for name in NAMES}
        return {name: pod["metadata"]["uid"] for name, pod in found.items() if pod}

    def broken(pod: dict[str, Any]) -> str | None:
        name, new = pod["metadata"]["name"], pod["metadata"]["uid"] not in before.values()
        return "ErrImagePull" if new and before and (name in held or name.startswith("copy")) else None

    async def used_up() -> bool:
        status = (await stage.get("PodDisruptionBudget", "shop-replica-0") or {}).get("status", {})
        return (status.get("expectedPods"), status.get("disruptionsAllowed")) == (3, 0)

    async def first_gone() -> bool:
        return (await uids()).get(NAMES[0], before[NAMES[0]]) != before[NAMES[0]]

    async with Kubelet(stage.kube, stage.namespace, broken):
        stage.operator()
        await stage.create(readReplicas={"replicas": 2}, autoscaling={"mode": "Off"})
        await stage.ready()
        before |= await uids()
        await stage.kube.create(copies(stage.namespace))
        await stage.until(used_up, 20, "the budget is used up")

        await stage.edit("shop", database={"config": {"back_log": "200"}})
        await stage.until_reason("Reconciling", "WaitingForBudget", 20, "shop-replica-0-1 is not made anew yet")
        assert await uids() == before

        await stage.remove("Deployment", "copy")
        await stage.until(first_gone, 20, "the first pod is made anew once the budget is free")
        with pytest.raises(BudgetSpent):
            await stage.kube.evict(Ref("Pod", stage.namespace, NAMES[1]), before[NAMES[1]])
        held.clear()
        await stage.ready()
        assert not set(before.values()) & set((await uids()).values())
    writes = [it for it in stage.writes() if "/pods/" in it and not it.startswith("patch")]
    assert list(dict.fromkeys(writes)) == [
        f"create /api/v1/namespaces/{stage.namespace}/pods/{name}/eviction" for name in NAMES
    ]
