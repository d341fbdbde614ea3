"""Replica counts: up with the queue, down with idle workers only, readers drained first, and never written when off."""

import time

import pytest

from .stage import Stage, of_children

pytestmark = pytest.mark.apiserver

FOUR = {"workers": {"maxReplicas": 4, "idleTimeout": "1h"}}


async def count(stage: Stage, kind: str, name: str) -> int:
    found = await stage.get(kind, name)
    assert found is not None
    return int(found["spec"]["replicas"])


async def workers(stage: Stage) -> int:
    return await count(stage, "Deployment", "shop-worker")


async def test_a_backlog_adds_workers_with_an_event_that_names_its_numbers(stage: Stage) -> None:
    stage.operator()
    await stage.create(autoscaling=FOUR)
    await stage.ready()
    with stage.world.change() as world:
        world["queue"] = {"ready": 5000, "published": 5000}

    async def four() -> bool:
        return await workers(stage) == 4

    await stage.until(four, 15, "there are four workers")
    await stage.announced("ScaledWorkers", "1 -> 4: backlog 5000")
    found = await stage.get("Deployment", "shop-worker")
    assert found is not None
    owners = {
        entry["manager"]
        for entry in found["metadata"]["managedFields"]
        if '"f:replicas"' in str(entry["fieldsV1"]).replace("'", '"') and entry.get("subresource") == "scale"
    }
    assert owners == {"hcs-autoscaler"}


async def test_a_busy_worker_is_not_taken_idle_ones_go_to_zero_and_a_message_wakes_one(stage: Stage) -> None:
    stage.operator()
    await stage.create(autoscaling=FOUR)
    await stage.ready()
    pods = (await stage.kube.list("Pod", stage.namespace, "app.kubernetes.io/component=worker")).items
    with stage.world.change() as world:
        world["busy"], world["ahead"] = [pod["metadata"]["name"] for pod in pods], 4000  # seconds

    async def held() -> bool:
        return await stage.told_of_workers("limitedBy") == "BusyWorkers"

    await stage.until(held, 20, "the busy worker is what holds the count")
    assert await workers(stage) == 1
    with stage.world.change() as world:
        world["busy"] = []

    async def are(number: int) -> bool:
        return await workers(stage) == number

    await stage.until(lambda: are(0), 20, "the workers are gone")
    with stage.world.change() as world:
        world["queue"] = {"ready": 1, "published": 1}
    await stage.until(lambda: are(1), 6, "a worker is woken up")


@pytest.mark.parametrize("mode", ["Off", "Recommend"])
async def test_without_auto_no_count_is_written(stage: Stage, mode: str) -> None:
    stage.operator()
    await stage.create(autoscaling={**FOUR, "mode": mode})
    await stage.ready()
    created = stage.writes()
    with stage.world.change() as world:
        world["queue"] = {"ready": 5000, "published": 5000}

    async def looked() -> bool:
        return await stage.told_of_workers("signal") == "5000"

    await stage.until(looked, 20, "the backlog is seen")
    assert await workers(stage) == 1
    written = stage.writes()
    assert len(written) > len(created), "the audit log shows nothing at all: it proves nothing"
    assert not [write for write in written if write.endswith("/scale")]
    assert not of_children(written[len(created) :])


async def test_taking_over_a_count_keeps_it(stage: Stage) -> None:
    stage.operator()
    await stage.create(autoscaling={"mode": "Off"}, workers={"replicas": 3})
    await stage.ready()
    assert await workers(stage) == 3
    with stage.world.change() as world:
        world["busy"] = [f"shop-worker-{number}" for number in range(9)]
        world["queue"] = {"unacked": 3, "published": 3}
    await stage.edit("shop", autoscaling={"mode": "Recommend"})
    await stage.ready()
    assert await workers(stage) == 3


async def test_a_reader_comes_with_miss_traffic_and_goes_drained(stage: Stage) -> None:
    windows = {
        "scaleOut": {"sustain": "5s"},
        "scaleIn": {"sustain": "5s", "interval": "5s", "afterScaleOut": "5s", "drainTimeout": "10s"},
        "hints": {"readsPerReplica": 10},
        "maxReplicas": 2,
    }
    stage.operator()
    await stage.create(autoscaling={"readReplicas": windows})
    await stage.ready()
    with stage.world.change() as world:
        world["reads"] = {"since": time.time(), "hits": 1200, "misses": 400}

    async def readers(number: int) -> bool:
        return await count(stage, "StatefulSet", "shop-replica-0") == number

    await stage.until(lambda: readers(2), 40, "a reader was added")
    await stage.announced("ScaledReadReplicas", "misses/s (hit rate 75%), one reader serves 10 reads/s")
    with stage.world.change() as world:
        world["reads"]["until"] = time.time()
    await stage.until(lambda: readers(1), 60, "the reader went again")
    reader = f"shop-replica-0-1.shop-replica-0.{stage.namespace}.svc.cluster.local"
    assert stage.world.read()["instances"][reader]["stopped"]
