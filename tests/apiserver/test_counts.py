"""Replica counts: up with the queue, down with idle workers only, readers drained first, and never written when off."""

import asyncio

import pytest

from .stage import Stage

pytestmark = [pytest.mark.apiserver, pytest.mark.timeout(180)]

QUICK = {"workers": {"maxReplicas": 4, "idleTimeout": "5s"}}


async def count(stage: Stage, kind: str, name: str) -> int:
    found = await stage.get(kind, name)
    assert found is not None
    return int(found["spec"]["replicas"])


async def workers(stage: Stage) -> int:
    return await count(stage, "Deployment", "shop-worker")


async def test_a_backlog_adds_workers_with_an_event_that_names_its_numbers(stage: Stage) -> None:
    stage.operator()
    await stage.create(autoscaling=QUICK)
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


async def test_idle_workers_go_to_zero_and_a_message_wakes_one(stage: Stage) -> None:
    stage.operator()
    await stage.create(autoscaling=QUICK)
    await stage.ready()

    async def none() -> bool:
        return await workers(stage) == 0

    await stage.until(none, 60, "the workers are gone")
    with stage.world.change() as world:
        world["queue"] = {"ready": 1, "published": 1}

    async def one() -> bool:
        return await workers(stage) == 1

    await stage.until(one, 6, "a worker is woken up")


async def test_a_busy_worker_is_not_taken(stage: Stage) -> None:
    stage.operator()
    await stage.create(autoscaling=QUICK)
    await stage.ready()
    pods = (await stage.kube.list("Pod", stage.namespace, "app.kubernetes.io/component=worker")).items
    with stage.world.change() as world:
        world["busy"] = [pod["metadata"]["name"] for pod in pods]
    await asyncio.sleep(45)
    assert await workers(stage) == 1


@pytest.mark.parametrize("mode", ["Off", "Recommend"])
async def test_without_auto_no_count_is_written(stage: Stage, mode: str) -> None:
    stage.operator()
    await stage.create(autoscaling={**QUICK, "mode": mode})
    await stage.ready()
    with stage.world.change() as world:
        world["queue"] = {"ready": 5000, "published": 5000}
    await asyncio.sleep(6)
    assert await workers(stage) == 1
    written = stage.writes()
    assert written, "the audit log shows nothing at all: it proves nothing"
    assert not [write for write in written if write.endswith("/scale")]


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
    misses, load = 0, True

    async def play() -> None:
        nonlocal misses
        while True:
            misses += 20 if load else 0
            with stage.world.change() as world:
                world["reads"] = {"hits": misses * 3, "misses": misses}
            await asyncio.sleep(0.5)

    async def readers() -> int:
        return await count(stage, "StatefulSet", "shop-replica-0")

    playing = asyncio.create_task(play())

    async def two() -> bool:
        return await readers() == 2

    await stage.until(two, 40, "a reader was added")
    load = False

    async def one() -> bool:
        return await readers() == 1

    await stage.until(one, 60, "the reader went again")
    playing.cancel()
    messages = [message for reason, message in await stage.events() if reason == "ScaledReadReplicas"]
    assert any(message.startswith("1 -> 2: ") and "misses/s" in message for message in messages)
    assert stage.world.read()["instances"][f"shop-replica-0-1.shop-replica-0.{stage.namespace}.svc.cluster.local"][
        "stopped"
    ]
