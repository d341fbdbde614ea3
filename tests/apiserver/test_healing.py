"""What is changed by hand is put right; what is no longer wanted goes; what is paused is left alone."""

import asyncio
from typing import Any

import pytest

from hcs_operator.kube.port import Ref

from .kubelet import Kubelet
from .stage import STEADY, Stage, of_children

pytestmark = pytest.mark.apiserver


async def test_what_is_deleted_or_changed_by_hand_is_put_right_and_what_is_no_longer_wanted_goes(stage: Stage) -> None:
    stage.operator()
    await stage.create()
    await stage.ready()
    await _a_label_added_to_a_selector_is_taken_away(stage)
    await _deleted_children_come_back_with_an_event(stage)
    await _an_edited_child_is_put_right_and_the_event_says_what(stage)
    await _what_is_no_longer_wanted_is_pruned_and_nothing_else(stage)


async def _a_label_added_to_a_selector_is_taken_away(stage: Stage) -> None:
    for kind, field in (("Service", "selector"), ("NetworkPolicy", "podSelector"), ("PodDisruptionBudget", "selector")):
        found = await stage.get(kind, "shop-gateway")
        assert found is not None
        before = found["spec"][field]

        def spoil(live: dict[str, Any], field: str = field) -> None:
            chosen = live["spec"][field]
            chosen.get("matchLabels", chosen)["x"] = "y"

        async def right(kind: str = kind, field: str = field, before: object = before) -> bool:
            live = await stage.get(kind, "shop-gateway")
            return live is not None and live["spec"][field] == before

        await stage.change(kind, "shop-gateway", spoil)
        await stage.until(right, 20, f"the selector of {kind} is right again")
        await stage.announced("Healed", f"{kind} shop-gateway was changed and is put right")
    await stage.ready()
    healed = [message for reason, message in await stage.events() if reason == "Healed"]
    assert [message.partition("x y -> unset")[1:] for message in healed] == [("x y -> unset", "")] * 3


async def _deleted_children_come_back_with_an_event(stage: Stage) -> None:
    lost = (("Deployment", "shop-gateway"), ("Service", "shop-primary"), ("ConfigMap", "shop-gateway"))
    for kind, name in lost:
        await stage.remove(kind, name)

    async def back() -> bool:
        return all([await stage.get(kind, name) for kind, name in lost])

    await stage.until(back, 20, "the children are back")
    await stage.ready()
    await stage.announced("Healed", "Service shop-primary was deleted and is made again")


async def _an_edited_child_is_put_right_and_the_event_says_what(stage: Stage) -> None:
    key = "app.kubernetes.io/component"
    await stage.change("Service", "shop-cache", lambda it: it["spec"]["selector"].update({key: "queue"}))

    async def right() -> bool:
        found = await stage.get("Service", "shop-cache")
        return found is not None and found["spec"]["selector"][key] == "cache"

    await stage.until(right, 20, "the selector is right again")
    await stage.ready()
    await stage.announced("Healed", "queue -> cache")


async def _what_is_no_longer_wanted_is_pruned_and_nothing_else(stage: Stage) -> None:
    before = set(await stage.children())
    mine = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "users-own",
            "namespace": stage.namespace,
            "labels": {"highconcurrency.dev/stack": "shop", "app.kubernetes.io/managed-by": "hcs-operator"},
        },
    }
    await stage.kube.create(mine)
    await stage.edit("shop", networkPolicy={"enabled": False})
    policies = {name for name in before if name.startswith("NetworkPolicy/")}
    assert policies

    async def pruned() -> bool:
        return not (await stage.kube.list("NetworkPolicy", stage.namespace)).items

    await stage.until(pruned, 20, "the policies are gone")
    await stage.ready()
    assert set(await stage.children()) == before - policies
    assert await stage.get("ConfigMap", "users-own") is not None


async def test_a_paused_stack_is_reported_and_not_touched(stage: Stage) -> None:
    stage.operator()
    await stage.create(autoscaling=STEADY)
    await stage.ready()
    await stage.edit("shop", paused=True)

    async def paused() -> bool:
        return (await stage.condition("Paused"))["status"] == "True"

    await stage.until(paused, 20, "the stack says that it is paused")
    before = stage.writes()
    await stage.remove("Deployment", "shop-gateway")
    with stage.world.change() as world:
        world["queue"] = {"ready": 5000, "published": 5000}

    async def noticed() -> bool:
        ready, signal = await stage.condition("Ready"), await stage.told_of_workers("signal")
        return (ready["status"], signal) == ("False", "5000")

    await stage.until(noticed, 20, "a paused stack is still looked at")
    assert await stage.get("Deployment", "shop-gateway") is None
    worker = await stage.get("Deployment", "shop-worker")
    assert worker is not None
    assert worker["spec"]["replicas"] == 1
    written = stage.writes()
    assert len(written) > len(before), "the audit log shows nothing at all: it proves nothing"
    assert not of_children(written[len(before) :])


async def test_a_refused_child_is_a_condition_in_the_api_servers_words(stage: Stage) -> None:
    stage.operator()
    await stage.create(template={"tolerations": [{"key": "a", "operator": "Sometimes"}]})

    async def told() -> bool:
        return "Sometimes" in (await stage.condition("Stalled"))["message"]

    await stage.until(told, 30, "the refusal is told")
    await stage.edit("shop", template={})
    await stage.ready()


async def test_a_wrong_image_stalls_while_the_old_pods_serve(bare_stage: Stage) -> None:
    def broken(pod: dict[str, object]) -> str | None:
        spec = pod["spec"]
        assert isinstance(spec, dict)
        return "ImagePullBackOff" if spec["containers"][0]["image"] == "wrong:1" else None

    async with Kubelet(bare_stage.kube, bare_stage.namespace, broken):
        bare_stage.operator()
        await bare_stage.create()
        await bare_stage.ready()
        await bare_stage.edit("shop", readApi={"image": "wrong:1"})

        async def told() -> bool:
            stalled = await bare_stage.condition("Stalled")
            return stalled["status"] == "True" and "ImagePullBackOff" in stalled["message"]

        await bare_stage.until(told, 30, "the wrong image is told")
        assert (await bare_stage.condition("Ready"))["status"] == "True"
        await bare_stage.edit("shop", readApi={})
        await bare_stage.ready()


async def test_a_failing_selftest_lowers_ready_and_says_why(stage: Stage) -> None:
    stage.operator()
    await stage.create()
    await stage.ready()
    with stage.world.change() as world:
        world["failing"] = {"write-api": "no primary takes writes"}

    async def told() -> bool:
        writes, ready = await stage.condition("WritesAvailable"), await stage.condition("Ready")
        return ready["status"] == "False" and "o primary takes writes" in writes["message"]

    await stage.until(told, 10, "Ready falls within ten seconds")
    with stage.world.change() as world:
        world["failing"] = {}
    await stage.ready()


async def test_pods_that_the_namespaces_limits_refuse_are_named_with_the_limit(stage: Stage) -> None:
    limits = {"limits": [{"type": "Container", "max": {"memory": "1Mi"}}]}
    document = {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "tiny"}, "spec": limits}
    await stage.kube._request("POST", f"/api/v1/namespaces/{stage.namespace}/limitranges", body=document)
    stage.operator()
    await stage.create()

    stalled = await stage.until_reason("Stalled", "FailedCreate", 60, "cannot make its pods")
    assert "1Mi" in stalled["message"]


def horizontal(stage: Stage, target: str) -> dict[str, Any]:
    """A HorizontalPodAutoscaler of the user's."""
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "mine", "namespace": stage.namespace},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": target},
            "maxReplicas": 3,
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}},
                }
            ],
        },
    }


async def test_a_tier_that_another_scaler_targets_keeps_its_count_and_gets_it_back(stage: Stage) -> None:
    stage.operator()
    await stage.create(gateway={"replicas": 2})
    await stage.ready()
    scaler = await stage.kube.create(horizontal(stage, "shop-gateway"))

    async def count() -> int:
        found = await stage.get("Deployment", "shop-gateway")
        assert found is not None
        return int(found["spec"]["replicas"])

    await stage.until_reason("AutoscalingActive", "ScalingConflict", 20)
    await stage.ready()
    assert await count() == 2
    await stage.kube.scale(Ref("Deployment", stage.namespace, "shop-gateway"), 3)
    await asyncio.sleep(3)
    await stage.ready()
    assert await count() == 3
    assert not [message for reason, message in await stage.events() if reason == "Healed"]
    await stage.kube.delete(Ref.to(scaler), scaler["metadata"]["uid"])

    async def back() -> bool:
        return await count() == 2

    await stage.until(back, 20, "the spec's count is back")


async def test_an_outside_scaler_owns_its_workload(stage: Stage) -> None:
    stage.operator()
    await stage.create(autoscaling=STEADY)
    await stage.ready()
    scaler = horizontal(stage, "shop-worker")
    await stage.kube.create(scaler)

    await stage.until_reason("AutoscalingActive", "ScalingConflict", 20)
    with stage.world.change() as world:
        world["queue"] = {"ready": 5000, "published": 5000}

    async def noticed() -> bool:
        return await stage.told_of_workers("signal") == "5000"

    await stage.until(noticed, 20, "the backlog is seen")
    worker = await stage.get("Deployment", "shop-worker")
    assert worker is not None
    assert worker["spec"]["replicas"] == 1
