"""From one resource to a stack: all its children, in order, and nothing of anybody else's."""

import os
import re
import subprocess
import time
from typing import Any

import pytest

from hcs_operator.api.crd import definition
from hcs_operator.decide.renewal import RENEWED
from hcs_operator.kube.port import Ref
from hcs_operator.kube.resources import STACK_KIND

from .control_plane import binary
from .stage import STEADY, Stage

pytestmark = pytest.mark.apiserver

WORKLOADS = {
    "Deployment/shop-gateway", "Deployment/shop-write-api", "Deployment/shop-async-api", "Deployment/shop-read-api",
    "Deployment/shop-worker", "StatefulSet/shop-db-0", "StatefulSet/shop-replica-0", "StatefulSet/shop-cache",
    "StatefulSet/shop-queue",
}  # fmt: skip
COMPONENTS = {name.partition("/")[2].removeprefix("shop-").removesuffix("-0") for name in WORKLOADS}
SCHEMA: dict[str, Any] = definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
SPEC = SCHEMA["properties"]["spec"]["properties"]
MOST_EVENTS = 30
"""Each condition turns good once; on the way `Ready` says what is waited for, tier by tier."""


async def test_one_resource_becomes_a_ready_stack_with_all_its_children_and_goes_with_all_but_its_volumes(
    stage: Stage,
) -> None:
    stage.operator()
    await stage.create()
    await stage.ready()
    await _warns_of_nothing_and_tells_no_pod_of_its_secrets(stage)
    await _has_all_its_children(stage)
    await _leaves_nothing_but_volumes(stage)


async def _warns_of_nothing_and_tells_no_pod_of_its_secrets(stage: Stage) -> None:
    events = [
        event
        for event in (await stage.kube.list("Event", stage.namespace)).items
        if event["involvedObject"]["kind"] == "HighConcurrencyStack"
    ]
    print(f"    {len(events)} events of a start: {sorted(event['message'][:60] for event in events)}")
    assert [event["message"] for event in events if event["type"] == "Warning"] == []
    assert len(events) <= MOST_EVENTS
    pods = (await stage.kube.list("Pod", stage.namespace)).items
    assert [pod["metadata"]["name"] for pod in pods if RENEWED in (pod["metadata"].get("annotations") or {})] == []


async def _has_all_its_children(stage: Stage) -> None:
    children = await stage.children()
    assert {name for name in children if name.startswith(("Deployment/", "StatefulSet/"))} == WORKLOADS
    assert {name for name in children if name.startswith("Secret/")} == {
        f"Secret/shop-{part}" for part in ("database", "cache", "queue", "tokens", "ca", "db-tls")
    }


async def _leaves_nothing_but_volumes(stage: Stage) -> None:
    kinds = {name.partition("/")[0] for name in await stage.children()}
    stack = await stage.stack()
    assert not stack["metadata"].get("finalizers")
    await stage.remove("HighConcurrencyStack", "shop")

    async def gone() -> bool:
        lists = [await stage.kube.list(kind, stage.namespace, "highconcurrency.dev/stack=shop") for kind in kinds]
        return not any(found.items for found in lists)

    await stage.until(gone, 60, "everything owned is collected")
    claims = await stage.kube.list("PersistentVolumeClaim", stage.namespace)
    assert {claim["metadata"]["name"].removeprefix("data-") for claim in claims.items} >= {"shop-db-0-0"}


async def test_one_line_of_kubectl_tells_the_story(stage: Stage) -> None:
    stage.operator()
    await stage.create(autoscaling={**STEADY, "readReplicas": {"scaleOut": {"sustain": "5s"}}})
    await stage.ready()
    with stage.world.change() as world:
        # since a while ago: what is counted of a few milliseconds is rounded to another rate
        world["reads"] = {"since": time.time() - 10, "hits": 900, "misses": 100}
    line: dict[str, str] = {}

    async def filled() -> bool:
        line.update(_line(stage))
        return bool(line["HIT RATE"])

    await stage.until(filled, 30, "reads are in the line")
    assert line.pop("AGE").endswith(("s", "m"))
    assert line.pop("MESSAGE").startswith("Writes, reads and tasks work")
    assert line == {
        "NAME": "shop",
        "READY": "True",
        "PHASE": "Running",
        "PRIMARY": "shop-db-0-0",
        "WORKERS": "1",
        "REPLICAS": "1",
        "QUEUE": "0",
        "HIT RATE": "90%",
    }
    _describes_each_component(stage)


def _describes_each_component(stage: Stage) -> None:
    described = _kubectl(stage, "describe", "hcs", "shop")
    told = dict(re.findall(r"^ +Name: +(\S+)\n +Ready: +\S+\n +State: +(.*)$", described, re.MULTILINE))
    assert told == dict.fromkeys(COMPONENTS, "Running")


def test_explain_reads_like_documentation(bare_stage: Stage) -> None:
    top = _kubectl(bare_stage, "explain", "hcs.spec")
    assert set(re.findall(r"^  (\w+)\t<", top, re.MULTILINE)) == set(SPEC)
    members = " ".join(_kubectl(bare_stage, "explain", "hcs.spec.database.members").split())
    assert SPEC["database"]["properties"]["members"]["description"].replace("\n", " ") in members


def _line(stage: Stage) -> dict[str, str]:
    """What `kubectl get hcs -o wide` prints of the one stack, by column."""
    header, line = _kubectl(stage, "get", "hcs", "-o", "wide").splitlines()
    starts = [found.start() for found in re.finditer(r"(?<!\S)\S+(?: \S+)*", header)]
    ends = [*starts[1:], max(len(header), len(line))]
    return {header[start:end].strip(): line[start:end].strip() for start, end in zip(starts, ends, strict=True)}


def _kubectl(stage: Stage, *words: str) -> str:
    """What kubectl prints."""
    command = [binary("kubectl"), f"--kubeconfig={stage.plane.kubeconfig('player')}", f"--namespace={stage.namespace}"]
    environment = {**os.environ, "KUBECACHEDIR": str(stage.folder / "kubectl")}
    told = subprocess.run([*command, *words], env=environment, capture_output=True, text=True, check=True, timeout=30)
    return told.stdout


async def test_services_do_not_start_before_the_engines_are_ready(bare_stage: Stage) -> None:
    bare_stage.operator()
    await bare_stage.create()

    async def engines() -> bool:
        reconciling = await bare_stage.condition("Reconciling")
        made = await bare_stage.get("StatefulSet", "shop-db-0")
        return made is not None and reconciling["reason"].startswith("Waiting")

    await bare_stage.until(engines, 20, "the engines are made, and waited for")
    children = await bare_stage.children()
    assert not [name for name in children if name.startswith(("Deployment/", "Job/"))]


async def test_an_object_of_somebody_elses_is_named_and_never_written(stage: Stage) -> None:
    foreign = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "shop-cache", "namespace": stage.namespace},
        "data": {"mine": "1"},
    }
    made = await stage.kube.create(foreign)
    stage.operator()
    await stage.create()

    async def told() -> bool:
        return "ConfigMap shop-cache" in (await stage.condition("Stalled"))["message"]

    await stage.until(told, 30, "the condition names the foreign object")
    found = await stage.get("ConfigMap", "shop-cache")
    assert found is not None
    assert found["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


async def test_a_stack_whose_name_begins_with_anothers_is_another_stack(stage: Stage) -> None:
    stage.operator()
    await stage.create("shop")
    await stage.create("shop-2")
    await stage.ready("shop", 60)
    await stage.ready("shop-2", 60)
    first, second = await stage.children("shop"), await stage.children("shop-2")
    assert {name.replace("/shop-2", "/shop") for name in second if "migrate" not in name} == {
        name for name in first if "migrate" not in name
    }
    await stage.remove("HighConcurrencyStack", "shop-2")

    async def gone() -> bool:
        listed = await stage.kube.list("Deployment", stage.namespace, "highconcurrency.dev/stack=shop-2")
        return not listed.items

    await stage.until(gone, 60, "the other stack's Deployments are collected")
    left = await stage.children("shop")
    assert {name: left[name]["metadata"]["uid"] for name in first} == {
        name: first[name]["metadata"]["uid"] for name in first
    }


async def test_a_namespace_deleted_in_mid_creation_goes(bare_stage: Stage) -> None:
    bare_stage.operator()
    await bare_stage.create()

    async def begun() -> bool:
        return await bare_stage.get("StatefulSet", "shop-queue") is not None

    await bare_stage.until(begun, 20, "the creation is under way")
    await bare_stage.kube._request("DELETE", f"/api/v1/namespaces/{bare_stage.namespace}")

    async def gone() -> bool:
        found = await bare_stage.kube.list("HighConcurrencyStack", bare_stage.namespace)
        return not found.items and await bare_stage.kube.get(Ref("Secret", bare_stage.namespace, "shop-tokens")) is None

    await bare_stage.until(gone, 60, "the namespace's objects are gone")
    errors = [line for line in bare_stage.logs().splitlines() if '"level": "error"' in line]
    assert not [line for line in errors if '"task": "lease"' not in line]  # the Lease goes with its namespace


async def test_a_stack_made_again_at_once_takes_over_no_password_of_its_earlier_life(stage: Stage) -> None:
    stage.operator()
    await stage.create()
    await stage.ready()
    before = {name: child for name, child in (await stage.children()).items() if name.startswith("Secret/")}
    await stage.remove(STACK_KIND, "shop")
    await stage.create()
    await stage.ready(seconds=60)
    after = {name: child for name, child in (await stage.children()).items() if name.startswith("Secret/")}
    assert before.keys() == after.keys()
    assert not [name for name in before if before[name]["data"] == after[name]["data"]]
