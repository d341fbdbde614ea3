"""Workloads that cannot make their pods, or do not get them ready, told in the words of who refuses."""

from collections.abc import Iterator

from hcs_operator.api.names import MIGRATE
from hcs_operator.api.observed import Document, Reason
from hcs_operator.api.times import seconds
from hcs_operator.status.components import Component, workload
from hcs_operator.status.facts import Facts

_PATIENCE = 15.0
"""Seconds for which pods may be refused: a quota has room again when the old pods of an update are gone."""


def uncreated(facts: Facts) -> Iterator[Reason]:
    """Return one obstacle for each component that is kept from its pods by something else than a pod's own problem."""
    for found in facts.components.values():
        child = workload(found.name, facts.stack)
        refused = facts.snapshot.unmade.get(child) or _refused(facts.snapshot.live.get(child), facts.snapshot.now)
        if refused is not None:
            yield _told(found.name, refused)
        elif found.problem is None and not found.settled and _overdue(facts.snapshot.live.get(child)):
            yield _late(found, child.name)
    for child, reason in facts.snapshot.unmade.items():
        if child.kind == "Job":
            yield _told(MIGRATE, reason)


def _told(component: str, refused: Reason) -> Reason:
    message = refused.message.rstrip(".")
    return Reason(
        refused.word,
        f"{component} cannot make its pods: {message}; give the namespace room, or change the policy that refuses them",
    )


def _late(found: Component, name: str) -> Reason:
    return Reason(
        "ProgressDeadlineExceeded",
        f"{found.name} runs but does not get ready ({found.pods}): read `kubectl logs deployment/{name}`",
    )


def _refused(deployment: Document | None, now: float) -> Reason | None:
    """Return why a Deployment's pods are refused, once that has lasted."""
    for entry in _conditions(deployment):
        if entry["type"] == "ReplicaFailure" and entry["status"] == "True":
            since = seconds(entry.get("lastTransitionTime"))
            if since is None or now - since >= _PATIENCE:
                return Reason(entry.get("reason") or "FailedCreate", entry.get("message") or "no reason is given")
    return None


def _overdue(deployment: Document | None) -> bool:
    return any(entry.get("reason") == "ProgressDeadlineExceeded" for entry in _conditions(deployment))


def _conditions(workload_: Document | None) -> tuple[Document, ...]:
    return tuple(((workload_ or {}).get("status") or {}).get("conditions") or ())
