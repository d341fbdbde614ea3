"""A Secret of the stack's own that is deleted: made again, told, and passed on to whoever mounts it."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.kubectl import Kubectl, condition

from hcs_operator.decide.renewal import RENEWED
from hcs_operator.kube.resources import API_VERSION, STACK_KIND
from hcs_operator.observe.pods import pod_view, seconds_of

from .control_plane import binary
from .stage import STEADY, Stage

pytestmark = pytest.mark.apiserver


async def test_a_deleted_secret_of_the_stacks_own_is_made_again_and_status_and_an_event_say_so(stage: Stage) -> None:
    stage.operator()
    await stage.create()
    await stage.ready()
    expected = []
    for name in ("shop-database", "shop-cache", "shop-queue", "shop-tokens", "shop-ca", "shop-db-tls"):
        since, secret = await stage.kube.list(STACK_KIND, stage.namespace), await stage.get("Secret", name)
        assert secret is not None
        await stage.remove("Secret", name)

        async def back(name: str = name, before: str = secret["metadata"]["uid"]) -> bool:
            found = await stage.get("Secret", name)
            return found is not None and found["metadata"]["uid"] != before

        await stage.until(back, 20, f"{name} is back")
        expected.append(f"Secret {name} was deleted and is made again")
        await stage.announced("Healed", expected[-1])
        await stage.ready()
        healed = [message for reason, message in await stage.events() if reason == "Healed"]
        assert sorted(healed) == sorted(expected), "what is renewed with it was not deleted"
        told = [
            f"{it['reason']}: {it['message']}"
            for it in _reconciling(stage, since.resource_version, await stage.stack())
        ]
        assert any(message.startswith(f"Applying: Secret {name}: new") for message in told), told


def _reconciling(stage: Stage, since: str, last: dict[str, Any]) -> list[dict[str, Any]]:
    """The condition Reconciling as each status after that version had it, up to one that was read."""
    place = f"/apis/{API_VERSION}/namespaces/{stage.namespace}/highconcurrencystacks"
    kubectl = Kubectl(Path(binary("kubectl")), stage.plane.kubeconfig("player"))
    return [condition(state, "Reconciling") for state in kubectl.history(place, since, last)]


async def test_a_secret_made_anew_is_told_to_the_kubelets_of_the_pods_that_mount_it_and_restarts_none(
    stage: Stage,
) -> None:
    stage.operator()
    await stage.create(autoscaling=STEADY)
    await stage.ready()
    before = await _pods(stage)
    mounting = {name for name, pod in before.items() if "shop-database" in pod_view(pod).secrets}
    assert {name.removeprefix("shop-").rstrip("0123456789-") for name in mounting} >= {"db", "replica"}
    youngest = max(seconds_of(pod["metadata"]["creationTimestamp"]) or 0.0 for pod in before.values())

    async def later() -> bool:
        return time.time() > youngest + 1

    await stage.until(later, 5, "a Secret made now is younger than each pod, in whole seconds")
    await stage.remove("Secret", "shop-database")

    async def told() -> bool:
        secret, pods = await stage.get("Secret", "shop-database"), await _pods(stage)
        uid = secret["metadata"]["uid"] if secret else ""
        return {name for name, pod in pods.items() if pod_view(pod).annotations.get(RENEWED) == uid} == mounting

    await stage.until(told, 20, "exactly the pods that mount the Secret carry its uid")
    await stage.ready()
    written = [write for write in stage.writes() if "/pods/" in write]
    assert written, "the audit log shows what was written on pods"
    await asyncio.sleep(3)
    assert [write for write in stage.writes() if "/pods/" in write] == written
    assert {name: pod["metadata"]["uid"] for name, pod in (await _pods(stage)).items()} == {
        name: pod["metadata"]["uid"] for name, pod in before.items()
    }


async def _pods(stage: Stage) -> dict[str, dict[str, Any]]:
    found = (await stage.kube.list("Pod", stage.namespace, "highconcurrency.dev/stack=shop")).items
    return {pod["metadata"]["name"]: pod for pod in found}
