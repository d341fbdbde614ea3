"""Pods that will not run by themselves, told with the component and the field of the spec that would help."""

from collections.abc import Iterator

from hcs_operator.api.names import (
    ASYNC_API,
    CACHE,
    DB,
    GATEWAY,
    LIMITS,
    MIGRATE,
    QUEUE,
    READ_API,
    REPLICA,
    WORKER,
    WRITE_API,
)
from hcs_operator.api.observed import PodView, Reason
from hcs_operator.api.pod_problems import CREATION, IMAGE, PLACING
from hcs_operator.api.spec import Stack
from hcs_operator.status.facts import Facts

_PATIENCE = 15.0
"""Seconds for which a pod may be without a node: volumes are made and bound first."""
_BLOCKS = {
    GATEWAY: "gateway",
    WRITE_API: "writeApi",
    ASYNC_API: "asyncApi",
    READ_API: "readApi",
    WORKER: "workers",
    DB: "database",
    REPLICA: "readReplicas",
    CACHE: "cache",
    QUEUE: "queue",
}
_ENGINE_IMAGES = {DB: "mysql", REPLICA: "mysql", CACHE: "redis", LIMITS: "redis", QUEUE: "rabbitmq"}


def hopeless(facts: Facts) -> Iterator[Reason]:
    """Return one obstacle for each component that has a pod which does not run."""
    for name in (*facts.stack.components, MIGRATE):
        for pod in facts.snapshot.of(name):
            if pod.problem is not None and _lasts(pod, pod.problem, facts.snapshot.now):
                yield Reason(pod.problem.word, _told(facts.stack, name, pod, pod.problem))
                break


def _lasts(pod: PodView, problem: Reason, now: float) -> bool:
    return problem.word not in PLACING or now - pod.created_at >= _PATIENCE


def _told(stack: Stack, component: str, pod: PodView, problem: Reason) -> str:
    if problem.word in IMAGE:
        agent = problem.message.startswith("container agent ")
        image = stack.status.get("images", {}).get("agent", "of the agent") if agent else pod.image
        field = "spec.images.agent" if agent else _image_field(stack, component)
        return (
            f"{component} cannot get its image {image}: correct {field}, or give the nodes access ({problem.message})"
        )
    if problem.word == "Unschedulable":
        block = _BLOCKS.get(component)
        fields = f"spec.{block}.resources or its template" if block else "spec.template"
        return f"{component}: {problem.message}; make room, or change {fields}"
    if not pod.ip or problem.word in CREATION:
        return f"{component} cannot be started: {problem.message}"
    return (
        f"{component} does not stay up: {problem.message}; read `kubectl logs {pod.name} --all-containers --previous`"
    )


def _image_field(stack: Stack, component: str) -> str:
    if component in _ENGINE_IMAGES:
        return f"spec.images.{_ENGINE_IMAGES[component]}"
    tiers = {
        GATEWAY: stack.spec.gateway,
        WRITE_API: stack.spec.write_api,
        ASYNC_API: stack.spec.async_api,
        READ_API: stack.spec.read_api,
        WORKER: stack.spec.workers,
    }
    own = component in tiers and tiers[component].image
    return f"spec.{_BLOCKS[component]}.image" if own else "spec.images.services"
