"""A pod of the watch store as a `PodView`: above all, in words, why it does not run."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from hcs_operator.api.observed import PodView, Reason

COMPONENT_LABEL = "app.kubernetes.io/component"

_PASSING = frozenset({"ContainerCreating", "PodInitializing"})
"""Waiting reasons of a healthy start."""
_LISTENS_NOT = frozenset({"Pending", "Succeeded", "Failed"})
"""Phases in which no container runs; the address may have gone to another pod already."""
_CRASHES = 2
"""Restarts from which on a terminated container counts as a problem."""


def pod_view(pod: Mapping[str, Any]) -> PodView:
    """Reduce a pod to what decisions need."""
    metadata, spec, status = pod["metadata"], pod.get("spec") or {}, pod.get("status") or {}
    ready = next((entry for entry in status.get("conditions") or () if entry["type"] == "Ready"), None)
    is_ready = ready is not None and ready["status"] == "True"
    containers = spec.get("containers") or ()
    return PodView(
        name=metadata["name"],
        uid=metadata.get("uid", ""),
        component=(metadata.get("labels") or {}).get(COMPONENT_LABEL, ""),
        ip="" if status.get("phase") in _LISTENS_NOT else status.get("podIP") or "",
        node=spec.get("nodeName") or "",
        ready=is_ready and status.get("phase") == "Running",
        deleting=bool(metadata.get("deletionTimestamp")),
        created_at=seconds_of(metadata.get("creationTimestamp")) or 0.0,
        ready_at=seconds_of((ready or {}).get("lastTransitionTime")) if is_ready else None,
        image=containers[0]["image"] if containers else "",
        labels=metadata.get("labels") or {},
        annotations=metadata.get("annotations") or {},
        problem=_problem(metadata["name"], status),
    )


def seconds_of(stamp: str | None) -> float | None:
    """Return an RFC 3339 time of the API server as Unix seconds."""
    return datetime.fromisoformat(stamp).astimezone(UTC).timestamp() if stamp else None


def _problem(name: str, status: Mapping[str, Any]) -> Reason | None:
    containers = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    return _container_problem(name, containers) or _unscheduled(name, status)


def _container_problem(name: str, containers: Iterable[Mapping[str, Any]]) -> Reason | None:
    for container in containers:
        state, last = container.get("state") or {}, (container.get("lastState") or {}).get("terminated") or {}
        waiting = state.get("waiting")
        if waiting and waiting.get("reason") not in _PASSING:
            said = last.get("message") or waiting.get("message") or ""
            detail = f": {said.strip().splitlines()[-1][:200]}" if said.strip() else ""
            word = str(waiting.get("reason") or "Waiting")
            return Reason(word, f"container {container['name']} of pod {name} is in {word}{detail}")
        ended = state.get("terminated")
        if ended and ended.get("exitCode") and container.get("restartCount", 0) >= _CRASHES:
            return Reason("Crashing", f"container {container['name']} of pod {name} ended with {ended['exitCode']}")
    return None


def _unscheduled(name: str, status: Mapping[str, Any]) -> Reason | None:
    for entry in status.get("conditions") or ():
        if entry["type"] == "PodScheduled" and entry["status"] == "False":
            word = str(entry.get("reason") or "Unschedulable")
            return Reason(word, f"pod {name} has no node: {entry.get('message') or 'the scheduler does not say why'}")
    return None
