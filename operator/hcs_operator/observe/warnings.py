"""Why a pod is not made, or not started: Kubernetes tells it in events alone.

A quota, an admission policy or a webhook that refuses pods, a volume or Secret that cannot be mounted: a StatefulSet, a
Job and a pod that waits have no condition for it. Events are asked for only about what has waited for long.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import structlog

from hcs_operator.api.observed import Document, Reason
from hcs_operator.kube.errors import KubeError
from hcs_operator.kube.port import Kube
from hcs_operator.observe.pods import seconds_of

log = structlog.get_logger(__name__)

UNMADE_SECONDS = 15.0
"""How old a workload without its pods is at least."""
UNSTARTED_SECONDS = 60.0
"""How old a pod is at least that has a node and no started container."""
ASKED_AGAIN = 10.0
"""Seconds for which an answer stands: a stack that waits is looked at each second."""
CONFLICT = "the object has been modified"
"""A controller's write that met another one: it is repeated at once and needs nobody."""
LONGEST = 300
"""Characters of an event's message."""


class _Told(NamedTuple):
    until: float
    reason: Reason | None


class Warnings:
    """Asks for events, by the uid of what they are about, and remembers the answers for a few seconds."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self._told: dict[str, _Told] = {}

    async def about(self, waiting: Iterable[Document], now: float) -> Mapping[str, Reason]:
        """Return the newest event of each of these objects, by uid, where it is a warning."""
        self._told = {uid: told for uid, told in self._told.items() if told.until > now}
        found = {}
        for document in waiting:
            metadata = document["metadata"]
            uid = metadata["uid"]
            if uid not in self._told:
                self._told[uid] = _Told(now + ASKED_AGAIN, await self._newest(metadata["namespace"], uid))
            if reason := self._told[uid].reason:
                found[uid] = reason
        return found

    async def _newest(self, namespace: str, uid: str) -> Reason | None:
        """Return the last word: a warning before something that went well is over."""
        try:
            events = (await self._kube.list("Event", namespace, fields=f"involvedObject.uid={uid}")).items
        except KubeError as failure:
            log.warning("events_not_read", namespace=namespace, error=str(failure))
            return None  # words are missed, nothing else
        last = max(events, key=lambda event: int(event["metadata"]["resourceVersion"]), default=None)
        if last is None or last.get("type") != "Warning":
            return None
        if CONFLICT in str(last.get("message")):
            return None
        lines = str(last.get("message") or "").strip().splitlines()
        return Reason(str(last.get("reason") or "Warning"), lines[0][:LONGEST] if lines else "no reason is given")


def unmade(workload: Document, now: float) -> bool:
    """Say whether a StatefulSet or Job should have pods by now that it has not made."""
    if _age(workload, now) < UNMADE_SECONDS:
        return False
    status: Mapping[str, Any] = workload.get("status") or {}
    if workload["kind"] == "StatefulSet":
        return int(status.get("replicas") or 0) < int(workload["spec"].get("replicas", 1))
    made = (status.get(name) for name in ("active", "succeeded", "failed", "conditions"))
    return workload["kind"] == "Job" and not any(made)


def unstarted(pod: Document, now: float) -> bool:
    """Say whether a pod should have a started container by now and has none."""
    status: Mapping[str, Any] = pod.get("status") or {}
    if status.get("phase") != "Pending" or not (pod.get("spec") or {}).get("nodeName"):
        return False
    containers = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    begun = any({"running", "terminated"} & set(it.get("state") or {}) for it in containers)
    return not begun and _age(pod, now) >= UNSTARTED_SECONDS


def _age(document: Document, now: float) -> float:
    return now - (seconds_of(document["metadata"].get("creationTimestamp")) or now)
