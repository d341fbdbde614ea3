"""Volumes grow under running pods where their class allows it; where it does not, only the growth stands still."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from hcs_operator.kube.aio import Client
from hcs_operator.kube.errors import Conflict, KubeError

from .stage import Stage

pytestmark = pytest.mark.apiserver

CLASSES = "/apis/storage.k8s.io/v1/storageclasses"
SETS = ("shop-db-0", "shop-replica-0", "shop-queue")


async def storage_class(kube: Client, name: str, *, expands: bool) -> None:
    document = {"metadata": {"name": name}, "provisioner": "played", "allowVolumeExpansion": expands}
    with suppress(Conflict):
        await kube._request("POST", CLASSES, body=document)


@asynccontextmanager
async def driver(stage: Stage) -> AsyncIterator[None]:
    """Plays the storage driver: every claim is bound to a volume, and gets what it asks for."""

    async def play() -> None:
        while True:
            with suppress(KubeError):
                for claim in (await stage.kube.list("PersistentVolumeClaim", stage.namespace)).items:
                    await _provide(stage.kube, claim)
            await asyncio.sleep(0.4)

    playing = asyncio.create_task(play())
    try:
        yield
    finally:
        playing.cancel()


async def _provide(kube: Client, claim: Mapping[str, Any]) -> None:
    wanted = claim["spec"]["resources"]["requests"]
    if (claim.get("status") or {}).get("capacity") == wanted:
        return
    metadata = {name: claim["metadata"][name] for name in ("name", "namespace", "uid")}
    status = {"phase": "Bound", "capacity": wanted}
    document = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "status": status}
    with suppress(KubeError):
        await kube.apply(document, manager="driver", subresource="status")


def storage(size: str, class_name: str, reclaim: str = "Retain") -> dict[str, Any]:
    block = {"size": size, "className": class_name, "reclaim": reclaim}
    return {"database": {"storage": block}, "readReplicas": {"storage": block}, "queue": {"storage": block}}


async def sizes(stage: Stage) -> dict[str, str]:
    """What each StatefulSet gives its claims, and what each claim asks for."""
    found = {}
    for name in SETS:
        workload = await stage.get("StatefulSet", name)
        if workload is not None:
            template = workload["spec"]["volumeClaimTemplates"][0]
            found[name] = template["spec"]["resources"]["requests"]["storage"]
    for claim in (await stage.kube.list("PersistentVolumeClaim", stage.namespace)).items:
        found[claim["metadata"]["name"]] = claim["spec"]["resources"]["requests"]["storage"]
    return found


def all_of(size: str) -> dict[str, str]:
    return {name: size for workload in SETS for name in (workload, f"data-{workload}-0")}


async def engines(stage: Stage) -> dict[str, str]:
    """The uids of the pods with volumes."""
    pods = (await stage.kube.list("Pod", stage.namespace, "highconcurrency.dev/stack=shop")).items
    return {
        pod["metadata"]["name"]: pod["metadata"]["uid"]
        for pod in pods
        if pod["metadata"]["name"].rpartition("-")[0] in SETS
    }


async def grown(stage: Stage, size: str) -> None:
    async def done() -> bool:
        return await sizes(stage) == all_of(size) and await stage.settled()

    await stage.until(done, 60, f"every claim and template has {size} and the stack is settled")


@pytest.mark.parametrize("reclaim", ["Retain", "Delete"])
async def test_claims_and_templates_grow_and_no_pod_is_touched(stage: Stage, reclaim: str) -> None:
    await storage_class(stage.kube, "grows", expands=True)
    async with driver(stage):
        stage.operator()
        await stage.create(**storage("1Gi", "grows", reclaim))
        await stage.ready()
        before = await engines(stage)
        assert {name.rpartition("-")[0] for name in before} == set(SETS)
        await stage.edit("shop", **storage("2Gi", "grows", reclaim))
        await grown(stage, "2Gi")
        assert await engines(stage) == before
        claims = (await stage.kube.list("PersistentVolumeClaim", stage.namespace)).items
        assert not [claim["metadata"]["name"] for claim in claims if claim["metadata"].get("deletionTimestamp")]
        for name in before:
            workload, pod = await stage.get("StatefulSet", name.rpartition("-")[0]), await stage.get("Pod", name)
            assert workload is not None
            assert pod is not None
            assert [it["uid"] for it in pod["metadata"]["ownerReferences"]] == [workload["metadata"]["uid"]]
        assert (await stage.stack())["status"]["volumes"] == dict.fromkeys(("database", "readReplicas", "queue"), "2Gi")
        events = await stage.events()
    assert not [message for reason, message in events if reason == "Healed"]
    assert not [message for _, message in events if "ReplicationHealthy=False" in message]


async def test_readers_keep_their_number_and_one_that_comes_later_has_the_new_size(stage: Stage) -> None:
    await storage_class(stage.kube, "grows", expands=True)
    async with driver(stage):
        stage.operator()
        await stage.create(autoscaling={"readReplicas": {"minReplicas": 2}}, **storage("1Gi", "grows"))
        await stage.until(lambda: _readers(stage, 2), 60, "there are two readers")
        await stage.ready()
        before = await engines(stage)
        await stage.edit("shop", **storage("2Gi", "grows"))
        expected = all_of("2Gi") | {"data-shop-replica-0-1": "2Gi"}

        async def done() -> bool:
            return await sizes(stage) == expected and await stage.settled()

        await stage.until(done, 60, "all have grown")
        assert await engines(stage) == before
        await stage.edit("shop", autoscaling={"readReplicas": {"minReplicas": 3}})
        await stage.until(lambda: _readers(stage, 3), 60, "there are three readers")
        await stage.ready()
        assert await sizes(stage) == expected | {"data-shop-replica-0-2": "2Gi"}


async def _readers(stage: Stage, count: int) -> bool:
    return len([name for name in await engines(stage) if name.startswith("shop-replica-0-")]) == count


async def test_a_class_that_does_not_expand_stalls_in_words_and_the_size_can_be_set_back(stage: Stage) -> None:
    await storage_class(stage.kube, "stays", expands=False)
    async with driver(stage):
        stage.operator()
        await stage.create(**storage("1Gi", "stays"))
        await stage.ready()
        before = await _workloads(stage)
        await stage.edit("shop", **storage("2Gi", "stays"))

        stalled = await stage.until_reason("Stalled", "VolumeCannotGrow", 30)
        assert "storageclass that provisions the pvc must support resize" in stalled["message"]
        assert "allowVolumeExpansion on StorageClass stays" in stalled["message"]
        assert "back to 1Gi" in stalled["message"]
        assert (await stage.condition("Ready"))["status"] == "True"

        await stage.edit("shop", writeApi={"replicas": 3})

        async def three() -> bool:
            found = await stage.get("Deployment", "shop-write-api")
            return found is not None and found["spec"]["replicas"] == 3

        await stage.until(three, 20, "another change is carried out meanwhile")
        assert await sizes(stage) == all_of("1Gi")
        assert await _workloads(stage) == before

        await stage.edit("shop", **storage("1Gi", "stays"))

        async def free() -> bool:
            return (await stage.condition("Stalled"))["status"] == "False"

        await stage.until(free, 20, "set back, nothing stands in the way")
        assert await _workloads(stage) == before


async def _workloads(stage: Stage) -> dict[str, str]:
    return {
        name: document["metadata"]["uid"]
        for name, document in (await stage.children()).items()
        if name.startswith("StatefulSet/")
    }


async def test_kept_volumes_that_are_smaller_grow_under_a_stack_made_again(stage: Stage) -> None:
    await storage_class(stage.kube, "grows", expands=True)
    async with driver(stage):
        stage.operator()
        await stage.create(**storage("1Gi", "grows"))
        await stage.ready()
        await stage.remove("HighConcurrencyStack", "shop")

        async def gone() -> bool:
            return not await engines(stage)

        await stage.until(gone, 60, "the pods are collected")
        await stage.create(**storage("2Gi", "grows"))
        await grown(stage, "2Gi")


@pytest.mark.parametrize("writes", [1, 3, 5, 6, 8, 9, 11, 12])
async def test_killed_in_mid_growth_the_next_operator_ends_it_and_no_pod_is_touched(stage: Stage, writes: int) -> None:
    await storage_class(stage.kube, "grows", expands=True)
    async with driver(stage):
        first = stage.operator()
        await stage.create(**storage("1Gi", "grows", "Delete"))
        await stage.ready()
        before = await engines(stage)
        first.terminate()
        await stage.ended(first, 0)
        mortal = stage.operator(kill_after=writes)
        await stage.edit("shop", **storage("2Gi", "grows", "Delete"))
        await stage.ended(mortal, -9)
        stage.operator()
        await grown(stage, "2Gi")
        assert await engines(stage) == before
        for name in SETS:
            workload = await stage.get("StatefulSet", name)
            assert workload is not None
            assert workload["spec"]["persistentVolumeClaimRetentionPolicy"]["whenDeleted"] == "Delete"
