"""A pod of the watch store as a `PodView`: above all, in words, why it does not run."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from hcs_operator.api.labels import COMPONENT
from hcs_operator.api.names import COMPONENTS, MIGRATE, STATEFUL, Names
from hcs_operator.api.observed import PodView, Reason

_PASSING = frozenset({"ContainerCreating", "PodInitializing"})
"""Waiting reasons of a healthy start."""
_ENDED = frozenset({"Succeeded", "Failed"})
_LISTENS_NOT = _ENDED | {"Pending"}
"""Phases in which no container runs; the address may have gone to another pod already."""
_CRASHES = 2
"""Restarts from which on a terminated container counts as a problem."""


def pod_view(pod: Mapping[str, Any], warning: Reason | None = None) -> PodView:
    """Reduce a pod to what decisions need. `warning` is the last event of one that is not started."""
    metadata, spec, status = pod["metadata"], pod.get("spec") or {}, pod.get("status") or {}
    ready = next((entry for entry in status.get("conditions") or () if entry["type"] == "Ready"), None)
    is_ready = ready is not None and ready["status"] == "True"
    containers = spec.get("containers") or ()
    return PodView(
        name=metadata["name"],
        uid=metadata.get("uid", ""),
        component=(metadata.get("labels") or {}).get(COMPONENT, ""),
        ip="" if status.get("phase") in _LISTENS_NOT else status.get("podIP") or "",
        node=spec.get("nodeName") or "",
        ready=is_ready and status.get("phase") == "Running",
        deleting=bool(metadata.get("deletionTimestamp")),
        created_at=seconds_of(metadata.get("creationTimestamp")) or 0.0,
        ready_at=seconds_of((ready or {}).get("lastTransitionTime")) if is_ready else None,
        image=containers[0]["image"] if containers else "",
        labels=metadata.get("labels") or {},
        annotations=metadata.get("annotations") or {},
        problem=_problem(metadata["name"], status) or _held(metadata["name"], warning),
        secrets=frozenset() if status.get("phase") in _ENDED else frozenset(_mounted(spec.get("volumes") or ())),
    )


def made_by(names: Names, pod: Mapping[str, Any]) -> bool:
    """Say whether a workload of the stack controls this pod.

    Labels alone say nothing: a copy of a pod made to debug it carries them, too. Whose pod it is says its controller's
    name: the StatefulSet's, `<Deployment>-<hash>` of a ReplicaSet, or `<stack>-migrate-<fingerprint>` of a Job. While a
    StatefulSet is made anew over its pods they have no controller, and are taken over by their own names.
    """
    metadata = pod["metadata"]
    component = (metadata.get("labels") or {}).get(COMPONENT, "")
    owners = metadata.get("ownerReferences") or ()
    kind, name = next(((it["kind"], it["name"]) for it in owners if it.get("controller")), ("", ""))
    if component in STATEFUL:
        set_name, _, ordinal = metadata["name"].rpartition("-")
        return set_name == names.of(component) and ordinal.isdecimal() and (kind or "StatefulSet") == "StatefulSet"
    known = component in COMPONENTS or component == MIGRATE
    wanted = "Job" if component == MIGRATE else "ReplicaSet"
    return known and kind == wanted and name.rpartition("-")[0] == names.of(component)


def seconds_of(stamp: str | None) -> float | None:
    """Return an RFC 3339 time of the API server as Unix seconds."""
    return datetime.fromisoformat(stamp).astimezone(UTC).timestamp() if stamp else None


def _mounted(volumes: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Name the Secrets of a pod's volumes, alone or projected beside others."""
    for volume in volumes:
        if "secret" in volume:
            yield volume["secret"]["secretName"]
        for source in (volume.get("projected") or {}).get("sources") or ():
            if "secret" in source:
                yield source["secret"]["name"]


def _problem(name: str, status: Mapping[str, Any]) -> Reason | None:
    containers = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    return _container_problem(name, containers) or _unscheduled(name, status)


def _held(name: str, warning: Reason | None) -> Reason | None:
    return warning and Reason(warning.word, f"pod {name} waits to be started: {warning.message}")


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
